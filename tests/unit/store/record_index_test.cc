// SPDX-License-Identifier: GPL-3.0-or-later
// The index against a model: whatever is added, removed and looked for in whatever order, also with hashes that meet.
#include "ctdb-store/core/record_index.h"

#include <map>
#include <string>

#include <gtest/gtest.h>

#include "libctdbipc/base/random.h"

namespace ctdb {
namespace {

Bytes key_of(uint64_t number) {
  const std::string text = "key-" + std::to_string(number);
  return Bytes(text.begin(), text.end());
}

// Few different hashes: long runs of slots, holes in the middle of them, runs over the end of the table.
uint32_t poor_hash(uint64_t number, uint64_t different) {
  return static_cast<uint32_t>(number % different * 0x10001);
}

void against_a_model(uint64_t seed, uint64_t keys, uint64_t hashes) {
  Random random(seed);
  RecordIndex index;
  std::map<uint64_t, RecordEntry*> model;
  for (int step = 0; step < 20000; ++step) {
    const uint64_t number = random.below(keys);
    const Bytes key = key_of(number);
    const uint32_t hash = poor_hash(number, hashes);
    const auto known = model.find(number);
    ASSERT_EQ(index.find(key, hash), known == model.end() ? nullptr : known->second) << "step " << step;
    if (known == model.end()) {
      model[number] = &index.add(key, hash, 0);
    } else if (random.one_in(2)) {
      index.remove(*known->second);
      model.erase(known);
    }
    ASSERT_EQ(index.size(), model.size());
  }
  for (const auto& [number, entry] : model) {
    EXPECT_EQ(index.find(key_of(number), poor_hash(number, hashes)), entry);
  }
}

TEST(RecordIndex, FindsWhatIsThereAndNothingElse) {
  against_a_model(1, 3000, 1u << 20);
}

TEST(RecordIndex, FindsKeysWhoseHashesMeet) {
  against_a_model(2, 600, 7);
  against_a_model(3, 700, 300);
}

TEST(RecordIndex, ACursorSurvivesRemovalsAndSeesWhatIsAddedBehindIt) {
  RecordIndex index;
  for (uint64_t i = 0; i < 10; ++i) index.add(key_of(i), static_cast<uint32_t>(i), 0);
  RecordIndex::Cursor cursor(index);
  size_t seen = 0;
  for (; cursor.at() != nullptr; ++seen) {
    RecordEntry* entry = cursor.at();
    cursor.advance();
    index.remove(*entry);
    if (seen < 10) index.add(key_of(100 + seen), static_cast<uint32_t>(100 + seen), 0);
  }
  EXPECT_EQ(seen, 20u);
  EXPECT_EQ(index.size(), 0u);
}

// Hashes come from other nodes; a free slot has hash 0 too.
TEST(RecordIndex, LooksAheadForWhatIsNotThere) {
  RecordIndex index;
  for (const uint32_t hash : {0u, 1u}) {
    index.will_find_soon(hash);
    index.will_find_next(hash);
  }
  index.add(key_of(1), 0, 0);
  index.will_find_next(0);
  EXPECT_NE(index.find(key_of(1), 0), nullptr);
}

TEST(RecordIndex, WhatFewEntriesHaveIsMadeWhenItIsSet) {
  RecordIndex index;
  RecordEntry& entry = index.add(key_of(1), 1, 0);
  EXPECT_EQ(entry.extra().function_node, CTDB_UNKNOWN_PNN);
  EXPECT_EQ(entry.extra_if_any(), nullptr);
  entry.make_extra().readers = 5;
  EXPECT_EQ(entry.extra().readers, 5u);
  EXPECT_EQ(entry.extra_if_any(), &entry.make_extra());
  index.remove(entry);
  EXPECT_EQ(index.add(key_of(1), 1, 0).extra_if_any(), nullptr);
  index.add(key_of(2), 2, 0).make_extra();  // and goes with the index
}

}  // namespace
}  // namespace ctdb
