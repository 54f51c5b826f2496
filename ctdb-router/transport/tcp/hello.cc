// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-router/transport/tcp/hello.h"

#include <algorithm>

#include "libctdbipc/base/printable.h"

namespace ctdb {
namespace {

tl::unexpected<Error> refuse(std::string why) {
  return fail(ErrorCode::kRefused, std::move(why));
}

std::string versions(uint32_t min, uint32_t max) {
  return std::to_string(min) + " to " + std::to_string(max);
}

// The words go to both sides, so they name the nodes.
std::string no_common_version(const Hello& hello, uint32_t peer, uint32_t own) {
  const uint32_t older = hello.version_max < kLinkVersionMin ? peer : own;
  return "no common version: " + versions(hello.version_min, hello.version_max) + " there, " +
         versions(kLinkVersionMin, kLinkVersionMax) + " here (node " + std::to_string(older) +
         " has the older release: upgrade it)";
}

}  // namespace

Result<uint32_t> node_of_address(const HelloRules& rules, const std::string& address) {
  for (const NodeAddress& node : rules.nodes) {
    if (node.deleted || node.address != address) continue;
    if (node.pnn == rules.pnn) return refuse("address " + address + " is this node itself");
    if (node.pnn < rules.pnn) {
      return refuse("node " + std::to_string(node.pnn) +
                    " must not open the link: the node with the higher number does");
    }
    return node.pnn;
  }
  return refuse("address " + address + " is not in the nodes file of node " + std::to_string(rules.pnn));
}

Result<Hello> check_hello(const HelloRules& rules, uint32_t peer, bool incoming, ByteView packet) {
  const Header header = read_header(packet);
  if (header.operation == static_cast<uint32_t>(Operation::HELLO_REFUSED)) {
    const std::optional<HelloRefused> refused = HelloRefused::decode(own_payload(packet));
    return refuse("the other side refused: " + quoted(refused ? refused->reason : "for a reason it garbled"));
  }
  if (header.operation != static_cast<uint32_t>(Operation::HELLO))
    return refuse("the first packet is not a HELLO");
  std::optional<Hello> hello = Hello::decode(own_payload(packet));
  if (!hello) return refuse("HELLO is malformed");
  if (hello->cluster_name != rules.cluster_name) {
    return refuse("cluster name is " + quoted(hello->cluster_name) + " there and " +
                  quoted(rules.cluster_name) + " here");
  }
  if (header.srcnode != peer) {
    return refuse("it says it is node " + std::to_string(header.srcnode) +
                  ", but its address is that of node " + std::to_string(peer) + " (the nodes files differ)");
  }
  if (header.destnode != rules.pnn) {
    return refuse("it wants node " + std::to_string(header.destnode) + ", but this is node " +
                  std::to_string(rules.pnn) + " (the nodes files differ)");
  }
  if (std::max(hello->version_min, kLinkVersionMin) > std::min(hello->version_max, kLinkVersionMax))
    return refuse(no_common_version(*hello, peer, rules.pnn));
  if (incoming != (peer > rules.pnn)) return refuse("the wrong side opened the link");
  return std::move(*hello);
}

}  // namespace ctdb
