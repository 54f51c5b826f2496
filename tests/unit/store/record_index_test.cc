// SPDX-License-Identifier: GPL-3.0-or-later
// The index against a model: whatever is added, removed and looked for in whatever order, also with hashes that meet.
#include "ctdb-store/core/record_index.h"

#include <cstdio>
#include <map>
#include <string>
#include <vector>

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
      model[number] = &index.add(key, hash);
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

// However large it is, what comes or goes is kept waiting for a few slots only.
TEST(RecordIndex, BecomesLargerInSteps) {
  RecordIndex index;
  size_t left = 0, growths = 0;
  for (uint32_t i = 0; i < 100'000; ++i) {
    index.add(key_of(i), i * 0x9E3779B1u);
    const bool began = left == 0 && index.slots_to_copy() > 0;
    if (began) ++growths;
    if (!began) {
      ASSERT_LE(left - index.slots_to_copy(), RecordIndex::kCopiedAtOnce) << i;
    }
    left = index.slots_to_copy();
  }
  EXPECT_EQ(growths, 8u) << "from 2^10 slots to 2^18";
}

// Everything is found in every step of it, and nothing that is gone; also where all stand in one another's way.
TEST(RecordIndex, NothingIsMissedWhileItBecomesLarger) {
  for (const uint64_t hashes : {uint64_t{1} << 20, uint64_t{50}}) {
    RecordIndex index;
    std::map<uint64_t, RecordEntry*> model;
    uint64_t next = 0, removed = 0, steps = 0;
    for (; index.slots_to_copy() == 0; ++next)
      model[next] = &index.add(key_of(next), poor_hash(next, hashes));
    Random random(4);
    for (; index.slots_to_copy() > 0; ++steps) {
      if (random.one_in(2)) {
        model[next] = &index.add(key_of(next), poor_hash(next, hashes));
        ++next;
      } else {
        const auto gone = std::next(model.begin(), static_cast<ptrdiff_t>(random.below(model.size())));
        index.remove(*gone->second);
        model.erase(gone);
        ++removed;
      }
      for (uint64_t number = 0; number < next; ++number) {
        const auto known = model.find(number);
        ASSERT_EQ(index.find(key_of(number), poor_hash(number, hashes)),
                  known == model.end() ? nullptr : known->second)
            << "step " << steps << ", key " << number;
      }
    }
    EXPECT_EQ(steps, 1024 / RecordIndex::kCopiedAtOnce);
    EXPECT_GT(removed, 20u);
    for (const auto& [number, entry] : model) index.remove(*entry);
    EXPECT_EQ(index.size(), 0u);
    for (uint64_t number = 0; number < next; ++number)
      EXPECT_EQ(index.find(key_of(number), poor_hash(number, hashes)), nullptr);
  }
}

TEST(RecordIndex, ACursorSurvivesRemovalsAndSeesWhatIsAddedBehindIt) {
  RecordIndex index;
  for (uint64_t i = 0; i < 10; ++i) index.add(key_of(i), static_cast<uint32_t>(i));
  RecordIndex::Cursor cursor(index);
  size_t seen = 0;
  for (; cursor.at() != nullptr; ++seen) {
    RecordEntry* entry = cursor.at();
    cursor.advance();
    index.remove(*entry);
    if (seen < 10) index.add(key_of(100 + seen), static_cast<uint32_t>(100 + seen));
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
  index.add(key_of(1), 0);
  index.will_find_next(0);
  EXPECT_NE(index.find(key_of(1), 0), nullptr);
}

// Whatever is going on: the index does not look at it.
Activity& some_activity() {
  static int some;
  return reinterpret_cast<Activity&>(some);
}

TEST(RecordIndex, WhatFewEntriesHaveIsMadeWhenItIsSet) {
  RecordIndex index;
  RecordEntry& entry = index.add(key_of(1), 1);
  EXPECT_EQ(entry.extra().function_node, CTDB_UNKNOWN_PNN);
  EXPECT_EQ(entry.extra_if_any(), nullptr);
  index.begin(entry, some_activity());
  entry.make_extra().readers = 5;
  EXPECT_EQ(entry.extra().readers, 5u);
  EXPECT_EQ(entry.extra_if_any(), &entry.make_extra());
  index.end(entry);
  index.remove(entry);
  EXPECT_EQ(index.add(key_of(1), 1).extra_if_any(), nullptr);
  index.begin(index.add(key_of(2), 2), some_activity());  // and goes with the index
}

TEST(RecordIndex, AMillionSmallRecordsNeedThisMuch) {
  RecordIndex index;
  constexpr uint32_t kRecords = 1'000'000;
  char key[18];
  for (uint32_t i = 0; i < kRecords; ++i) {
    std::snprintf(key, sizeof key, "record-%010u", i);
    index.add({reinterpret_cast<const uint8_t*>(key), 17}, i * 0x9E3779B1u);
  }
  // A table of 2^21 slots, and 72 for an entry with its key.
  EXPECT_LT(index.bytes() / kRecords, 90u);
}

// Something has gone on with the entry, and was noted then.
Recent& touch(RecordIndex& index, RecordEntry& entry, TimeNs now) {
  index.begin(entry, some_activity());
  entry.recent->noted = entry.recent->came = now;
  index.end(entry);
  return *entry.recent;
}

TEST(RecordIndex, WhatIsNotedIsKeptForAWhileOnly) {
  RecordIndex index;
  constexpr TimeNs kPause = kMillisecond;
  std::vector<RecordEntry*> entries;
  for (uint32_t i = 0; i < 10'000; ++i) {
    entries.push_back(&index.add(key_of(i), i));
    touch(index, *entries.back(), i * kPause);
  }
  const uint32_t kept = RecentPool::kKept / kPause;
  EXPECT_LE(index.recents(), kept + 3);
  EXPECT_EQ(entries[10'000 - kept - 3]->recent, nullptr);
  EXPECT_NE(entries[10'000 - kept]->recent, nullptr);
  // When less is going on there are fewer.
  for (uint32_t i = 0; i < 4; ++i) touch(index, *entries[i], (20'000 + 3000 * i) * kPause);
  for (uint32_t i = 0; i < kept; ++i) touch(index, *entries[i], 40'000 * kPause);
  for (uint32_t i = 0; i < kept; ++i) index.remove(*entries[i]);
}

TEST(RecordIndex, WhatIsNotedIsKeptWhileSomethingGoesOnOrACursorAsksForIt) {
  RecordIndex index;
  RecordEntry &busy = index.add(key_of(1), 1), &extra = index.add(key_of(2), 2),
              &old = index.add(key_of(3), 3), &other = index.add(key_of(4), 4),
              &nothing = index.add(key_of(5), 5);
  touch(index, busy, kSecond);
  index.begin(busy, *reinterpret_cast<Activity*>(&index));
  touch(index, extra, kSecond);
  index.begin(extra, *reinterpret_cast<Activity*>(&index));
  extra.make_extra();
  index.end(extra);
  touch(index, old, kSecond);
  {
    RecordIndex::Cursor cursor(index, true);
    touch(index, other, 100 * kSecond);
    index.begin(nothing, *reinterpret_cast<Activity*>(&index));
    EXPECT_NE(old.recent, nullptr);
    index.end(nothing);
    EXPECT_EQ(nothing.recent, nullptr);
  }
  touch(index, nothing, 101 * kSecond);
  EXPECT_EQ(old.recent, nullptr);
  EXPECT_NE(busy.recent, nullptr);
  EXPECT_NE(extra.recent, nullptr);
  index.end(busy);
  for (uint32_t i = 10; i < 13; ++i) touch(index, index.add(key_of(i), i), 110 * kSecond);
  EXPECT_EQ(busy.recent, nullptr);
  EXPECT_EQ(extra.recent->came, kSecond);
}

}  // namespace
}  // namespace ctdb
