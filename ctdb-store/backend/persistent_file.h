// SPDX-License-Identifier: GPL-3.0-or-later
// Files of persistent databases: `<persistent directory>/<name>.<pnn>`, which clients read, and beside it `….committed`, a
// copy that was complete and synced when the log of commits was begun anew. Transactions are written to the first without
// waiting for the disk; what the machine may have lost of it is made again from the copy and the log.
//
// A file without such a copy comes from a classic installation: it is checked and taken over as it is.
#ifndef CTDB_STORE_BACKEND_PERSISTENT_FILE_H_
#define CTDB_STORE_BACKEND_PERSISTENT_FILE_H_

#include <memory>
#include <string>
#include <vector>

#include "ctdb-store/backend/record_file.h"

namespace ctdb {

struct PersistentOptions {
  uint32_t hash_size = 100001;  // chains of a new file
  bool machine_restarted = false;
};

// A damaged file is put aside and made again from the copy; when that is damaged too the database is empty and damage() says
// so. Nobody is waited for: errors are kSystem, EAGAIN while another process has locked something in it.
Result<std::unique_ptr<RecordFile>> open_persistent_file(const std::string& path,
                                                         const PersistentOptions& options);
std::string committed_copy_of(const std::string& path);
// The flags clients open persistent files with (wire-protocol §6.5).
int persistent_tdb_flags();
// Names of databases that have a file or a copy.
std::vector<std::string> persistent_names(const std::string& directory, const std::string& suffix);

}  // namespace ctdb

#endif  // CTDB_STORE_BACKEND_PERSISTENT_FILE_H_
