// SPDX-License-Identifier: GPL-3.0-or-later
// Questions whether a client lives, put to a node whose link is down, or to this one before the last router's clients are back. Who
// hears no takes what the client had, so nobody is told that before it is certain enough: the questions wait for a while.
#ifndef CTDB_ROUTER_CORE_LIFE_QUESTIONS_H_
#define CTDB_ROUTER_CORE_LIFE_QUESTIONS_H_

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "ctdb-router/core/requests.h"
#include "libctdbipc/wire/packet.h"

namespace ctdb {

class LifeQuestions {
 public:
  struct Question {
    Origin origin;
    uint32_t node = 0;
    Bytes packet;
  };
  // A malformed one is not: whoever is asked refuses it.
  static bool is_one(const ReqControl& control);

  // false: too many of this sender wait.
  bool add(const Origin& origin, uint32_t node, ByteView packet, TimeNs until);
  std::vector<Question> take(uint32_t node);
  std::vector<Question> take_expired(TimeNs now);
  void client_gone(uint32_t client);
  TimeNs next_deadline() const { return waiting_.empty() ? kNever : waiting_.begin()->first; }

 private:
  using Sender = std::pair<uint32_t, uint32_t>;     // client, node
  using Waiting = std::multimap<TimeNs, Question>;  // by the time until which they wait
  static Sender sender_of(const Origin& origin) { return {origin.client, origin.node}; }
  Waiting::iterator take(Waiting::iterator at, std::vector<Question>& taken);

  Waiting waiting_;
  std::map<Sender, size_t> counts_;  // of senders that have any
};

}  // namespace ctdb

#endif  // CTDB_ROUTER_CORE_LIFE_QUESTIONS_H_
