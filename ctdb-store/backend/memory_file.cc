// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-store/backend/memory_file.h"

#include <algorithm>
#include <utility>

#include "libctdbipc/base/assert.h"
#include "libctdbipc/base/hash.h"
#include "libctdbipc/wire/layout.h"

namespace ctdb {

bool MemoryDatabase::lock(ByteView key, Holder holder) {
  Holder& held = holders_[chain_of(key)];
  CTDB_ASSERT(holder != kNobody && held != holder);
  if (held != kNobody || closed_) return false;
  held = holder;
  return true;
}

void MemoryDatabase::unlock(ByteView key, Holder holder) {
  const uint32_t chain = chain_of(key);
  CTDB_ASSERT(holders_[chain] == holder && !marked_[chain]);
  holders_[chain] = kNobody;
}

void MemoryDatabase::release_all(Holder holder) {
  for (size_t chain = 0; chain < holders_.size(); ++chain) {
    if (holders_[chain] != holder) continue;
    holders_[chain] = kNobody;
    marked_[chain] = false;
  }
}

bool MemoryDatabase::any_chain_held() const {
  return std::any_of(holders_.begin(), holders_.end(), [](Holder holder) { return holder != kNobody; });
}

std::vector<Bytes> MemoryDatabase::keys() const {
  std::vector<Bytes> all;
  for (const auto& [key, value] : records_) all.push_back(key);
  return all;
}

std::optional<Bytes> MemoryDatabase::fetch(ByteView key) const {
  const Bytes* value = look(key);
  return value == nullptr ? std::nullopt : std::optional<Bytes>(*value);
}

const Bytes* MemoryDatabase::look(ByteView key) const {
  const auto at = records_.find(key);
  return at == records_.end() ? nullptr : &at->second;
}

void MemoryDatabase::store(ByteView key, ByteView value) {
  const auto at = records_.find(key);
  if (at == records_.end()) {
    records_.emplace(to_bytes(key), to_bytes(value));
  } else {
    at->second.assign(value.begin(), value.end());
  }
  if (seqnum_enabled_) ++seqnum_;
}

void MemoryDatabase::remove(ByteView key) {
  if (const auto at = records_.find(key); at != records_.end()) records_.erase(at);
}

class MemoryFile : public RecordFile {
 public:
  MemoryFile(std::string name, MemoryFiles& files, MemoryDatabase& database)
      : name_(std::move(name)), files_(files), db_(database) {}

  Lock try_lock(ByteView key) override {
    if (!db_.lock(key, MemoryDatabase::kStore)) return Lock::kBusy;
    if (files_.gate_ == nullptr || !files_.gate_->shut()) return Lock::kHeld;
    db_.unlock(key, MemoryDatabase::kStore);
    return Lock::kBusy;
  }
  void unlock(ByteView key) override { db_.unlock(key, MemoryDatabase::kStore); }
  void mark(ByteView key) override {
    const uint32_t chain = db_.chain_of(key);
    CTDB_ASSERT(db_.holders_[chain] > MemoryDatabase::kStore && !db_.marked_[chain]);
    db_.marked_[chain] = true;
  }
  void unmark(ByteView key) override {
    const uint32_t chain = db_.chain_of(key);
    CTDB_ASSERT(db_.marked_[chain]);
    db_.marked_[chain] = false;
  }
  uint32_t chains() const override { return db_.chains(); }

  bool fetch(ByteView key, Bytes& value) override {
    check_locked(key);
    const Bytes* found = readable(key);
    if (found == nullptr) return false;
    value.assign(found->begin(), found->end());
    return true;
  }

  size_t value_bytes(ByteView key) override {
    check_locked(key);
    const Bytes* found = readable(key);
    return found == nullptr ? 0 : found->size();
  }

  Presence presence(ByteView key) override {
    check_locked(key);
    if (db_.chains_broken_) return Presence::kUnreadable;
    return db_.look(key) != nullptr ? Presence::kThere : Presence::kGone;
  }

  Result<void> store(ByteView key, ByteView header, ByteView data) override {
    check_locked(key);
    if (files_.full_) return fail(ErrorCode::kSystem, name_ + ": no space left");
    if (files_.no_room_ || db_.room_broken_) {
      const Bytes* old = db_.look(key);
      if (old == nullptr || old->size() < header.size() + data.size()) {
        if (db_.room_broken_ && db_.damage_shows_)
          return fail(ErrorCode::kCorrupt, name_ + ": the free list is broken");
        return fail(ErrorCode::kSystem, name_ + ": no space left");
      }
    }
    Bytes value(header.begin(), header.end());
    value.insert(value.end(), data.begin(), data.end());
    db_.store(key, value);
    return {};
  }

  Result<void> remove(ByteView key) override {
    check_locked(key);
    if (files_.full_) return fail(ErrorCode::kSystem, name_ + ": no space left");
    if (db_.chains_broken_) return fail(ErrorCode::kCorrupt, name_ + ": what leads to the records is broken");
    if (db_.look(key) != nullptr && db_.seqnum_enabled_) ++db_.seqnum_;
    db_.remove(key);
    return {};
  }

  Result<void> for_each(const std::function<bool(ByteView, ByteView)>& visit) override {
    for (const auto& [key, value] : db_.records_) {
      if (!visit(key, value)) break;
    }
    return {};
  }

  std::vector<DeadLock> left_locks() override { return std::exchange(db_.left_locks_, {}); }
  bool visit_chain(uint32_t chain, const std::function<void(ByteView, ByteView)>& visit) override {
    if (db_.holders_[chain] != MemoryDatabase::kNobody) return false;
    for (const auto& [key, value] : db_.records_) {
      if (db_.chain_of(key) == chain) visit(key, value);
    }
    return true;
  }

  Examined examine(std::string& found, const std::function<void(const ChainMarks&)>& alone) override {
    ++db_.examinations_;
    if (db_.any_chain_held() || db_.closed_) return Examined::kBusy;
    if (db_.header_broken_) return Examined::kHopeless;
    const bool sound = !db_.room_broken_ && !db_.chains_broken_;
    db_.room_broken_ = db_.chains_broken_ = false;
    ChainMarks there(db_.chains());
    for (const auto& [key, value] : db_.records_) there[db_.chain_of(key)] += mark_of(jenkins_hash(key));
    alone_ = true;
    alone(there);
    alone_ = false;
    if (sound) return Examined::kSound;
    found = "something that was not right";
    return Examined::kRepaired;
  }

  Result<void> note_leftovers(const std::vector<Bytes>& keys) override {
    if (files_.full_) return fail(ErrorCode::kSystem, name_ + ": no space left");
    db_.leftovers_ = keys;
    db_.leftovers_noted_ += keys.size();
    return {};
  }
  Result<void> forget_leftovers(const std::vector<Bytes>& keys) override {
    if (files_.full_) return fail(ErrorCode::kSystem, name_ + ": no space left");
    std::erase_if(db_.leftovers_,
                  [&](const Bytes& key) { return std::ranges::find(keys, key) != keys.end(); });
    db_.leftovers_noted_ += keys.size();
    return {};
  }
  Result<std::vector<Bytes>> leftovers() override { return db_.leftovers_; }

  std::string path() const override { return "memory:" + name_; }
  int open_flags() const override { return 0x1c41 | (db_.seqnum_enabled_ ? 0x80 : 0); }
  uint64_t file_bytes() const override {
    uint64_t bytes = 0;
    for (const auto& [key, value] : db_.records_) bytes += key.size() + value.size();
    return bytes;
  }
  void enable_seqnum() override { db_.seqnum_enabled_ = true; }
  void increment_seqnum() override { ++db_.seqnum_; }
  int64_t seqnum() const override { return db_.seqnum_; }

 private:
  const Bytes* readable(ByteView key) const { return db_.chains_broken_ ? nullptr : db_.look(key); }
  void check_locked(ByteView key) const {
    if (alone_) return;
    const uint32_t chain = db_.chain_of(key);
    CTDB_ASSERT(db_.holders_[chain] == MemoryDatabase::kStore || db_.marked_[chain]);
  }

  const std::string name_;
  MemoryFiles& files_;
  MemoryDatabase& db_;
  bool alone_ = false;  // examined
};

Result<std::unique_ptr<RecordFile>> MemoryFiles::open(const std::string& name, uint8_t db_flags, bool keep) {
  if (unopenable_) return fail(ErrorCode::kSystem, name + ": cannot be opened");
  if (short_of_ != 0) return fail(Error{ErrorCode::kSystem, short_of_, "opening " + name});
  std::unique_ptr<MemoryDatabase>& database = databases_[name];
  if (!database) database = std::make_unique<MemoryDatabase>(chains_);
  database->persistent_ = (db_flags & CTDB_DB_PERSISTENT) != 0;
  database->full_copy_ = (db_flags & (CTDB_DB_PERSISTENT | CTDB_DB_REPLICATED)) != 0;
  if (database->full_copy_ ? !database->persistent_ : !keep || database->detached_) database->clear();
  database->detached_ = false;
  // What a store that died held or had marked is free again, as the kernel would see to.
  database->release_all(MemoryDatabase::kStore);
  database->room_broken_ = database->chains_broken_ = database->header_broken_ =
      false;  // repaired when it is taken up
  std::fill(database->marked_.begin(), database->marked_.end(), false);
  return std::unique_ptr<RecordFile>(std::make_unique<MemoryFile>(name, *this, *database));
}

std::vector<std::string> MemoryFiles::existing() {
  std::vector<std::string> names;
  for (const auto& [name, database] : databases_) {
    if (!database->full_copy_ && !database->detached_) names.push_back(name);
  }
  return names;
}

void MemoryFiles::discard(const std::string& name, const std::function<void(ByteView, ByteView)>& visit) {
  MemoryDatabase* left = database(name);
  if (left == nullptr) return;
  for (const auto& [key, value] : left->records_) visit(key, value);
  left->clear();
}

Result<void> MemoryFiles::detach(const std::string& name) {
  MemoryDatabase* left = database(name);
  if (left == nullptr) return {};
  left->detached_ = !full_;
  if (!left->any_chain_held()) left->clear();
  if (full_) return fail(ErrorCode::kSystem, name + ": no space left");
  return {};
}

std::vector<std::string> MemoryFiles::detached() {
  std::vector<std::string> names;
  for (const auto& [name, database] : databases_) {
    if (database->detached_) names.push_back(name);
  }
  return names;
}

std::vector<std::string> MemoryFiles::existing_persistent() {
  std::vector<std::string> names;
  for (const auto& [name, database] : databases_) {
    if (database->persistent_) names.push_back(name);
  }
  return names;
}

MemoryDatabase* MemoryFiles::database(const std::string& name) {
  const auto at = databases_.find(name);
  return at == databases_.end() ? nullptr : at->second.get();
}

}  // namespace ctdb
