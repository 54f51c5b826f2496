// SPDX-License-Identifier: LGPL-3.0-or-later
// pwrite(2) until all is written.
#ifndef LIBCTDBIPC_BASE_WRITE_ALL_H_
#define LIBCTDBIPC_BASE_WRITE_ALL_H_

#include <cstdint>
#include <string>

#include "libctdbipc/base/bytes.h"
#include "libctdbipc/base/result.h"

namespace ctdb {

// `path` is for the error text. Errors: kSystem; part of `bytes` may be in the file then.
Result<void> write_all_at(int fd, ByteView bytes, uint64_t offset, const std::string& path);

}  // namespace ctdb

#endif  // LIBCTDBIPC_BASE_WRITE_ALL_H_
