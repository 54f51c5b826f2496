// SPDX-License-Identifier: GPL-3.0-or-later
// Record files over libtdb: `<volatile directory>/<name>.<pnn>`, opened by the store for its whole life and
// by local clients with the flags of open_flags() (wire-protocol §6.5).
//
// Invariants:
//  1. While a TdbFile lives, no client's open clears the file: the store holds libtdb's "active" byte (offset
//  4), as
//     every opener with CLEAR_IF_FIRST does; only an opener that finds nobody there clears.
//  2. Emptying a file never leaves a client working on what was in it: the file is emptied in place, or its
//  old inode
//     is cut to nothing before a new one takes the name.
//  3. Opening and visiting wait for no chain lock: a client may hold one for as long as it waits for this
//  very store.
#ifndef CTDB_STORE_BACKEND_TDB_FILE_H_
#define CTDB_STORE_BACKEND_TDB_FILE_H_

#include <memory>
#include <string>
#include <vector>

#include "ctdb-store/backend/fence_gate.h"
#include "ctdb-store/backend/record_file.h"
#include "ctdb-store/backend/tdb_handle.h"
#include "libctdbipc/base/unique_fd.h"

namespace ctdb {

struct TdbOptions {
  std::string volatile_directory;
  std::string persistent_directory = {};
  // The machine was started anew: what was not synced into persistent files is lost (persistent_file.h).
  bool machine_restarted = false;
  uint32_t pnn = 0;
  bool mutexes = true;              // used when the machine can: tdb_mutexes_usable()
  uint32_t hash_size = 100001;      // chains of a new file (tunable DatabaseHashSize)
  uint32_t max_dead = 5;            // deleted records a chain keeps for re-use (tunable DatabaseMaxDead)
  const FenceGate* gate = nullptr;  // nullptr: nobody fences (tests)
};

// A file that others may have open, as any client opens it, but never emptied by that: `guard` holds the active byte and
// must be closed after the tdb. Errors: kSystem, kTimeout, kCorrupt.
struct SharedTdb {
  UniqueFd guard;
  TdbHandle tdb;
};
Result<SharedTdb> open_shared(const std::string& path, int tdb_flags);
// The flags all openers of volatile files use.
int volatile_tdb_flags(bool mutexes);
// Takes a damaged file out of the way, as `<path>.corrupted.<time>Z`, which is returned; whoever has it open fails at the next access.
// Errors: kSystem; when the system is short of something nothing has been done.
Result<std::string> put_aside(const std::string& path);
// Names of files that end with `suffix`, without it.
std::vector<std::string> database_names(const std::string& directory, const std::string& suffix);
// Names of the volatile databases of this node that have a file.
std::vector<std::string> volatile_names(const std::string& directory, uint32_t pnn);
std::string volatile_path(const std::string& directory, uint32_t pnn, const std::string& name);

// open() with keep = true on a damaged file: the file is put aside as `<path>.corrupted.<time>Z` and the
// error is kCorrupt; the next open() makes an empty one. When the system is short of something (base/shortage.h) the file is left as it is. Replicated databases are always emptied, persistent ones never
// (persistent_file.h).
// The RecordFiles outlives the files it opened.
std::unique_ptr<RecordFiles> make_tdb_files(TdbOptions options);

}  // namespace ctdb

#endif  // CTDB_STORE_BACKEND_TDB_FILE_H_
