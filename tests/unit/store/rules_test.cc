// SPDX-License-Identifier: GPL-3.0-or-later
// The pure rules, the index and the timers.
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "ctdb-store/core/record_index.h"
#include "ctdb-store/core/rules.h"
#include "ctdb-store/core/timer_heap.h"
#include "libctdbipc/base/hash.h"
#include "libctdbipc/base/random.h"

namespace ctdb::test {
namespace {

constexpr uint32_t kSelf = 4;
constexpr uint32_t kOther = 5;

// wire-protocol §5, one line of the store rule each.
TEST(ServerStoreRule, KeepsWhatMayStillMatter) {
  const auto kept = [](uint32_t flags, uint32_t dmaster, bool data, bool lmaster) {
    return server_store_rule({7, dmaster, flags}, data, lmaster, kSelf).keep;
  };
  EXPECT_TRUE(kept(0, kOther, true, false));
  EXPECT_TRUE(kept(CTDB_RECORD_RO_HAVE_READONLY, kOther, false, false));
  EXPECT_TRUE(kept(CTDB_RECORD_AUTOMATIC, kOther, false, false));
  EXPECT_TRUE(kept(CTDB_RECORD_MIGRATED_WITH_DATA, kOther, false, false));
  EXPECT_TRUE(kept(0, kOther, false, true));
  EXPECT_TRUE(kept(CTDB_RECORD_VACUUM_MIGRATED, kOther, false, true));
  EXPECT_TRUE(kept(0, kSelf, false, false));
  EXPECT_FALSE(kept(0, kOther, false, false));
}

TEST(ServerStoreRule, RaisesTheSequenceNumberOnlyForTheOwner) {
  EXPECT_EQ(server_store_rule({7, kSelf, 0}, true, false, kSelf).header.rsn, 8u);
  EXPECT_EQ(server_store_rule({7, kOther, 0}, true, false, kSelf).header.rsn, 7u);
  EXPECT_EQ(server_store_rule({7, kSelf, CTDB_RECORD_RO_HAVE_DELEGATIONS}, true, false, kSelf).header.rsn,
            7u);
}

TEST(ServerStoreRule, StripsTransientFlags) {
  const uint32_t flags = CTDB_RECORD_AUTOMATIC | CTDB_RECORD_VACUUM_MIGRATED | CTDB_RECORD_MIGRATED_WITH_DATA;
  EXPECT_EQ(server_store_rule({7, kSelf, flags}, true, false, kSelf).header.flags,
            CTDB_RECORD_MIGRATED_WITH_DATA);
}

TEST(Claims, TheOwnersCopyWinsThenTheNewest) {
  const Claim owner{1, 1, 5, false};
  const Claim newer{2, 1, 9, true};
  EXPECT_TRUE(wins_over(owner, newer));
  EXPECT_FALSE(wins_over(newer, owner));
  EXPECT_TRUE(wins_over({3, 3, 6, false}, owner));
  EXPECT_TRUE(wins_over({3, 9, 6, false}, {2, 9, 5, true}));
  EXPECT_TRUE(wins_over({3, 9, 6, true}, {2, 9, 6, false}));  // data before a pointer
  EXPECT_TRUE(wins_over({2, 9, 6, true}, {3, 9, 6, true}));   // lower pnn
}

TEST(Claims, AreTotallyOrdered) {
  Random random(1);
  std::vector<Claim> claims;
  for (uint32_t holder = 0; holder < 40; ++holder) {
    claims.push_back({holder, random.one_in(2) ? holder : 99, random.below(3), random.one_in(2)});
  }
  for (const Claim& a : claims) {
    EXPECT_FALSE(wins_over(a, a));
    for (const Claim& b : claims) {
      if (a.holder != b.holder) {
        EXPECT_NE(wins_over(a, b), wins_over(b, a));
      }
    }
  }
}

TEST(WhomToAsk, FollowsAHintThatMayBeTrue) {
  EXPECT_EQ(whom_to_ask(0, 1, 2, true), 2u);
  EXPECT_EQ(whom_to_ask(0, 1, 2, false), 1u);
  EXPECT_EQ(whom_to_ask(0, 1, 0, true), 1u);
  EXPECT_EQ(whom_to_ask(0, 1, CTDB_UNKNOWN_PNN, false), 1u);
  EXPECT_EQ(whom_to_ask(1, 1, 2, true), 2u);
  EXPECT_EQ(whom_to_ask(1, 1, 9, false), CTDB_UNKNOWN_PNN);
}

TEST(WhomToAnswer, GoesOverTheLmasterUnlessThatIsUs) {
  EXPECT_FALSE(whom_to_answer(0, 1, 2).direct);
  EXPECT_EQ(whom_to_answer(0, 1, 2).node, 1u);
  EXPECT_TRUE(whom_to_answer(1, 1, 2).direct);
  EXPECT_EQ(whom_to_answer(1, 1, 2).node, 2u);
  EXPECT_EQ(whom_to_redirect_to(0, 1, 2), 1u);
  EXPECT_EQ(whom_to_redirect_to(1, 1, 2), 2u);
  EXPECT_EQ(whom_to_redirect_to(1, 1, 1), CTDB_UNKNOWN_PNN);
}

TEST(Fingerprint, TellsDataApart) {
  std::set<uint64_t> prints;
  std::string data;
  for (int i = 0; i < 100; ++i, data += 'a') prints.insert(fingerprint(as_bytes(data)));
  for (size_t i = 0; i < data.size(); ++i) {
    std::string other = data;
    other[i] = 'b';
    prints.insert(fingerprint(as_bytes(other)));
  }
  EXPECT_EQ(prints.size(), 200u);
}

TEST(RecordIndexTest, FindsWhatWasAddedAndForgetsWhatWasRemoved) {
  RecordIndex index;
  std::vector<RecordEntry*> entries;
  for (int i = 0; i < 5000; ++i) {
    const std::string key = "key" + std::to_string(i);
    entries.push_back(&index.add(as_bytes(key), jenkins_hash(as_bytes(key))));
  }
  for (size_t i = 0; i < entries.size(); i += 2) index.remove(*entries[i]);
  EXPECT_EQ(index.size(), 2500u);
  for (int i = 0; i < 5000; ++i) {
    const std::string key = "key" + std::to_string(i);
    EXPECT_EQ(index.find(as_bytes(key), jenkins_hash(as_bytes(key))) != nullptr, i % 2 == 1);
  }
}

TEST(RecordIndexTest, HasEmptyKeys) {
  RecordIndex index;
  RecordEntry& entry = index.add({}, jenkins_hash({}));
  EXPECT_EQ(index.find({}, jenkins_hash({})), &entry);
  EXPECT_TRUE(entry.key().empty());
}

TEST(RecordIndexTest, ACursorVisitsEveryEntryThatStays) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    Random random(seed);
    RecordIndex index;
    std::set<std::string> there;
    std::set<std::string> stayed;
    const auto add = [&](int i) {
      const std::string key = "k" + std::to_string(i);
      index.add(as_bytes(key), jenkins_hash(as_bytes(key)));
      there.insert(key);
    };
    for (int i = 0; i < 100; ++i) add(i);
    stayed = there;
    std::set<std::string> seen;
    RecordIndex::Cursor cursor(index);
    int next = 100;
    while (RecordEntry* entry = cursor.at()) {
      seen.emplace(as_text(entry->key()));
      cursor.advance();
      if (random.one_in(3) && next < 150) add(next++);
      if (random.one_in(2) && !there.empty()) {
        auto victim = there.begin();
        std::advance(victim, static_cast<long>(random.below(there.size())));
        index.remove(*index.find(as_bytes(*victim), jenkins_hash(as_bytes(*victim))));
        stayed.erase(*victim);
        there.erase(victim);
      }
    }
    for (const std::string& key : stayed) EXPECT_TRUE(seen.contains(key)) << "seed " << seed << " " << key;
    add(1000);
    ASSERT_NE(cursor.at(), nullptr);  // what is added at the end is visited too
    EXPECT_EQ(as_text(cursor.at()->key()), "k1000");
  }
}

TEST(TimerHeapTest, GivesTimersOutInOrder) {
  Random random(7);
  TimerHeap heap;
  std::vector<std::unique_ptr<Timer>> timers;
  for (int i = 0; i < 300; ++i) {
    timers.push_back(std::make_unique<Timer>(Timer::Owner::kActivity, nullptr));
    heap.set(*timers.back(), static_cast<TimeNs>(random.below(1000)));
  }
  for (int i = 0; i < 100; ++i) heap.cancel(*timers[random.below(300)]);
  for (int i = 0; i < 100; ++i) heap.set(*timers[random.below(300)], static_cast<TimeNs>(random.below(1000)));
  size_t expected = 0;
  for (const auto& timer : timers) expected += timer->set() ? 1 : 0;
  TimeNs last = 0;
  size_t taken = 0;
  while (heap.next() != kNever) {
    const TimeNs at = heap.next();
    EXPECT_EQ(heap.take_due(at - 1), nullptr);
    Timer* timer = heap.take_due(at);
    ASSERT_NE(timer, nullptr);
    EXPECT_FALSE(timer->set());
    EXPECT_GE(at, last);
    last = at;
    ++taken;
  }
  EXPECT_EQ(taken, expected);
}

}  // namespace
}  // namespace ctdb::test
