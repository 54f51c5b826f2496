// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbipc/base/database_rules.h"

#include <algorithm>

#include "libctdbipc/base/limits.h"
#include "libctdbipc/base/printable.h"

namespace ctdb {
namespace {

template <typename Rule>
const Rule* first_match(const std::vector<Rule>& rules, std::string_view name) {
  const auto rule =
      std::ranges::find_if(rules, [name](const Rule& one) { return matches_pattern(name, one.pattern); });
  return rule == rules.end() ? nullptr : &*rule;
}

}  // namespace

bool is_database_name(std::string_view name) {
  if (name.empty() || name.size() > kDatabaseNameBytesMax || name.front() == '.') return false;
  return std::ranges::all_of(name, [](char c) { return c != '/' && c > ' ' && c != 0x7f; });
}

// When what follows the last * does not fit, that * takes one character more: no other has to be tried again.
bool matches_pattern(std::string_view name, std::string_view pattern) {
  size_t at = 0, of = 0;
  size_t star = std::string_view::npos, taken = 0;
  while (at < name.size()) {
    if (of < pattern.size() && pattern[of] == '*') {
      star = of++;
      taken = at;
    } else if (of < pattern.size() && (pattern[of] == '?' || pattern[of] == name[at])) {
      ++of;
      ++at;
    } else if (star != std::string_view::npos) {
      of = star + 1;
      at = ++taken;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', of) == std::string_view::npos;
}

uint8_t copies_of(const std::vector<CopiesRule>& rules, std::string_view name) {
  const CopiesRule* rule = first_match(rules, name);
  return rule == nullptr ? uint8_t{1} : rule->copies;
}

uint32_t record_limit_of(const std::vector<RecordLimitRule>& rules, std::string_view name) {
  const RecordLimitRule* rule = first_match(rules, name);
  return rule == nullptr ? kValueBytesMax : rule->bytes;
}

std::string why_too_large(std::string_view database, uint32_t record_limit, ByteView key, size_t bytes) {
  if (bytes <= record_limit) return "";
  return "record " + argument_from_bytes(key) + " would have " + std::to_string(bytes) + " bytes, and " +
         std::string(database) + " may have " + std::to_string(record_limit) +
         " in one ([database] record limit)";
}

}  // namespace ctdb
