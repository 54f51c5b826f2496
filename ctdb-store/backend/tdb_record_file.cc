// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-store/backend/tdb_record_file.h"

#include <sys/stat.h>
#include <time.h>

#include <cerrno>
#include <fstream>
#include <utility>

#include "ctdb-store/backend/tdb_api.h"
#include "ctdb-store/backend/tdb_mutexes.h"
#include "libctdbipc/base/assert.h"
#include "libctdbipc/base/hash.h"

namespace ctdb {
namespace {

// Rounds over chains that were busy, one millisecond apart: from the first on their lock is not insisted on,
// after the second a chain that makes no sense is taken as damaged and not as one in the middle of a write.
constexpr int kBusyRounds = 20;
constexpr int kBrokenRounds = 1000;
// Readings of a chain whose lock a client keeps; two equal ones in a row count.
constexpr int kReadingsMax = 8;

// The records of one chain, copied out of the file so that the visitor may use the file.
struct ChainRecords {
  Bytes bytes;
  struct Place {
    size_t key_size, value_size;
    bool operator==(const Place&) const = default;
  };
  std::vector<Place> places;

  bool operator==(const ChainRecords&) const = default;
  void clear() {
    bytes.clear();
    places.clear();
  }
};

int copy_record(tdb_context*, TDB_DATA key, TDB_DATA value, void* into) {
  auto* records = static_cast<ChainRecords*>(into);
  records->places.push_back({key.dsize, value.dsize});
  records->bytes.insert(records->bytes.end(), key.dptr, key.dptr + key.dsize);
  records->bytes.insert(records->bytes.end(), value.dptr, value.dptr + value.dsize);
  return 0;
}

// The chain's lock is held or marked.
bool read_chain(tdb_context* tdb, ByteView chain_key, ChainRecords& records) {
  records.clear();
  return tdb_traverse_key_chain(tdb, tdb_data(chain_key), copy_record, &records) >= 0;
}

enum class ChainRead : uint8_t { kDone, kBusy, kBroken };

ChainRead read_chain_locked(tdb_context* tdb, ByteView chain_key, ChainRecords& records) {
  if (tdb_chainlock_nonblock(tdb, tdb_data(chain_key)) != 0) return ChainRead::kBusy;
  const bool good = read_chain(tdb, chain_key, records);
  tdb_chainunlock(tdb, tdb_data(chain_key));
  return good ? ChainRead::kDone : ChainRead::kBroken;
}

// A client that keeps a chain for long waits for something (for us, often) and is not in the middle of a
// write; so reading without its lock is right as soon as two readings agree.
ChainRead read_chain_of_sleeper(tdb_context* tdb, ByteView chain_key, ChainRecords& records) {
  ChainRecords before;
  bool have_before = false;
  for (int i = 0; i < kReadingsMax; ++i) {
    tdb_chainlock_mark(tdb, tdb_data(chain_key));
    const bool good = read_chain(tdb, chain_key, records);
    tdb_chainlock_unmark(tdb, tdb_data(chain_key));
    if (good && have_before && records == before) return ChainRead::kDone;
    if (good) before = records;
    have_before = good;
  }
  return have_before ? ChainRead::kBusy : ChainRead::kBroken;
}

bool visit_all(const ChainRecords& records, const std::function<bool(ByteView, ByteView)>& visit) {
  const uint8_t* at = records.bytes.data();
  for (const auto& place : records.places) {
    if (!visit({at, place.key_size}, {at + place.key_size, place.value_size})) return false;
    at += place.key_size + place.value_size;
  }
  return true;
}

void pause_a_millisecond() {
  const timespec millisecond{0, 1000000};
  nanosleep(&millisecond, nullptr);
}

}  // namespace

ChainKeys::ChainKeys(uint32_t chains) : keys_(chains, 0) {
  std::vector<bool> found(chains, false);
  uint32_t missing = chains;
  for (uint32_t candidate = 1; missing > 0 && candidate != 0; ++candidate) {
    const uint32_t chain =
        jenkins_hash({reinterpret_cast<const uint8_t*>(&candidate), sizeof candidate}) % chains;
    if (found[chain]) continue;
    found[chain] = true;
    keys_[chain] = candidate;
    --missing;
  }
  CTDB_ASSERT(missing == 0);
}

TdbRecordFile::TdbRecordFile(TdbHandle tdb, UniqueFd guard, int client_flags, const FenceGate* gate,
                             ChainKeysSource chain_keys)
    : guard_(std::move(guard)),
      tdb_(std::move(tdb)),
      client_flags_(client_flags),
      gate_(gate),
      chains_(static_cast<uint32_t>(tdb_hash_size(tdb_.get()))),
      chain_keys_(std::move(chain_keys)) {}

RecordFile::Lock TdbRecordFile::try_lock(ByteView key) {
  if (tdb_chainlock_nonblock(tdb_.get(), tdb_data(key)) != 0) return Lock::kBusy;
  if (gate_ == nullptr || !gate_->shut()) return Lock::kHeld;
  tdb_chainunlock(tdb_.get(), tdb_data(key));
  return Lock::kBusy;
}

void TdbRecordFile::unlock(ByteView key) {
  tdb_chainunlock(tdb_.get(), tdb_data(key));
}
void TdbRecordFile::mark(ByteView key) {
  tdb_chainlock_mark(tdb_.get(), tdb_data(key));
}
void TdbRecordFile::unmark(ByteView key) {
  tdb_chainlock_unmark(tdb_.get(), tdb_data(key));
}
uint32_t TdbRecordFile::chain_of(ByteView key) const {
  return jenkins_hash(key) % chains_;
}

LockHolder TdbRecordFile::lock_holder(ByteView key) const {
  const bool mutexes = (client_flags_ & TDB_MUTEX_LOCKING) != 0;
  LockHolder holder;
  holder.pid = mutexes ? mutex_holder(tdb_.descriptor(), chain_of(key))
                       : fcntl_holder(tdb_.descriptor(), chain_of(key));
  if (holder.pid == 0) return holder;
  std::ifstream name("/proc/" + std::to_string(holder.pid) + "/comm");
  std::getline(name, holder.program);
  return holder;
}

bool TdbRecordFile::fetch(ByteView key, Bytes& value) {
  const auto copy = [](TDB_DATA, TDB_DATA found, void* into) {
    static_cast<Bytes*>(into)->assign(found.dptr, found.dptr + found.dsize);
    return 0;
  };
  return tdb_parse_record(tdb_.get(), tdb_data(key), copy, &value) == 0;
}

size_t TdbRecordFile::value_bytes(ByteView key) {
  size_t bytes = 0;
  const auto measure = [](TDB_DATA, TDB_DATA found, void* into) {
    *static_cast<size_t*>(into) = found.dsize;
    return 0;
  };
  return tdb_parse_record(tdb_.get(), tdb_data(key), measure, &bytes) == 0 ? bytes : 0;
}

// libtdb deletes a record that must grow before it looks for room: when there is none, the old value is lost.
// So it is kept here and put back; the room it had is free then.
Result<void> TdbRecordFile::store(ByteView key, ByteView header, ByteView data) {
  struct Kept {
    Bytes& bytes;
    size_t new_size;
    bool valid;
  } kept{before_, header.size() + data.size(), false};
  const auto keep_if_it_grows = [](TDB_DATA, TDB_DATA found, void* into) {
    auto* k = static_cast<Kept*>(into);
    k->valid = found.dsize < k->new_size;
    if (k->valid) k->bytes.assign(found.dptr, found.dptr + found.dsize);
    return 0;
  };
  tdb_parse_record(tdb_.get(), tdb_data(key), keep_if_it_grows, &kept);

  const TDB_DATA parts[] = {tdb_data(header), tdb_data(data)};
  errno = 0;
  if (tdb_storev(tdb_.get(), tdb_data(key), parts, 2, 0) == 0) return {};
  // What libtdb says then is often left over from its look for the key.
  const bool looked = tdb_error(tdb_.get()) == TDB_ERR_NOEXIST;
  tl::unexpected<Error> failed =
      looked ? fail(ErrorCode::kSystem, "no room for a record in " + path() + " (is the file system full?)")
             : tdb_.failure("storing a record");
  if (kept.valid && tdb_store(tdb_.get(), tdb_data(key), tdb_data(before_), 0) != 0) {
    failed.value().context += "; the record's old contents are lost as well";
  }
  return fail(std::move(failed.value()));
}

Result<void> TdbRecordFile::remove(ByteView key) {
  errno = 0;
  if (tdb_delete(tdb_.get(), tdb_data(key)) != 0 && tdb_error(tdb_.get()) != TDB_ERR_NOEXIST) {
    return tdb_.failure("removing a record");
  }
  return {};
}

// Chain by chain. libtdb's own traverse would wait for each chain lock in turn (invariant 3 of tdb_file.h).
Result<void> TdbRecordFile::for_each(const std::function<bool(ByteView, ByteView)>& visit) {
  const std::shared_ptr<const ChainKeys> keys = chain_keys_(chains_);
  ChainRecords records;
  std::vector<uint32_t> todo(chains_);
  for (uint32_t chain = 0; chain < chains_; ++chain) todo[chain] = chain;
  std::vector<uint32_t> busy;
  for (int round = 0; !todo.empty(); ++round) {
    for (const uint32_t chain : todo) {
      const ByteView key = keys->key(chain);
      ChainRead read = read_chain_locked(tdb_.get(), key, records);
      if (read == ChainRead::kBusy && round >= kBusyRounds) {
        read = read_chain_of_sleeper(tdb_.get(), key, records);
        if (read == ChainRead::kBroken && round < kBrokenRounds) read = ChainRead::kBusy;
      }
      if (read == ChainRead::kBroken) return tdb_.failure("reading the records");
      if (read == ChainRead::kBusy) {
        busy.push_back(chain);
      } else if (!visit_all(records, visit)) {
        return {};
      }
    }
    todo = std::exchange(busy, {});
    if (!todo.empty()) pause_a_millisecond();
  }
  return {};
}

uint64_t TdbRecordFile::file_bytes() const {
  struct stat info;
  return fstat(tdb_fd(tdb_.get()), &info) == 0 ? static_cast<uint64_t>(info.st_size) : 0;
}

void TdbRecordFile::enable_seqnum() {
  tdb_enable_seqnum(tdb_.get());
  client_flags_ |= TDB_SEQNUM;
}

void TdbRecordFile::increment_seqnum() {
  tdb_increment_seqnum_nonblock(tdb_.get());
}
int64_t TdbRecordFile::seqnum() const {
  return tdb_get_seqnum(tdb_.get());
}

}  // namespace ctdb
