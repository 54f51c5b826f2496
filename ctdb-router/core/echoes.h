// SPDX-License-Identifier: GPL-3.0-or-later
// Echoes (ECHO_DATA) that wait for their time. Each sender, a local client or another node, has room of its own: one that asks for very
// many takes nobody else's.
#ifndef CTDB_ROUTER_CORE_ECHOES_H_
#define CTDB_ROUTER_CORE_ECHOES_H_

#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include "ctdb-router/core/requests.h"

namespace ctdb {

class Echoes {
 public:
  struct Echo {
    Origin origin;
    Bytes data;
  };

  // false: too many of this sender wait, or too many bytes.
  bool add(const Origin& origin, ByteView data, TimeNs when);
  // One whose time has come.
  std::optional<Echo> take(TimeNs now);
  // A client is gone, or (client 0) the link to that node: its own mean nothing any more.
  void forget(uint32_t client, uint32_t node);
  TimeNs next_deadline() const { return waiting_.empty() ? kNever : waiting_.begin()->first; }

 private:
  using Sender = std::pair<uint32_t, uint32_t>;  // client, node
  struct Room {
    size_t echoes = 0, bytes = 0;
  };
  static Sender sender_of(const Origin& origin) { return {origin.client, origin.node}; }
  void left(const Echo& echo);

  std::multimap<TimeNs, Echo> waiting_;
  std::map<Sender, Room> taken_;  // of senders that have any
};

}  // namespace ctdb

#endif  // CTDB_ROUTER_CORE_ECHOES_H_
