// SPDX-License-Identifier: GPL-3.0-or-later
// The note beside a volatile database file whose database has been detached, while clients may have the file open: nobody takes it up again.
// It outlives the store, and like the file itself need not outlive the machine.
//
// Invariant: it goes only when the file is empty, and before the first new record.
//
// And the list of all databases that were detached, which outlives their files (core/detached.h).
#ifndef CTDB_STORE_BACKEND_DETACHED_NOTE_H_
#define CTDB_STORE_BACKEND_DETACHED_NOTE_H_

#include <string>
#include <vector>

#include "ctdb-store/backend/record_file.h"
#include "libctdbipc/base/result.h"

namespace ctdb {

// `path`: of the database file, everywhere here.
Result<void> note_detached(const std::string& path);
bool is_noted_detached(const std::string& path);
// That there is none is no error.
Result<void> drop_detached_note(const std::string& path);
// Names of databases that have a note. `suffix`: of their files.
std::vector<std::string> noted_detached(const std::string& directory, const std::string& suffix);

// `path`: of the list. Without notes there is no file. Errors: kSystem; the list is as it was.
Result<void> write_detached_list(const std::string& path, const std::vector<DetachedNote>& notes);
// Errors: kSystem, kCorrupt.
Result<std::vector<DetachedNote>> read_detached_list(const std::string& path);

}  // namespace ctdb

#endif  // CTDB_STORE_BACKEND_DETACHED_NOTE_H_
