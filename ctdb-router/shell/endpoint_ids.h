// SPDX-License-Identifier: GPL-3.0-or-later
// Ids of local clients, both kinds: one counter, never 0, never the last number, never one that is in use.
#ifndef CTDB_ROUTER_SHELL_ENDPOINT_IDS_H_
#define CTDB_ROUTER_SHELL_ENDPOINT_IDS_H_

#include <cstdint>
#include <unordered_set>

#include "libctdbipc/base/limits.h"

namespace ctdb {

class EndpointIds {
 public:
  explicit EndpointIds(uint32_t last = 0) : last_(last) {}
  // 0: kClientsMax are in use.
  uint32_t take() {
    if (used_.size() >= kClientsMax) return 0;
    do {
      last_ = last_ >= kMax ? 1 : last_ + 1;
    } while (!used_.insert(last_).second);
    return last_;
  }
  // One that the last router gave away. false: it is in use.
  bool take_over(uint32_t id) { return id != 0 && used_.size() < kClientsMax && used_.insert(id).second; }
  void give_back(uint32_t id) { used_.erase(id); }

 private:
  // What is above stands for the store itself in its queues (kStoresOwn).
  static constexpr uint32_t kMax = 0xFFFFFFFEu;

  uint32_t last_;
  std::unordered_set<uint32_t> used_;
};

}  // namespace ctdb

#endif  // CTDB_ROUTER_SHELL_ENDPOINT_IDS_H_
