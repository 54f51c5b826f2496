// SPDX-License-Identifier: GPL-3.0-or-later
// Whole files written so that they survive a crash of the machine, and damaged ones kept.
#ifndef CTDB_STORE_BACKEND_DURABLE_FILE_H_
#define CTDB_STORE_BACKEND_DURABLE_FILE_H_

#include <cstdint>
#include <string>

#include "libctdbipc/base/bytes.h"
#include "libctdbipc/base/result.h"

namespace ctdb {

// All of `bytes`; a shorter file is an error. `path` is for the text.
Result<void> read_whole(int fd, MutableBytes bytes, const std::string& path);
// The disk gives all of it: what is wrong with it is in its bytes. Errors: kSystem. Closes a descriptor of the file, and so drops this
// process's POSIX locks on it.
Result<void> check_readable(const std::string& path);
// `name`, complete and synced, becomes `path`, and the directory is synced.
Result<void> take_name(const std::string& name, const std::string& path);
// A copy of `from` that is on disk when this returns, or `to` as it was before.
Result<void> copy_durably(const std::string& from, const std::string& to);
// A name that is free: `<path>.corrupted.<time>.<n>Z`.
std::string name_for_damaged(const std::string& path);
// Renames a damaged file to such a name, which is returned.
Result<std::string> put_file_aside(const std::string& path);

}  // namespace ctdb

#endif  // CTDB_STORE_BACKEND_DURABLE_FILE_H_
