// SPDX-License-Identifier: GPL-3.0-or-later
// One open tdb file as a RecordFile. Made by tdb_file.cc only.
#ifndef CTDB_STORE_BACKEND_TDB_RECORD_FILE_H_
#define CTDB_STORE_BACKEND_TDB_RECORD_FILE_H_

#include <memory>
#include <string>
#include <vector>

#include "ctdb-store/backend/record_file.h"
#include "ctdb-store/backend/tdb_file.h"
#include "ctdb-store/backend/tdb_handle.h"
#include "libctdbipc/base/unique_fd.h"

namespace ctdb {

// Some key for every chain, so that a chain can be locked by its number: libtdb locks by key. Made once per
// hash size and shared by the files.
class ChainKeys {
 public:
  explicit ChainKeys(uint32_t chains);
  ByteView key(uint32_t chain) const {
    return {reinterpret_cast<const uint8_t*>(&keys_[chain]), sizeof keys_[chain]};
  }
  uint32_t chains() const { return static_cast<uint32_t>(keys_.size()); }

 private:
  std::vector<uint32_t> keys_;
};
using ChainKeysSource = std::function<std::shared_ptr<const ChainKeys>(uint32_t chains)>;

class TdbRecordFile : public RecordFile {
 public:
  // `guard` holds the active byte in addition to libtdb's own lock and must not be closed before the tdb: may
  // be invalid. `client_flags`: what open_flags() says.
  TdbRecordFile(TdbHandle tdb, UniqueFd guard, int client_flags, const FenceGate* gate,
                ChainKeysSource chain_keys);

  Lock try_lock(ByteView key) override;
  void unlock(ByteView key) override;
  void mark(ByteView key) override;
  void unmark(ByteView key) override;
  uint32_t chain_of(ByteView key) const override;
  LockHolder lock_holder(ByteView key) const override;
  bool fetch(ByteView key, Bytes& value) override;
  size_t value_bytes(ByteView key) override;
  Result<void> store(ByteView key, ByteView header, ByteView data) override;
  Result<void> remove(ByteView key) override;
  Result<void> for_each(const std::function<bool(ByteView key, ByteView value)>& visit) override;
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
  Bytes before_;  // store()'s: kept so that it need not be made each time
  ChainKeysSource chain_keys_;
};

}  // namespace ctdb

#endif  // CTDB_STORE_BACKEND_TDB_RECORD_FILE_H_
