// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbipc/base/copies_rules.h"

#include <algorithm>

namespace ctdb {

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
  const auto rule = std::ranges::find_if(
      rules, [name](const CopiesRule& one) { return matches_pattern(name, one.pattern); });
  return rule == rules.end() ? 1 : rule->copies;
}

}  // namespace ctdb
