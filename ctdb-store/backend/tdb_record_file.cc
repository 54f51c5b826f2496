// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-store/backend/tdb_record_file.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "ctdb-store/backend/leftovers_note.h"
#include "ctdb-store/backend/tdb_api.h"
#include "ctdb-store/backend/tdb_mutexes.h"
#include "ctdb-store/backend/tdb_repair.h"
#include "libctdbipc/base/hash.h"
#include "libctdbipc/base/process_name.h"

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
  bool has(ByteView key) const {
    const uint8_t* at = bytes.data();
    for (const Place& place : places) {
      if (std::ranges::equal(ByteView(at, place.key_size), key)) return true;
      at += place.key_size + place.value_size;
    }
    return false;
  }
  void clear() {
    bytes.clear();
    places.clear();
  }
};

// Of several records of one key the first is it; the others, and fillers, are what a client has left that was killed.
int copy_record(tdb_context*, TDB_DATA key, TDB_DATA value, void* into) {
  auto* records = static_cast<ChainRecords*>(into);
  if (records->has(tdb_view(key)) || is_filler(tdb_view(key), tdb_view(value))) return 0;
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

TdbRecordFile::TdbRecordFile(TdbHandle tdb, UniqueFd guard, int client_flags, const FenceGate* gate)
    : guard_(std::move(guard)),
      tdb_(std::move(tdb)),
      client_flags_(client_flags),
      gate_(gate),
      chains_(static_cast<uint32_t>(tdb_hash_size(tdb_.get()))) {}
TdbRecordFile::~TdbRecordFile() {
  if (!mapped_.empty()) munmap(mapped_.data(), mapped_.size());
}

// libtdb takes the lock of a dead thread over without a word, so it is looked at before.
void TdbRecordFile::note_dead_owner(ByteView key) {
  if ((client_flags_ & TDB_MUTEX_LOCKING) == 0) return;
  if (mapped_.empty()) map();
  const uint32_t chain = chain_of(key);
  if (const uint32_t thread = dead_owner(mapped_, chain); thread != 0) dead_.push_back({chain, thread});
}

RecordFile::Lock TdbRecordFile::try_lock(ByteView key) {
  note_dead_owner(key);
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

LockHolder TdbRecordFile::lock_holder(ByteView key) const {
  const bool mutexes = (client_flags_ & TDB_MUTEX_LOCKING) != 0;
  LockHolder holder;
  holder.pid = mutexes ? mutex_holder(tdb_.descriptor(), chain_of(key))
                       : fcntl_holder(tdb_.descriptor(), chain_of(key));
  if (holder.pid == 0) return holder;
  holder.program = process_name(static_cast<pid_t>(holder.pid));
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

RecordFile::Presence TdbRecordFile::presence(ByteView key) {
  const auto nothing = [](TDB_DATA, TDB_DATA, void*) { return 0; };
  if (tdb_parse_record(tdb_.get(), tdb_data(key), nothing, nullptr) == 0) return Presence::kThere;
  // libtdb says that there is no such record also of some chains that lead nowhere.
  const std::optional<TdbImage> image = map();
  bool found = false;
  const auto look = [&](uint32_t, TdbBlock& block) {
    found = block.kind == kTdbLive && TdbImage::has_record(block) &&
            std::ranges::equal(TdbImage::key(block), key);
    return !found;
  };
  const bool gone = image && image->walk(chain_of(key), look) && !found;
  return gone ? Presence::kGone : Presence::kUnreadable;
}

Result<void> TdbRecordFile::store(ByteView key, ByteView header, ByteView data) {
  const size_t old = value_bytes(key);
  const size_t size = header.size() + data.size();
  if (old == 0 && data.empty() && store_with_room(key, header)) return {};
  return old > 0 && old < size ? grow(key, header, data) : store_plainly(key, header, data);
}

Result<void> TdbRecordFile::store_plainly(ByteView key, ByteView header, ByteView data) {
  const TDB_DATA parts[] = {tdb_data(header), tdb_data(data)};
  errno = 0;
  if (tdb_storev(tdb_.get(), tdb_data(key), parts, 2, 0) == 0) return {};
  if (failed_by_damage(tdb_.get())) return damaged();
  // What libtdb says then is often left over from its look for the key.
  const TDB_ERROR error = tdb_error(tdb_.get());
  return error == TDB_ERR_NOEXIST || error == TDB_ERR_OOM ? no_room() : tdb_.failure("storing a record");
}

// libtdb deletes a record that must grow before it looks for room; when there is none, the record is lost, and whoever comes next takes it
// for one that never was. So the room is there before the old value is touched.
Result<void> TdbRecordFile::grow(ByteView key, ByteView header, ByteView data) {
  if (writer_ == nullptr) writer_ = ValueWriter::make(tdb_.get());
  // A file with libtdb's own hash: no record of it has an owner.
  if (writer_ == nullptr) return store_plainly(key, header, data);
  const uint32_t hash = jenkins_hash(key);
  ValueWriter::Outcome outcome = writer_->write(key, hash, header, data);
  if (outcome == ValueWriter::Outcome::kNoRoom) {
    const ValueWriter::Outcome room = writer_->make_room(hash, key.size() + header.size() + data.size());
    if (room != ValueWriter::Outcome::kDone)
      return room == ValueWriter::Outcome::kNoRoom ? no_room() : damaged();
    outcome = writer_->write(key, hash, header, data);
  }
  if (outcome == ValueWriter::Outcome::kDone) return {};
  // The chain makes no sense: libtdb finds that before it deletes anything, and says it.
  return store_plainly(key, header, data);
}

tl::unexpected<Error> TdbRecordFile::no_room() {
  constexpr uint64_t kNearlyAsLargeAsCanBe = 0xF0000000u;
  const bool full = file_bytes() > kNearlyAsLargeAsCanBe;
  return fail(ErrorCode::kSystem,
              "no room for a record in " + path() +
                  (full ? " (a tdb file cannot have more than 4 GiB)" : " (is the file system full?)"));
}

// By a client that was killed, most likely (core/file_checks.h).
tl::unexpected<Error> TdbRecordFile::damaged() {
  return fail(ErrorCode::kCorrupt, "what holds " + path() + " together is damaged (libtdb: " +
                                       tdb_errorstr(tdb_.get()) + "); it is examined");
}

// Of a new record. False: there is none yet.
bool TdbRecordFile::store_with_room(ByteView key, ByteView header) {
  std::optional<TdbImage> image = mapped_.empty() ? map() : TdbImage::of(mapped_);
  if (image && !room_.learn(*image, header.size())) {
    image = map();
    if (image) room_.learn(*image, header.size());
  }
  if (!image) return false;
  const uint32_t hash = jenkins_hash(key);
  room_.made(hash);
  const size_t room = room_.for_new();
  if (room == 0) return false;
  if (writer_ == nullptr) writer_ = ValueWriter::make(tdb_.get());
  return writer_ != nullptr &&
         writer_->make_room(hash, key.size() + header.size() + room) == ValueWriter::Outcome::kDone &&
         writer_->write(key, hash, header, {}) == ValueWriter::Outcome::kDone;
}

Result<void> TdbRecordFile::remove(ByteView key) {
  errno = 0;
  // A client that was killed may have left a second one behind it.
  while (tdb_delete(tdb_.get(), tdb_data(key)) == 0) errno = 0;
  if (tdb_error(tdb_.get()) == TDB_ERR_NOEXIST) return {};
  if (failed_by_damage(tdb_.get())) return damaged();
  return tdb_.failure("removing a record");
}

// Chain by chain. libtdb's own traverse would wait for each chain lock in turn (invariant 3 of tdb_file.h).
Result<void> TdbRecordFile::for_each(const std::function<bool(ByteView, ByteView)>& visit) {
  ChainRecords records;
  std::vector<uint32_t> todo(chains_);
  for (uint32_t chain = 0; chain < chains_; ++chain) todo[chain] = chain;
  std::vector<uint32_t> busy;
  for (int round = 0; !todo.empty(); ++round) {
    for (const uint32_t chain : todo) {
      const FillerKey some_key = filler_key(chain);  // libtdb locks by key
      const ByteView key = some_key.bytes;
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

// ---- what clients leave that die ----

std::optional<TdbImage> TdbRecordFile::map() {
  const auto bytes = static_cast<size_t>(file_bytes());
  if (bytes != mapped_.size()) {
    void* at = mapped_.empty()
                   ? mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, tdb_.descriptor(), 0)
                   : mremap(mapped_.data(), mapped_.size(), bytes, MREMAP_MAYMOVE);
    if (at == MAP_FAILED) return std::nullopt;
    mapped_ = {static_cast<uint8_t*>(at), bytes};
  }
  return TdbImage::of(mapped_);
}

std::vector<RecordFile::DeadLock> TdbRecordFile::left_locks() {
  if ((client_flags_ & TDB_MUTEX_LOCKING) == 0) return {};
  if (mapped_.empty()) map();
  const auto look = [this](uint32_t chain) {
    if (const uint32_t thread = dead_owner(mapped_, chain); thread != 0) dead_.push_back({chain, thread});
  };
  look(kFreeListLock);
  for (uint32_t chain = 0; chain < chains_; ++chain) look(chain);
  return std::exchange(dead_, {});
}

RecordFile::ChainsSeen TdbRecordFile::look_at_chains(uint32_t first, uint32_t chains, uint32_t blocks) {
  ChainsSeen seen;
  std::optional<TdbImage> image = map();
  if (!image || first >= chains_) return seen;
  const uint32_t end = std::min(chains_, first + chains);
  uint32_t chain = first;
  for (; chain < end && image && seen.blocks < blocks; ++chain) {
    if (image->head(chain) == 0) continue;
    const FillerKey some_key = filler_key(chain);
    if (try_lock(some_key.bytes) == Lock::kBusy) continue;
    const auto right = [&](uint32_t, TdbBlock& block) {
      ++seen.blocks;
      if (block.kind == kTdbLive && (!TdbImage::has_record(block) || image->chain_of(block.hash) != chain))
        seen.broken = true;
      return true;
    };
    // Others may have made the file longer since it was mapped.
    if (!image->walk(chain, right) && ((image = map()), !image || !image->walk(chain, right)))
      seen.broken = true;
    unlock(some_key.bytes);
  }
  seen.next = image && chain < chains_ ? chain : 0;
  return seen;
}

bool TdbRecordFile::visit_chain(uint32_t chain, const std::function<void(ByteView, ByteView)>& visit) {
  const FillerKey some_key = filler_key(chain);
  ChainRecords records;
  const ChainRead read = read_chain_locked(tdb_.get(), some_key.bytes, records);
  visit_all(records, [&](ByteView key, ByteView value) {
    visit(key, value);
    return true;
  });
  return read != ChainRead::kBusy;
}

RecordFile::Examined TdbRecordFile::examine(std::string& found,
                                            const std::function<void(const ChainMarks&)>& alone) {
  if (tdb_lockall_nonblock(tdb_.get()) != 0) return Examined::kBusy;
  Examined examined = Examined::kBusy;
  if (gate_ == nullptr || !gate_->shut()) {
    const std::optional<TdbImage> image = map();
    if (image || is_mapped_whole()) {
      examined = examine_alone(image, found, alone);
    } else {
      found = "it cannot be mapped (is there no memory left?)";
    }
  }
  tdb_unlockall(tdb_.get());
  return examined;
}

RecordFile::Examined TdbRecordFile::examine_alone(const std::optional<TdbImage>& image, std::string& found,
                                                  const std::function<void(const ChainMarks&)>& alone) {
  const TdbFindings findings = image ? examine_and_repair(*image) : TdbFindings{.repaired = false};
  found = image ? findings.text() : "its header makes no sense";
  if (!findings.repaired) return Examined::kHopeless;
  alone(findings.there);
  return findings.sound() ? Examined::kSound : Examined::kRepaired;
}

Result<void> TdbRecordFile::note_leftovers(const std::vector<Bytes>& keys) {
  return write_leftovers_note(path(), keys);
}
Result<void> TdbRecordFile::forget_leftovers(const std::vector<Bytes>& keys) {
  return shorten_leftovers_note(path(), keys);
}
Result<std::vector<Bytes>> TdbRecordFile::leftovers() {
  return read_leftovers_note(path());
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
