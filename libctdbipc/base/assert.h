// SPDX-License-Identifier: LGPL-3.0-or-later
// CTDB_ASSERT: the program itself is wrong. On in release builds too. Never for bytes, files or arguments
// that came from outside: those are Result errors.
#ifndef LIBCTDBIPC_BASE_ASSERT_H_
#define LIBCTDBIPC_BASE_ASSERT_H_

namespace ctdb {
[[noreturn]] void assert_failed(const char* expression, const char* file, int line);
}  // namespace ctdb

#define CTDB_ASSERT(expression) \
  (__builtin_expect(!!(expression), 1) ? (void)0 : ::ctdb::assert_failed(#expression, __FILE__, __LINE__))

#endif  // LIBCTDBIPC_BASE_ASSERT_H_
