// SPDX-License-Identifier: GPL-3.0-or-later
// IP over InfiniBand: which port of the fabric an IP address of this machine is on. An InfiniBand port has no IP address among its
// own, as a RoCE port has; the hardware address of its IP interface names it, in the kernel's words in sysfs. The same two addresses
// tell the kernel's own connection manager, so bonds of such interfaces, and those of partitions, are no special case.
#ifndef CTDB_ROUTER_TRANSPORT_VERBS_IPOIB_H_
#define CTDB_ROUTER_TRANSPORT_VERBS_IPOIB_H_

#include <cstdint>
#include <optional>
#include <string>

#include "libctdbipc/wire/verbs_messages.h"

namespace ctdb {

struct IpoibPort {
  Gid gid{};               // the port's
  uint16_t partition = 0;  // P_Key
};

inline constexpr const char* kNetworkInterfaces = "/sys/class/net";

// P_Keys of which at least one side is a full member, of the same partition.
inline constexpr uint16_t kFullMember = 0x8000;
inline bool same_partition(uint16_t a, uint16_t b) {
  return ((a ^ b) & ~kFullMember) == 0 && ((a | b) & kFullMember) != 0;
}

// nullopt: no interface of this machine has that address, or it is not one of InfiniBand. `interfaces`: where sysfs shows them.
std::optional<IpoibPort> ipoib_port(const std::string& address, const std::string& interfaces);

}  // namespace ctdb

#endif  // CTDB_ROUTER_TRANSPORT_VERBS_IPOIB_H_
