// SPDX-License-Identifier: LGPL-3.0-or-later
// On how many nodes the records of a database are to be, by its name: "[database] copies" of ctdb.conf.
#ifndef LIBCTDBIPC_BASE_COPIES_RULES_H_
#define LIBCTDBIPC_BASE_COPIES_RULES_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ctdb {

struct CopiesRule {
  std::string pattern;  // of names; * is any text, ? any character
  uint8_t copies = 1;   // the owner's included, 1 to kCopiesMax
  bool operator==(const CopiesRule&) const = default;
};

bool matches_pattern(std::string_view name, std::string_view pattern);
// By the first rule that matches; 1 when none does.
uint8_t copies_of(const std::vector<CopiesRule>& rules, std::string_view name);

}  // namespace ctdb

#endif  // LIBCTDBIPC_BASE_COPIES_RULES_H_
