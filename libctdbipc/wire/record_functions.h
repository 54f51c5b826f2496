// SPDX-License-Identifier: LGPL-3.0-or-later
// Functions that change a record where it is: (data, argument) -> (new data or none, result, status). Pure: run by stores
// for their callers, and by a client on a record that it has locked itself.
//
// A record that is empty and one that is not there are the same. Numbers are little endian.
//
//   function          argument                              result, status DONE       result, status UNEQUAL
//   ADD               i64 amount                            i64 new value             -
//   COMPARE_AND_SWAP  u32 size, expected data, new data     -                         the data as they are
//   APPEND            data                                  u64 size afterwards       -
//   APPEND_IF         u64 size it must have now, data       u64 size afterwards       u64 size now
//   NAMED             u32 size, name, argument of its own   its own                    its own
//
// NAMED: a function of a plug-in of the store; only stores run them (ctdb_function.h).
// ADD: the record is an i64, one that is empty counts as 0; a sum that does not fit is refused, for a counter that wraps
// silently is wrong without anybody knowing. With amount 0 it reads the counter.
#ifndef LIBCTDBIPC_WIRE_RECORD_FUNCTIONS_H_
#define LIBCTDBIPC_WIRE_RECORD_FUNCTIONS_H_

#include <cstdint>
#include <optional>
#include <string_view>

#include "libctdbipc/base/bytes.h"
#include "libctdbipc/base/limits.h"
#include "libctdbipc/wire/layout.h"

namespace ctdb {

struct FunctionOutcome {
  int32_t status = CTDB_FUNC_STATUS_DONE;
  bool changed = false;
  Bytes value;   // changed: the new data
  Bytes result;  // negative status: an English text
};

// Whether calls of this id change the record, also when there is no such function.
inline constexpr bool is_changing_function(uint32_t callid) {
  return callid >= CTDB_FUNC_FIRST_CHANGING && callid <= CTDB_FUNC_LAST_CHANGING;
}

// `value_bytes_max`: what a record of this database may have afterwards, at most kValueBytesMax. `data` and `argument` are loans
// and not part of `outcome`, which is overwritten.
void run_record_function(uint32_t callid, ByteView data, ByteView argument, size_t value_bytes_max,
                         FunctionOutcome& outcome);

// A status with the text that belongs to it, or `text`, and no change.
void refuse_function(FunctionOutcome& outcome, int32_t status);
void refuse_function(FunctionOutcome& outcome, int32_t status, std::string_view text);

// ---- the argument of NAMED ----

inline constexpr size_t kFunctionNameBytesMax = 64;
// 1 to that many letters, digits, - _ and .
bool is_function_name(std::string_view name);

struct NamedCall {
  std::string_view name;
  ByteView argument;
};
Bytes encode_named_call(const NamedCall& call);
// nullopt: malformed.
std::optional<NamedCall> parse_named_call(ByteView bytes);

}  // namespace ctdb

#endif  // LIBCTDBIPC_WIRE_RECORD_FUNCTIONS_H_
