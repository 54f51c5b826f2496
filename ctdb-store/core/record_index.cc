// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-store/core/record_index.h"

#include <algorithm>
#include <new>

#include "libctdbipc/base/assert.h"

namespace ctdb {
namespace {

constexpr unsigned kSlotBitsMin = 10;

}  // namespace

const RecordExtra RecordEntry::kNoExtra{};
static_assert(kKeyBytesMax <= RecordEntry::kKeySizeMask);
static_assert(offsetof(RecordEntry, last_owner_) + sizeof(RecordEntry::last_owner_) == RecordEntry::kKeyAt);

RecordIndex::RecordIndex() : slots_(size_t{1} << kSlotBitsMin), shift_(64 - kSlotBitsMin) {}

RecordIndex::~RecordIndex() {
  for (Cursor* cursor = cursors_; cursor != nullptr; cursor = cursor->next_cursor_) cursor->index_ = nullptr;
  for (RecordEntry* gone = first(); gone != nullptr;) {
    RecordEntry* following = next(*gone);
    recents_.take_back(*gone);
    gone->~RecordEntry();
    gone = following;
  }
}

RecordEntry* RecordIndex::find(ByteView key, uint32_t hash) const {
  for (size_t at = slot_of(hash); slots_[at].number != 0; at = (at + 1) & (slots_.size() - 1)) {
    if (slots_[at].hash != hash) continue;
    RecordEntry* found = entry(slots_[at].number);
    if (std::ranges::equal(found->key(), key)) return found;
  }
  return nullptr;
}

RecordEntry& RecordIndex::add(ByteView key, uint32_t hash) {
  if (4 * (size_ + 1) > 3 * slots_.size()) grow();
  const uint32_t number = arena_.allocate(RecordEntry::bytes_with_key(key.size()));
  auto* added = new (arena_.at(number)) RecordEntry();
  added->hash = hash;
  added->key_size = static_cast<uint32_t>(key.size()) & RecordEntry::kKeySizeMask;
  if (!key.empty())
    std::memcpy(reinterpret_cast<uint8_t*>(added) + RecordEntry::kKeyAt, key.data(), key.size());
  place(number, hash);
  added->previous = last_;
  (last_ == 0 ? first_ : entry(last_)->next) = number;
  last_ = number;
  ++size_;
  return *added;
}

void RecordIndex::remove(RecordEntry& gone) {
  CTDB_ASSERT(gone.activity() == nullptr && gone.deletion == Deletion::kNone);
  const uint32_t number = clear_slot(gone);
  for (Cursor* cursor = cursors_; cursor != nullptr; cursor = cursor->next_cursor_) {
    if (cursor->last_seen_ == &gone) cursor->last_seen_ = entry(gone.previous);
    if (cursor->at_ == &gone) cursor->advance();
    if (cursor->last_seen_ == &gone) cursor->last_seen_ = entry(gone.previous);
  }
  (gone.previous == 0 ? first_ : entry(gone.previous)->next) = gone.next;
  (gone.next == 0 ? last_ : entry(gone.next)->previous) = gone.previous;
  --size_;
  const size_t bytes = RecordEntry::bytes_with_key(gone.key_size);
  recents_.take_back(gone);
  gone.~RecordEntry();
  arena_.free(number, bytes);
}

void RecordIndex::place(uint32_t number, uint32_t hash) {
  size_t at = slot_of(hash);
  while (slots_[at].number != 0) at = (at + 1) & (slots_.size() - 1);
  slots_[at] = {number, hash};
}

// What stands behind the hole and would not be found across it moves up.
uint32_t RecordIndex::clear_slot(const RecordEntry& gone) {
  const size_t mask = slots_.size() - 1;
  size_t hole = slot_of(gone.hash);
  while (entry(slots_[hole].number) != &gone) hole = (hole + 1) & mask;
  const uint32_t number = slots_[hole].number;
  for (size_t at = (hole + 1) & mask; slots_[at].number != 0; at = (at + 1) & mask) {
    const size_t home = slot_of(slots_[at].hash);
    if (((at - home) & mask) < ((at - hole) & mask)) continue;
    slots_[hole] = slots_[at];
    hole = at;
  }
  slots_[hole] = {};
  return number;
}

void RecordIndex::grow() {
  std::vector<Slot> old(slots_.size() * 2);
  old.swap(slots_);
  --shift_;
  for (const Slot& slot : old) {
    if (slot.number != 0) place(slot.number, slot.hash);
  }
}

bool RecordIndex::may_forget() const {
  for (const Cursor* cursor = cursors_; cursor != nullptr; cursor = cursor->next_cursor_) {
    if (cursor->keeps_recent_) return false;
  }
  return true;
}

RecordIndex::Cursor::Cursor(RecordIndex& index, bool keeps_recent)
    : index_(&index), at_(index.first()), next_cursor_(index.cursors_), keeps_recent_(keeps_recent) {
  index.cursors_ = this;
}

RecordIndex::Cursor::~Cursor() {
  if (index_ == nullptr) return;
  Cursor** link = &index_->cursors_;
  while (*link != this) link = &(*link)->next_cursor_;
  *link = next_cursor_;
}

RecordEntry* RecordIndex::Cursor::at() {
  if (index_ == nullptr) return nullptr;
  // At the end: something may have been added behind the last entry seen.
  if (at_ == nullptr) at_ = last_seen_ == nullptr ? index_->first() : index_->next(*last_seen_);
  return at_;
}

void RecordIndex::Cursor::advance() {
  if (index_ == nullptr || at_ == nullptr) return;
  last_seen_ = at_;
  at_ = index_->next(*at_);
}

}  // namespace ctdb
