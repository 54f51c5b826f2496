// SPDX-License-Identifier: GPL-3.0-or-later
// Questions whether a client lives, put to a node whose link is down, or to this one before the last router's clients are back. Who
// hears no takes what the client had, so nobody is told that before it is certain enough: the questions wait for a while.
#ifndef CTDB_ROUTER_CORE_LIFE_QUESTIONS_H_
#define CTDB_ROUTER_CORE_LIFE_QUESTIONS_H_

#include <cstdint>
#include <vector>

#include "ctdb-router/core/requests.h"

namespace ctdb {

class LifeQuestions {
 public:
  struct Question {
    Origin origin;
    uint32_t node = 0;
    Bytes packet;
    TimeNs until = 0;
  };
  static bool is_one(uint32_t opcode);

  // false: too many wait.
  bool add(const Origin& origin, uint32_t node, ByteView packet, TimeNs until);
  std::vector<Question> take(uint32_t node);
  std::vector<Question> take_expired(TimeNs now);
  void client_gone(uint32_t client);
  TimeNs next_deadline() const;

 private:
  template <typename Condition>
  std::vector<Question> take_if(const Condition& condition);

  std::vector<Question> waiting_;
};

}  // namespace ctdb

#endif  // CTDB_ROUTER_CORE_LIFE_QUESTIONS_H_
