// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-router/core/tunables.h"

#include <algorithm>
#include <cctype>
#include <iterator>

namespace ctdb {
namespace {

enum class State : uint8_t { live, obsolete };
struct Row {
  std::string_view name;
  uint32_t value;
  State state;
};
constexpr Row kRows[] = {
#define CTDB_TUNABLE(name, default_value, state) {#name, default_value, State::state},
#include "libctdbipc/wire/tunables.def"
};
static_assert(std::size(kRows) == kTunables);

bool same_word(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

const Row* find(std::string_view name) {
  const Row* row =
      std::find_if(std::begin(kRows), std::end(kRows), [&](const Row& r) { return same_word(r.name, name); });
  return row == std::end(kRows) ? nullptr : row;
}

}  // namespace

Tunables::Tunables() {
  for (const Row& row : kRows) values_.push_back(row.value);
}

std::optional<uint32_t> Tunables::get(std::string_view name) const {
  const Row* row = find(name);
  if (row == nullptr) return std::nullopt;
  return values_[static_cast<size_t>(row - kRows)];
}

Tunables::SetResult Tunables::set(std::string_view name, uint32_t value) {
  const Row* row = find(name);
  if (row == nullptr) return SetResult::kUnknown;
  values_[static_cast<size_t>(row - kRows)] = value;
  return row->state == State::obsolete ? SetResult::kObsolete : SetResult::kSet;
}

// The order of the structure, but for one name: the classic daemon lists VacuumFastPathCount behind RepackLimit
// (observed), and scripts compare such lists.
std::string Tunables::list() {
  constexpr std::string_view kMoved = "VacuumFastPathCount";
  std::string text;
  for (const Row& row : kRows) {
    if (row.state == State::live && row.name != kMoved) text.append(":").append(row.name);
    if (row.name == "RepackLimit") text.append(":").append(kMoved);
  }
  return text;
}

std::string Tunables::settings() const {
  std::string text;
  for (const Row& row : kRows) {
    if (row.state == State::obsolete) continue;
    text.append("tunable ").append(row.name).append(" = ");
    text.append(std::to_string(values_[static_cast<size_t>(&row - kRows)])).append("\n");
  }
  return text;
}

}  // namespace ctdb
