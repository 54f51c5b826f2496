// SPDX-License-Identifier: GPL-3.0-or-later
// The tunables of this node (wire-protocol §7.6): names compare without case, all values are u32.
#ifndef CTDB_ROUTER_CORE_TUNABLES_H_
#define CTDB_ROUTER_CORE_TUNABLES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libctdbipc/wire/tunables.h"

namespace ctdb {

class Tunables {
 public:
  Tunables();
  uint32_t get(Tunable which) const { return values_[static_cast<size_t>(which)]; }
  std::optional<uint32_t> get(std::string_view name) const;
  enum class SetResult : uint8_t { kSet, kObsolete, kUnknown };
  SetResult set(std::string_view name, uint32_t value);
  const std::vector<uint32_t>& all() const { return values_; }
  // ":Name1:Name2:..." of the live ones, the form of LIST_TUNABLES.
  static std::string list();
  // A line "tunable NAME = VALUE" for each live one.
  std::string settings() const;

 private:
  std::vector<uint32_t> values_;
};

}  // namespace ctdb

#endif  // CTDB_ROUTER_CORE_TUNABLES_H_
