// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-store/core/record_index.h"

#include <algorithm>
#include <new>

#include "libctdbipc/base/assert.h"

namespace ctdb {
namespace {

constexpr unsigned kSlotBitsMin = 10;

void destroy(RecordEntry* entry) {
  entry->~RecordEntry();
  ::operator delete(entry);
}

}  // namespace

RecordIndex::RecordIndex() : slots_(size_t{1} << kSlotBitsMin), shift_(64 - kSlotBitsMin) {}

RecordIndex::~RecordIndex() {
  for (Cursor* cursor = cursors_; cursor != nullptr; cursor = cursor->next_cursor_) cursor->index_ = nullptr;
  for (RecordEntry* entry = first_; entry != nullptr;) {
    RecordEntry* next = entry->next;
    destroy(entry);
    entry = next;
  }
}

RecordEntry* RecordIndex::find(ByteView key, uint32_t hash) const {
  for (size_t at = slot_of(hash); slots_[at].entry != nullptr; at = (at + 1) & (slots_.size() - 1)) {
    const Slot& slot = slots_[at];
    if (slot.hash == hash && std::ranges::equal(slot.entry->key(), key)) return slot.entry;
  }
  return nullptr;
}

RecordEntry& RecordIndex::add(ByteView key, uint32_t hash, uint32_t chain) {
  if (4 * (size_ + 1) > 3 * slots_.size()) grow();
  void* memory = ::operator new(sizeof(RecordEntry) + key.size());
  RecordEntry* entry = new (memory) RecordEntry();
  entry->hash = hash;
  entry->chain = chain;
  entry->key_size = static_cast<uint32_t>(key.size());
  if (!key.empty()) std::memcpy(reinterpret_cast<uint8_t*>(entry + 1), key.data(), key.size());
  place(*entry, hash);
  entry->previous = last_;
  (last_ == nullptr ? first_ : last_->next) = entry;
  last_ = entry;
  ++size_;
  return *entry;
}

void RecordIndex::remove(RecordEntry& entry) {
  CTDB_ASSERT(entry.activity == nullptr && entry.deletion == Deletion::kNone);
  clear_slot(entry);
  for (Cursor* cursor = cursors_; cursor != nullptr; cursor = cursor->next_cursor_) {
    if (cursor->last_seen_ == &entry) cursor->last_seen_ = entry.previous;
    if (cursor->at_ == &entry) cursor->advance();
    if (cursor->last_seen_ == &entry) cursor->last_seen_ = entry.previous;
  }
  (entry.previous == nullptr ? first_ : entry.previous->next) = entry.next;
  (entry.next == nullptr ? last_ : entry.next->previous) = entry.previous;
  --size_;
  destroy(&entry);
}

void RecordIndex::place(RecordEntry& entry, uint32_t hash) {
  size_t at = slot_of(hash);
  while (slots_[at].entry != nullptr) at = (at + 1) & (slots_.size() - 1);
  slots_[at] = {&entry, hash};
}

// What stands behind the hole and would not be found across it moves up.
void RecordIndex::clear_slot(const RecordEntry& entry) {
  const size_t mask = slots_.size() - 1;
  size_t hole = slot_of(entry.hash);
  while (slots_[hole].entry != &entry) hole = (hole + 1) & mask;
  for (size_t at = (hole + 1) & mask; slots_[at].entry != nullptr; at = (at + 1) & mask) {
    const size_t home = slot_of(slots_[at].hash);
    if (((at - home) & mask) < ((at - hole) & mask)) continue;
    slots_[hole] = slots_[at];
    hole = at;
  }
  slots_[hole] = {};
}

void RecordIndex::grow() {
  std::vector<Slot> old(slots_.size() * 2);
  old.swap(slots_);
  --shift_;
  for (const Slot& slot : old) {
    if (slot.entry != nullptr) place(*slot.entry, slot.hash);
  }
}

RecordIndex::Cursor::Cursor(RecordIndex& index)
    : index_(&index), at_(index.first_), next_cursor_(index.cursors_) {
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
  if (at_ == nullptr) at_ = last_seen_ == nullptr ? index_->first_ : last_seen_->next;
  return at_;
}

void RecordIndex::Cursor::advance() {
  if (at_ == nullptr) return;
  last_seen_ = at_;
  at_ = at_->next;
}

}  // namespace ctdb
