// SPDX-License-Identifier: LGPL-3.0-or-later
// When what of ctdb_after() is due. Of each the id of its request, which has the callback.
#ifndef LIBCTDBIPC_CLIENT_TIMERS_H_
#define LIBCTDBIPC_CLIENT_TIMERS_H_

#include <cstdint>
#include <optional>
#include <set>
#include <utility>

namespace ctdb {

class Timers {
 public:
  void add(int64_t due_ns, uint32_t id) { due_.emplace(due_ns, id); }
  void remove(int64_t due_ns, uint32_t id) { due_.erase({due_ns, id}); }
  // Of the first one.
  std::optional<int64_t> next() const {
    return due_.empty() ? std::nullopt : std::optional<int64_t>(due_.begin()->first);
  }
  // Removes the first one, if it is due at `now_ns`.
  std::optional<uint32_t> take(int64_t now_ns) {
    if (due_.empty() || due_.begin()->first > now_ns) return std::nullopt;
    const uint32_t id = due_.begin()->second;
    due_.erase(due_.begin());
    return id;
  }

 private:
  std::set<std::pair<int64_t, uint32_t>> due_;  // CLOCK_MONOTONIC
};

}  // namespace ctdb

#endif  // LIBCTDBIPC_CLIENT_TIMERS_H_
