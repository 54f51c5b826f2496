// SPDX-License-Identifier: GPL-3.0-or-later
// Writes transactions into files of full-copy databases: each in one libtdb transaction, so readers see all of it or nothing,
// and so does the next opener when the writer is killed in the middle. Waits for readers of a file: for the database worker only.
#ifndef CTDB_STORE_BACKEND_DATABASE_WRITER_H_
#define CTDB_STORE_BACKEND_DATABASE_WRITER_H_

#include <map>
#include <set>
#include <string>
#include <vector>

#include "ctdb-store/backend/tdb_file.h"
#include "libctdbipc/wire/commit_messages.h"

namespace ctdb {

// As RecordFile::open_flags() says it.
bool is_persistent_file(int flags);

class DatabaseWriter {
 public:
  // `flags`: RecordFile::open_flags() of the file.
  Result<void> apply(const std::string& path, int flags, CommitKind kind, ByteView payload);
  void keep_part(const std::string& path, ByteView records, bool first);
  // What was kept becomes all the file has.
  Result<void> replace(const std::string& path, int flags, size_t parts_wanted);
  // By a writer that was killed before this one began.
  void note_changed(const std::string& path) { changed_.insert(path); }
  // Renews the committed copies of persistent files that have changed.
  Result<void> checkpoint();

 private:
  struct Open {
    UniqueFd guard;  // before tdb: closed after it
    TdbHandle tdb;
  };
  Result<TdbHandle*> file(const std::string& path, int flags);

  std::map<std::string, Open> files_;
  std::set<std::string> changed_;  // persistent ones, since the last checkpoint
  std::map<std::string, std::vector<Bytes>> parts_;
};

}  // namespace ctdb

#endif  // CTDB_STORE_BACKEND_DATABASE_WRITER_H_
