// SPDX-License-Identifier: GPL-3.0-or-later
// Some of the clients of this node, by the ids that the router gave them.
#ifndef CTDB_STORE_CORE_ENDPOINTS_H_
#define CTDB_STORE_CORE_ENDPOINTS_H_

#include <cstdint>
#include <unordered_set>

namespace ctdb {

using Endpoints = std::unordered_set<uint32_t>;

// Endpoints are of one life of the router, but for those that stay when it ends.
class RouterLives {
 public:
  void next(const Endpoints& staying) {
    ++number_;
    staying_ = staying;
  }
  uint64_t number() const { return number_; }
  // This client of that life may still be told something.
  bool goes_on(uint64_t life, uint32_t endpoint) const {
    return life == number_ || staying_.contains(endpoint);
  }

 private:
  uint64_t number_ = 0;
  Endpoints staying_;
};

}  // namespace ctdb

#endif  // CTDB_STORE_CORE_ENDPOINTS_H_
