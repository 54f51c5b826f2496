// SPDX-License-Identifier: GPL-3.0-or-later
// One open tdb file as a RecordFile. Made by tdb_file.cc only.
#ifndef CTDB_STORE_BACKEND_TDB_RECORD_FILE_H_
#define CTDB_STORE_BACKEND_TDB_RECORD_FILE_H_

#include <optional>
#include <string>
#include <vector>

#include "ctdb-store/backend/record_file.h"
#include "ctdb-store/backend/record_room.h"
#include "ctdb-store/backend/tdb_file.h"
#include "ctdb-store/backend/tdb_handle.h"
#include "libctdbipc/base/tdb_image.h"
#include "libctdbipc/base/unique_fd.h"
#include "libctdbipc/tdb/value_writer.h"

namespace ctdb {

class TdbRecordFile : public RecordFile {
 public:
  // `guard` holds the active byte in addition to libtdb's own lock and must not be closed before the tdb: may
  // be invalid. `client_flags`: what open_flags() says.
  TdbRecordFile(TdbHandle tdb, UniqueFd guard, int client_flags, const FenceGate* gate);
  ~TdbRecordFile() override;

  Lock try_lock(ByteView key) override;
  void unlock(ByteView key) override;
  void mark(ByteView key) override;
  void unmark(ByteView key) override;
  uint32_t chains() const override { return chains_; }
  LockHolder lock_holder(ByteView key) const override;
  bool fetch(ByteView key, Bytes& value) override;
  size_t value_bytes(ByteView key) override;
  Presence presence(ByteView key) override;
  Result<void> store(ByteView key, ByteView header, ByteView data) override;
  Result<void> remove(ByteView key) override;
  Result<void> for_each(const std::function<bool(ByteView key, ByteView value)>& visit) override;
  std::vector<DeadLock> left_locks() override;
  ChainsSeen look_at_chains(uint32_t first, uint32_t chains, uint32_t blocks) override;
  bool visit_chain(uint32_t chain, const std::function<void(ByteView key, ByteView value)>& visit) override;
  Examined examine(std::string& found, const std::function<void(const ChainMarks&)>& alone) override;
  Result<void> note_leftovers(const std::vector<Bytes>& keys) override;
  Result<void> forget_leftovers(const std::vector<Bytes>& keys) override;
  Result<std::vector<Bytes>> leftovers() override;
  std::string path() const override { return tdb_.path(); }
  int open_flags() const override { return client_flags_; }
  uint64_t file_bytes() const override;
  void enable_seqnum() override;
  void increment_seqnum() override;
  int64_t seqnum() const override;

 protected:
  const TdbHandle& handle() const { return tdb_; }

 private:
  UniqueFd guard_;  // before tdb_: closed after it
  TdbHandle tdb_;
  int client_flags_;
  const FenceGate* gate_;  // may be nullptr
  uint32_t chains_;
  std::optional<TdbImage> map();
  bool is_mapped_whole() const { return !mapped_.empty() && mapped_.size() == file_bytes(); }
  Examined examine_alone(const std::optional<TdbImage>& image, std::string& found,
                         const std::function<void(const ChainMarks&)>& alone);
  void note_dead_owner(ByteView key);
  bool store_with_room(ByteView key, ByteView header);
  Result<void> store_plainly(ByteView key, ByteView header, ByteView data);
  Result<void> grow(ByteView key, ByteView header, ByteView data);
  tl::unexpected<Error> no_room();
  tl::unexpected<Error> damaged();

  MutableBytes mapped_;         // the whole file, as large as it was when it was last looked at
  std::vector<DeadLock> dead_;  // seen, and not told yet
  RecordRoom room_;
  std::unique_ptr<ValueWriter> writer_;
};

}  // namespace ctdb

#endif  // CTDB_STORE_BACKEND_TDB_RECORD_FILE_H_
