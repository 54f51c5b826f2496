// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-store/core/record_index.h"

#include <algorithm>
#include <cstdlib>
#include <new>
#include <utility>

#include "libctdbipc/base/assert.h"

namespace ctdb {
namespace {

constexpr unsigned kSlotBitsMin = 10;

}  // namespace

const RecordExtra RecordEntry::kNoExtra{};
static_assert(kKeyBytesMax <= RecordEntry::kKeySizeMask);
static_assert(offsetof(RecordEntry, last_owner_) + sizeof(RecordEntry::last_owner_) == RecordEntry::kKeyAt);

RecordIndex::Table::Table(unsigned bits)
    : slots_(static_cast<Slot*>(std::calloc(size_t{1} << bits, sizeof(Slot)))),
      mask_((size_t{1} << bits) - 1),
      shift_(64 - bits) {
  if (slots_ == nullptr) throw std::bad_alloc();
}

void RecordIndex::Table::Free::operator()(Slot* slots) const {
  std::free(slots);
}

void RecordIndex::Table::place(const Slot& slot) {
  size_t at = home(slot.hash);
  while (slots_[at].number != 0) at = after(at);
  slots_[at] = slot;
}

RecordIndex::RecordIndex() : table_(kSlotBitsMin) {}

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
  RecordEntry* found = find_in(table_, key, hash);
  return found != nullptr || old_.empty() ? found : find_in(old_, key, hash);
}

RecordEntry* RecordIndex::find_in(const Table& table, ByteView key, uint32_t hash) const {
  for (size_t at = table.home(hash); table[at].number != 0; at = table.after(at)) {
    if (table[at].hash != hash || table[at].number == kGone) continue;
    RecordEntry* found = entry(table[at].number);
    if (std::ranges::equal(found->key(), key)) return found;
  }
  return nullptr;
}

size_t RecordIndex::slot_of(const Table& table, const RecordEntry& wanted) const {
  for (size_t at = table.home(wanted.hash); table[at].number != 0; at = table.after(at)) {
    if (table[at].number != kGone && entry(table[at].number) == &wanted) return at;
  }
  return table.size();
}

RecordEntry& RecordIndex::add(ByteView key, uint32_t hash) {
  copy_some();
  if (4 * (size_ + 1) > 3 * table_.size()) grow();
  const uint32_t number = arena_.allocate(RecordEntry::bytes_with_key(key.size()));
  auto* added = new (arena_.at(number)) RecordEntry();
  added->hash = hash;
  added->key_size = static_cast<uint32_t>(key.size()) & RecordEntry::kKeySizeMask;
  if (!key.empty())
    std::memcpy(reinterpret_cast<uint8_t*>(added) + RecordEntry::kKeyAt, key.data(), key.size());
  table_.place({number, hash});
  added->previous = last_;
  (last_ == 0 ? first_ : entry(last_)->next) = number;
  last_ = number;
  ++size_;
  return *added;
}

void RecordIndex::remove(RecordEntry& gone) {
  CTDB_ASSERT(gone.activity() == nullptr && gone.deletion == Deletion::kNone);
  copy_some();
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

uint32_t RecordIndex::clear_slot(const RecordEntry& gone) {
  if (!old_.empty()) {
    const size_t at = slot_of(old_, gone);
    if (at < old_.size()) {
      const uint32_t number = std::exchange(old_[at].number, kGone);
      if (at >= copied_) return number;
    }
  }
  const size_t at = slot_of(table_, gone);
  const uint32_t number = table_[at].number;
  fill_hole(at);
  return number;
}

// What stands behind the hole and would not be found across it moves up.
void RecordIndex::fill_hole(size_t hole) {
  for (size_t at = table_.after(hole); table_[at].number != 0; at = table_.after(at)) {
    const size_t home = table_.home(table_[at].hash);
    if (table_.distance(home, at) < table_.distance(hole, at)) continue;
    table_[hole] = table_[at];
    hole = at;
  }
  table_[hole] = {0, 0};
}

// Of n slots n / kCopiedAtOnce entries later all are copied; the next time is 3/4 n entries later.
void RecordIndex::grow() {
  static_assert(4 < 3 * kCopiedAtOnce);
  CTDB_ASSERT(old_.empty());
  old_ = std::exchange(table_, Table(table_.bits() + 1));
  copied_ = 0;
}

void RecordIndex::copy_some() {
  if (old_.empty()) return;
  for (size_t i = 0; i < kCopiedAtOnce; ++i, ++copied_) {
    const Slot& slot = old_[copied_];
    if (slot.number != 0 && slot.number != kGone) table_.place(slot);
  }
  if (copied_ < old_.size()) return;
  old_ = Table();
  copied_ = 0;
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
