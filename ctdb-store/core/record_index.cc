// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-store/core/record_index.h"

#include <algorithm>
#include <new>

#include "libctdbipc/base/assert.h"

namespace ctdb {
namespace {

constexpr size_t kBucketsMin = 1024;

void destroy(RecordEntry* entry) {
  entry->~RecordEntry();
  ::operator delete(entry);
}

}  // namespace

RecordIndex::RecordIndex() : buckets_(kBucketsMin, nullptr) {}

RecordIndex::~RecordIndex() {
  for (Cursor* cursor = cursors_; cursor != nullptr; cursor = cursor->next_cursor_) cursor->index_ = nullptr;
  for (RecordEntry* entry = first_; entry != nullptr;) {
    RecordEntry* next = entry->next;
    destroy(entry);
    entry = next;
  }
}

RecordEntry* RecordIndex::find(ByteView key, uint32_t hash) const {
  for (RecordEntry* entry = buckets_[hash & (buckets_.size() - 1)]; entry != nullptr;
       entry = entry->bucket_next) {
    if (entry->hash == hash && std::ranges::equal(entry->key(), key)) return entry;
  }
  return nullptr;
}

RecordEntry& RecordIndex::add(ByteView key, uint32_t hash, uint32_t chain) {
  if (size_ >= buckets_.size()) grow();
  void* memory = ::operator new(sizeof(RecordEntry) + key.size());
  RecordEntry* entry = new (memory) RecordEntry();
  entry->hash = hash;
  entry->chain = chain;
  entry->key_size = static_cast<uint32_t>(key.size());
  if (!key.empty()) std::memcpy(reinterpret_cast<uint8_t*>(entry + 1), key.data(), key.size());
  RecordEntry*& bucket = buckets_[hash & (buckets_.size() - 1)];
  entry->bucket_next = bucket;
  bucket = entry;
  entry->previous = last_;
  (last_ == nullptr ? first_ : last_->next) = entry;
  last_ = entry;
  ++size_;
  return *entry;
}

void RecordIndex::remove(RecordEntry& entry) {
  CTDB_ASSERT(entry.activity == nullptr);
  RecordEntry** link = &buckets_[entry.hash & (buckets_.size() - 1)];
  while (*link != &entry) link = &(*link)->bucket_next;
  *link = entry.bucket_next;
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

void RecordIndex::grow() {
  std::vector<RecordEntry*> buckets(buckets_.size() * 2, nullptr);
  for (RecordEntry* entry = first_; entry != nullptr; entry = entry->next) {
    RecordEntry*& bucket = buckets[entry->hash & (buckets.size() - 1)];
    entry->bucket_next = bucket;
    bucket = entry;
  }
  buckets_.swap(buckets);
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
