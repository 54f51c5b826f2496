// SPDX-License-Identifier: GPL-3.0-or-later
// Which device, ports and addresses of this machine the links use: what the configuration names, else the ports that have the addresses
// from which the kernel's routes lead to the peers (over RoCE an address of the port itself, over InfiniBand that of its IP interface), else
// the port with the node's own address, else the only InfiniBand port that is up.
// A router uses one device (one completion queue, one shared receive queue), but any of its ports and addresses.
#ifndef CTDB_ROUTER_TRANSPORT_VERBS_VERBS_PORT_H_
#define CTDB_ROUTER_TRANSPORT_VERBS_VERBS_PORT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ctdb-router/transport/verbs/ipoib.h"
#include "ctdb-router/transport/verbs/verbs_objects.h"
#include "libctdbipc/base/result.h"
#include "libctdbipc/runtime/config.h"
#include "libctdbipc/wire/verbs_messages.h"

namespace ctdb {

struct VerbsAddress {
  uint8_t port = 0;
  uint8_t gid_index = 0;
  Gid gid{};  // what was at that index when it was found
  uint16_t partition_index = 0;
  uint16_t partition = 0;  // what was at that one
};

// What QueuePair says of the port, as it is now.
struct VerbsPortState {
  Gid gid{};
  uint32_t lid = 0;
  uint32_t mtu = 0;
  bool ethernet = false;  // RoCE
};

// Which of this machine's addresses the kernel sends from to `peer`: `own` where the peer is on this machine or there is no route.
std::string source_towards(const std::string& own, const std::string& peer);

// Opens the device that has the earliest of these addresses. Errors: there is no device, none that fits, several that fit as well,
// or it cannot be opened; with the remedy.
Result<VerbsContext> choose_device(const VerbsConfig& config, const std::vector<std::string>& local_addresses,
                                   const std::string& interfaces = kNetworkInterfaces);

// Where the earliest of these addresses is on a device; nullopt: nowhere.
std::optional<VerbsAddress> find_address(ibv_context* context, const VerbsConfig& config,
                                         const std::vector<std::string>& local_addresses,
                                         const std::string& interfaces = kNetworkInterfaces);

// Another address or partition is at its index now, or none: queue pairs made from now on would say they are somebody else.
bool address_moved(ibv_context* context, const VerbsAddress& address);

// Errors: the port is down, or has no such address.
Result<VerbsPortState> look_at(ibv_context* context, const VerbsAddress& address);

}  // namespace ctdb

#endif  // CTDB_ROUTER_TRANSPORT_VERBS_VERBS_PORT_H_
