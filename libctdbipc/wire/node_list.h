// SPDX-License-Identifier: LGPL-3.0-or-later
// The nodes file as daemons tell it each other: addresses by node number. Pure.
#ifndef LIBCTDBIPC_WIRE_NODE_LIST_H_
#define LIBCTDBIPC_WIRE_NODE_LIST_H_

#include <cstdint>
#include <string>
#include <vector>

namespace ctdb {

// What a nodes file says of one node. As text it is an address.
struct NodeEntry {
  NodeEntry() = default;
  NodeEntry(std::string where, bool is_witness = false) : address(std::move(where)), witness(is_witness) {}
  NodeEntry(const char* where) : address(where) {}

  bool empty() const { return address.empty(); }
  bool operator==(const NodeEntry&) const = default;

  std::string address;   // empty: deleted, or the number is not in use
  bool witness = false;  // it votes and holds no records (ARCHITECTURE.md §5, "A witness")
};

// list[pnn]. Empty entries at the end mean nothing.
using NodeList = std::vector<NodeEntry>;

// Of what the list means: the same for lists that differ in deleted nodes at the end only.
uint64_t node_list_digest(const NodeList& list);
bool in_list(const NodeList& list, uint32_t pnn);
bool is_witness(const NodeList& list, uint32_t pnn);
std::vector<uint32_t> numbers_of(const NodeList& list);
// "node 3: 10.0.0.4 here, 10.0.0.9 there", the first three of them; empty: no difference.
std::string node_list_difference(const NodeList& here, const NodeList& there);

}  // namespace ctdb

#endif  // LIBCTDBIPC_WIRE_NODE_LIST_H_
