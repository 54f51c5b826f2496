// SPDX-License-Identifier: LGPL-3.0-or-later
// What ctdb.conf says of databases by their names: "[database] copies" and "[database] record limit".
#ifndef LIBCTDBIPC_BASE_DATABASE_RULES_H_
#define LIBCTDBIPC_BASE_DATABASE_RULES_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "libctdbipc/base/bytes.h"

namespace ctdb {

// On how many nodes the records of a volatile database are.
struct CopiesRule {
  std::string pattern;  // of names; * is any text, ? any character
  uint8_t copies = 1;   // the owner's included, 1 to kCopiesMax
  bool operator==(const CopiesRule&) const = default;
};

// The largest value that a record of a database is given.
struct RecordLimitRule {
  std::string pattern;  // as above
  uint32_t bytes = 0;   // kRecordLimitLeast to kValueBytesMax
  bool operator==(const RecordLimitRule&) const = default;
};

// A database's name becomes a file name: no way out of the directory.
inline constexpr size_t kDatabaseNameBytesMax = 200;  // a file name with the node's number behind it
inline constexpr const char* kNoDatabaseName =
    "not a database name: 1 to 200 bytes, no /, space or control character, no dot at the beginning";
bool is_database_name(std::string_view name);

bool matches_pattern(std::string_view name, std::string_view pattern);
// By the first rule that matches; 1, or kValueBytesMax, when none does.
uint8_t copies_of(const std::vector<CopiesRule>& rules, std::string_view name);
uint32_t record_limit_of(const std::vector<RecordLimitRule>& rules, std::string_view name);
// "", or the refusal of a value of so many bytes, for people.
std::string why_too_large(std::string_view database, uint32_t record_limit, ByteView key, size_t bytes);

}  // namespace ctdb

#endif  // LIBCTDBIPC_BASE_DATABASE_RULES_H_
