// SPDX-License-Identifier: GPL-3.0-or-later
// Which device, port and address of this machine the links use: what the configuration names, else the port that has the node's
// own address, else the only InfiniBand port that is up.
#ifndef CTDB_ROUTER_TRANSPORT_VERBS_VERBS_PORT_H_
#define CTDB_ROUTER_TRANSPORT_VERBS_VERBS_PORT_H_

#include <cstdint>
#include <string>

#include "ctdb-router/transport/verbs/verbs_objects.h"
#include "libctdbipc/base/result.h"
#include "libctdbipc/runtime/config.h"
#include "libctdbipc/wire/verbs_messages.h"

namespace ctdb {

struct VerbsPort {
  VerbsContext context;
  uint8_t number = 0;
  uint8_t gid_index = 0;
  Gid gid{};  // what was at that index when the port was chosen
};

// What QueuePair says of the port, as it is now.
struct VerbsPortState {
  Gid gid{};
  uint32_t lid = 0;
  uint32_t mtu = 0;
  bool ethernet = false;  // RoCE
};

// Errors: there is no device, none that fits, several that fit as well, or it cannot be opened; with the remedy.
Result<VerbsPort> choose_port(const VerbsConfig& config, const std::string& own_address);

// Another address is at the port's index now, or none: queue pairs made from now on would say they are somebody else.
bool address_moved(const VerbsPort& port);

// Errors: the port is down, or has no such address.
Result<VerbsPortState> look_at(const VerbsPort& port);

}  // namespace ctdb

#endif  // CTDB_ROUTER_TRANSPORT_VERBS_VERBS_PORT_H_
