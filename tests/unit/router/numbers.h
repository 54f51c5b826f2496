// SPDX-License-Identifier: GPL-3.0-or-later
// Payloads of u32 values in a row.
#ifndef CTDB_TESTS_UNIT_ROUTER_NUMBERS_H_
#define CTDB_TESTS_UNIT_ROUTER_NUMBERS_H_

#include "libctdbipc/base/bytes.h"
#include "libctdbipc/wire/reader.h"

namespace ctdb::test {

template <typename... Numbers>
Bytes numbers(Numbers... values) {
  Bytes data;
  Writer writer(data);
  (writer.u32(static_cast<uint32_t>(values)), ...);
  return data;
}

}  // namespace ctdb::test

#endif  // CTDB_TESTS_UNIT_ROUTER_NUMBERS_H_
