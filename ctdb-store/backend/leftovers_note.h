// SPDX-License-Identifier: GPL-3.0-or-later
// The note beside a volatile database file that says which of its records are leftovers (core/leftovers.h). It outlives the store, and
// like the file itself need not outlive the machine: after that volatile files are empty.
#ifndef CTDB_STORE_BACKEND_LEFTOVERS_NOTE_H_
#define CTDB_STORE_BACKEND_LEFTOVERS_NOTE_H_

#include <string>
#include <vector>

#include "libctdbipc/base/bytes.h"
#include "libctdbipc/base/result.h"

namespace ctdb {

// `path`: of the database file, everywhere here.
Result<void> write_leftovers_note(const std::string& path, const std::vector<Bytes>& keys);
// Notes behind the others that these are none any more. They still are if it fails, or if the store dies in here.
Result<void> shorten_leftovers_note(const std::string& path, const std::vector<Bytes>& keys);
Result<std::vector<Bytes>> read_leftovers_note(const std::string& path);
// The file is empty, or another one has its name.
void drop_leftovers_note(const std::string& path);

}  // namespace ctdb

#endif  // CTDB_STORE_BACKEND_LEFTOVERS_NOTE_H_
