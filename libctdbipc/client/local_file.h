// SPDX-License-Identifier: LGPL-3.0-or-later
// The local tdb files this process has open, each once: libtdb refuses a second handle on a file in one
// process, and two handles would not exclude each other. Clients that attach to the same database of the same
// node share one.
//
// The list of files is guarded by a mutex; a file itself is used by one thread.
#ifndef LIBCTDBIPC_CLIENT_LOCAL_FILE_H_
#define LIBCTDBIPC_CLIENT_LOCAL_FILE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "libctdbipc/base/bytes.h"
#include "libctdbipc/base/result.h"
#include "libctdbipc/tdb/value_writer.h"
#include "libctdbipc/wire/layout.h"

struct tdb_context;
struct ctdb_client;
struct ctdb_db;
struct ctdb_record;

namespace ctdb {

class LocalFile {
 public:
  // What is in the file. kPlain: values alone, as any program of libtdb stores them. To whoever works with it here each has a
  // header all the same, of zeros: it is node 0's; and there is a record for each key, an empty one where the file has none.
  enum class Layout : uint8_t { kRecords, kPlain };
  // Opens `path` with the tdb flags the store named, or takes the handle that is open already. Every open()
  // needs a close(). A plain file is created if there is none. Errors: kSystem, kCorrupt, kInvalid (open already with another layout).
  static Result<LocalFile*> open(const std::string& path, uint32_t tdb_flags,
                                 Layout layout = Layout::kRecords);
  static void close(LocalFile* file);
  // False when the path now names another file than the one that is open.
  bool is_still(const std::string& path) const;

  // The chain lock of the key; waits for other processes. False: the file is broken, see failure().
  bool lock(ByteView key);
  void unlock(ByteView key);
  // Copies the whole value, record header included. Without a lock of ours it takes a read lock for the
  // moment.
  enum class Found : uint8_t { kYes, kNo, kError };
  Found fetch(ByteView key, Bytes& value);
  // The same with the chain lock, without a second look at locks and hash. `hash`: of the key.
  Found fetch_locked(ByteView key, uint32_t hash, Bytes& value);
  // With the chain lock, as libtdb does it: who is killed in the middle leaves a torn value. `old` is the record as it was fetched:
  // libtdb deletes a record that must grow before it looks for room. When there is none the old one is put back, unless it does
  // not fit either: libtdb wants more room for a record than it gives back. So for what grows: make_room() and publish().
  // Errors: kSystem, kCorrupt; nothing was changed, or the text says that the old value is lost as well.
  Result<void> store(ByteView key, ByteView header, ByteView data, ByteView old);
  // Whole or not at all (value_writer.h), where the file allows it; otherwise nothing has happened. kNoRoom: make_room() first, of which
  // `bytes` are those of key and value.
  ValueWriter::Outcome publish(ByteView key, uint32_t hash, ByteView header, ByteView data);
  ValueWriter::Outcome make_room(uint32_t hash, size_t bytes) {
    return writer_ == nullptr ? ValueWriter::Outcome::kNoRoom : writer_->make_room(hash, bytes);
  }
  // libtdb's own transactions, for plain files. One at a time: for this process, too, whichever client it is. Between begin() and the end
  // fetch() is the only other operation.
  enum class Begun : uint8_t { kYes, kBusy, kError };
  Begun begin(const ctdb_db& of);
  // On the disk when it returns, unless the file is not for that. An empty value: the record goes. Errors: kSystem, kCorrupt; nothing is
  // changed then. Over in any case.
  using Values = std::map<Bytes, ByteView>;
  Result<void> commit(const Values& values);
  // Not if it is somebody else's.
  void cancel(const ctdb_db& of);

  // Why the last operation did not succeed: kCorrupt, kSystem.
  Error failure() const;
  Error no_room() const;

  // The record of this file that this process has locked, or nullptr.
  ctdb_record* holder = nullptr;
  // Clients with parked requests: told when the holder lets go.
  std::vector<ctdb_client*> waiting;

 private:
  LocalFile() = default;
  bool put(ByteView key, ByteView value);
  bool remove(ByteView key);
  // What the file has of a value, and the other way round.
  ByteView stored(ByteView value) const;
  Found none(Bytes& value) const;
  void copy(ByteView stored, Bytes& value) const;
  size_t made_up() const { return layout_ == Layout::kPlain ? CTDB_RECORD_HEADER_SIZE : 0; }

  tdb_context* tdb_ = nullptr;
  Layout layout_ = Layout::kRecords;
  const ctdb_db* in_transaction_ = nullptr;
  std::unique_ptr<ValueWriter> writer_;  // nullptr: values of this file cannot be published whole
  uint64_t device_ = 0;
  uint64_t inode_ = 0;
  int owner_pid_ = 0;
  uint32_t users_ = 0;
};

}  // namespace ctdb

#endif  // LIBCTDBIPC_CLIENT_LOCAL_FILE_H_
