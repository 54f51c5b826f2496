// SPDX-License-Identifier: GPL-3.0-or-later
// Packets of nodes that come too early: of the generation being made, whose other members have opened it, and *early* ones of an
// attempt that this node has not been told to begin yet.
//
// Early ones are bounded per node, so that one which sends nonsense harms its own attempts only: when it has no room left, what it
// sent for another generation goes first. (A node takes part in one attempt at a time.)
#ifndef CTDB_STORE_CORE_PARKED_PACKETS_H_
#define CTDB_STORE_CORE_PARKED_PACKETS_H_

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <utility>

#include "libctdbipc/base/bytes.h"
#include "libctdbipc/wire/packet.h"

namespace ctdb {

class ParkedPackets {
 public:
  struct Parked {
    Header header;
    bool early = false;
    uint32_t came_in = CTDB_INVALID_GENERATION;  // which generation it was here then
    Bytes packet;
  };
  // A node that takes part in generations is never so many terms behind the others. (A generation is term << 8 | attempt.)
  static constexpr uint32_t kTermsAheadMax = 64;
  static bool in_reach(uint32_t generation, uint32_t from) {
    return (generation >> 8) - (from >> 8) <= kTermsAheadMax;
  }
  static constexpr size_t kBytesMax = 256u << 20;      // of all nodes
  static constexpr size_t kEarlyBytesMax = 32u << 20;  // of one

  // false: there is no room for it.
  bool keep(Parked&& one) {
    const size_t size = one.packet.size();
    size_t& of_node = early_bytes_[one.header.srcnode];
    if (one.early && of_node + size > kEarlyBytesMax) forget_others(one.header);
    if (one.early && of_node + size > kEarlyBytesMax) return false;
    if (bytes_ + size > kBytesMax) return false;
    bytes_ += size;
    if (one.early) of_node += size;
    packets_.push_back(std::move(one));
    return true;
  }
  std::deque<Parked> take_all() {
    bytes_ = 0;
    early_bytes_.clear();
    return std::exchange(packets_, {});
  }
  size_t count() const { return packets_.size(); }

 private:
  void forget_others(const Header& header) {
    std::erase_if(packets_, [&](const Parked& one) {
      const bool other =
          one.early && one.header.srcnode == header.srcnode && one.header.generation != header.generation;
      if (!other) return false;
      bytes_ -= one.packet.size();
      early_bytes_[header.srcnode] -= one.packet.size();
      return true;
    });
  }

  std::deque<Parked> packets_;
  size_t bytes_ = 0;
  std::map<uint32_t, size_t> early_bytes_;  // by node
};

}  // namespace ctdb

#endif  // CTDB_STORE_CORE_PARKED_PACKETS_H_
