// SPDX-License-Identifier: GPL-3.0-or-later
// Database files looked at and copied, with libtdb. A file that daemons have open is opened as their clients do.
#ifndef CTDB_CLI_TDB_FILES_H_
#define CTDB_CLI_TDB_FILES_H_

#include <cstdint>
#include <string>

#include "libctdbipc/base/result.h"

namespace ctdb::cli {

struct FileCheck {
  uint64_t records = 0;
  uint64_t empty = 0;       // of them without data
  uint64_t data_bytes = 0;  // of keys and values
  uint64_t file_bytes = 0;
  std::string damage;  // "": none
};

// Structure and record headers. Others may read it meanwhile and wait to write. Errors: kSystem (no such file, no rights). A file that is
// not a database, or too damaged to be opened, is damage.
Result<FileCheck> check_file(const std::string& path, int tdb_flags);

struct FileCopy {
  uint64_t records = 0;
  uint64_t old_bytes = 0, new_bytes = 0;
};
// Copies all records into a new file `to`, which is then complete and on the disk; `rescue`: those that can still be found in a
// damaged one. `from` stays as it is, and its owner and rights are those of `to`. Errors: kSystem, kCorrupt (nothing could be read), kRefused (`to` is there already).
Result<FileCopy> copy_records(const std::string& from, const std::string& to, bool rescue);

}  // namespace ctdb::cli

#endif  // CTDB_CLI_TDB_FILES_H_
