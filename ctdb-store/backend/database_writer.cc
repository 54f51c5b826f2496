// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-store/backend/database_writer.h"

#include <sys/stat.h>

#include <utility>

#include "ctdb-store/backend/durable_file.h"
#include "ctdb-store/backend/persistent_file.h"
#include "ctdb-store/backend/tdb_api.h"
#include "libctdbipc/wire/rec_buffer.h"

namespace ctdb {
namespace {

bool same_file(const TdbHandle& handle) {
  struct stat open_one, named_one;
  return fstat(handle.descriptor(), &open_one) == 0 && stat(handle.path().c_str(), &named_one) == 0 &&
         open_one.st_dev == named_one.st_dev && open_one.st_ino == named_one.st_ino;
}

Result<void> write_records(const TdbHandle& tdb, ByteView payload) {
  const std::optional<RecBuffer> buffer = parse_rec_buffer(payload);
  if (!buffer) return fail(ErrorCode::kInvalid, "a transaction for " + tdb.path() + " is malformed");
  for (const BufferedRecord& record : buffer->records) {
    if (record.data.empty()) {
      if (tdb_delete(tdb.get(), tdb_data(record.key)) != 0 && tdb_error(tdb.get()) != TDB_ERR_NOEXIST)
        return tdb.failure("removing a record");
      continue;
    }
    const TDB_DATA parts[] = {tdb_data(record.header), tdb_data(record.data)};
    if (tdb_storev(tdb.get(), tdb_data(record.key), parts, 2, 0) != 0) return tdb.failure("storing a record");
  }
  return {};
}

// All or nothing.
template <typename Write>
Result<void> in_transaction(const TdbHandle& tdb, Write write) {
  if (tdb_transaction_start(tdb.get()) != 0) return tdb.failure("starting a transaction");
  if (Result<void> written = write(); !written) {
    tdb_transaction_cancel(tdb.get());
    return written;
  }
  if (tdb_transaction_commit(tdb.get()) != 0) return tdb.failure("committing a transaction");
  return {};
}

}  // namespace

bool is_persistent_file(int flags) {
  return (flags & TDB_CLEAR_IF_FIRST) == 0;
}

Result<TdbHandle*> DatabaseWriter::file(const std::string& path, int flags) {
  auto at = files_.find(path);
  if (at != files_.end() && !same_file(at->second.tdb)) {
    files_.erase(at);  // it was replaced by another of its name
    at = files_.end();
  }
  if (at == files_.end()) {
    // The log makes it durable, not libtdb.
    Result<SharedTdb> opened = open_shared(path, flags | TDB_NOSYNC);
    if (!opened) return fail(std::move(opened.error()));
    at = files_.emplace(path, Open{std::move(opened->guard), std::move(opened->tdb)}).first;
  }
  if ((flags & TDB_SEQNUM) != 0) tdb_enable_seqnum(at->second.tdb.get());
  if (is_persistent_file(flags)) changed_.insert(path);
  return &at->second.tdb;
}

Result<void> DatabaseWriter::apply(const std::string& path, int flags, CommitKind kind, ByteView payload) {
  Result<TdbHandle*> tdb = file(path, flags);
  if (!tdb) return fail(std::move(tdb.error()));
  return in_transaction(**tdb, [&]() -> Result<void> {
    if (kind != CommitKind::kRecords && tdb_wipe_all((*tdb)->get()) != 0)
      return (*tdb)->failure("emptying the database");
    return kind == CommitKind::kWipe ? Result<void>() : write_records(**tdb, payload);
  });
}

void DatabaseWriter::keep_part(const std::string& path, ByteView records, bool first) {
  if (first) parts_[path].clear();
  parts_[path].push_back(to_bytes(records));
}

Result<void> DatabaseWriter::replace(const std::string& path, int flags, size_t parts_wanted) {
  const std::vector<Bytes> parts = std::exchange(parts_[path], {});
  parts_.erase(path);
  if (parts.size() != parts_wanted)
    return fail(ErrorCode::kInvalid,
                "the contents for " + path + " were lost with the process that kept them");
  Result<TdbHandle*> tdb = file(path, flags);
  if (!tdb) return fail(std::move(tdb.error()));
  Result<void> replaced = in_transaction(**tdb, [&]() -> Result<void> {
    if (tdb_wipe_all((*tdb)->get()) != 0) return (*tdb)->failure("emptying the database");
    for (const Bytes& part : parts) {
      if (Result<void> written = write_records(**tdb, part); !written) return written;
    }
    return {};
  });
  if (!replaced || !is_persistent_file(flags)) return replaced;
  // These contents are in no log of this node.
  if (Result<void> copied = copy_durably(path, committed_copy_of(path)); !copied) return copied;
  changed_.erase(path);
  return {};
}

Result<void> DatabaseWriter::checkpoint() {
  while (!changed_.empty()) {
    const std::string& path = *changed_.begin();
    if (Result<void> copied = copy_durably(path, committed_copy_of(path)); !copied) return copied;
    changed_.erase(changed_.begin());
  }
  return {};
}

}  // namespace ctdb
