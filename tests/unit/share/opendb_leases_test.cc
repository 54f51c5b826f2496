// SPDX-License-Identifier: GPL-3.0-or-later
// What leases are given, how they are broken, and what must hold whatever happens to them.
#include "libctdbshare/opendb/leases.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "libctdbipc/base/random.h"
#include "libctdbshare/opendb/messages.h"
#include "libctdbshare/opendb/rules.h"
#include "libctdbshare/opendb/seen_breaks.h"

namespace ctdb_share::open_files {
namespace {

constexpr uint8_t kR = kCacheRead, kRH = kR | kCacheHandle, kRW = kR | kCacheWrite, kRWH = kRW | kCacheHandle;
constexpr LeaseKey kMine = {1}, kYours = {2};
constexpr uint32_t kData = 0x1, kAttributes = 0x80;

LeaseRequest asks(LeaseKey key, uint8_t level) {
  LeaseRequest request;
  request.key = key;
  request.level = level;
  return request;
}

// With the handle as the server's unique id, so that each is another one.
Entry open(Record& record, uint64_t handle, const LeaseRequest& request, uint32_t access = kData,
           uint32_t share = kShareAll) {
  LeaseRequest asked = request;
  asked.stat = is_stat(access);
  return add(record, {{1, 2, handle}, handle, access, share, 0, grant(record, asked)}, "n");
}

uint8_t granted(Record& record, const LeaseRequest& request, uint32_t access = kData) {
  return lease_of(record, open(record, 99, request, access)).level;
}

uint8_t granted_alone(LeaseRequest request) {
  Record record;
  return granted(record, request);
}

TEST(Leases, AnOpenAloneGetsWhatItAsksFor) {
  for (const uint8_t level : {uint8_t{0}, kR, kRH, kRW, kRWH})
    EXPECT_EQ(granted_alone(asks(kMine, level)), level);
  LeaseRequest directory = asks(kMine, kRWH);
  directory.directory = true;
  EXPECT_EQ(granted_alone(directory), kRH);
  LeaseRequest locked = asks(kMine, kRWH);
  locked.has_locks = true;
  EXPECT_EQ(granted_alone(locked), 0);
  locked.overwrite = true;
  EXPECT_EQ(granted_alone(locked), kRWH) << "the locks are of what is no more";
  Record record;
  EXPECT_EQ(granted(record, asks(kMine, kRWH), kAttributes), 0);
}

TEST(Leases, WritingIsCachedByOneAlone) {
  Record record;
  open(record, 1, {}, kAttributes);
  open(record, 2, asks(kMine, kRWH));
  EXPECT_EQ(record.leases[0].level, kRWH) << "attributes are not the file";
  EXPECT_EQ(granted(record, asks(kMine, kRWH)), kRWH) << "its own handle is not another one's";
  Record other;
  open(other, 1, {});
  EXPECT_EQ(granted(other, asks(kMine, kRWH)), kRH);
}

TEST(Leases, OneKeyHasOneLeaseAndOnlyRaisesIt) {
  Record record;
  open(record, 1, asks(kMine, kR));
  open(record, 2, asks(kMine, kRWH));
  EXPECT_EQ(record.leases.size(), 1u);
  EXPECT_EQ(record.leases[0].level, kRWH);
  EXPECT_EQ(granted(record, asks(kMine, kR)), kRWH);
  EXPECT_EQ(granted(record, asks(kMine, kR), kAttributes), kRWH) << "is told what there is";
  ASSERT_TRUE(require(record, 0, kRH));
  EXPECT_EQ(granted(record, asks(kMine, kRWH)), kRWH);
  EXPECT_TRUE(record.leases[0].breaking);
  ASSERT_TRUE(give_back(record, 0, kR));
  EXPECT_EQ(granted(record, asks(kMine, kRH)), kRH) << "not breaking any more";
  EXPECT_EQ(granted(record, asks(kMine, kRW)), kRH) << "what it has is not asked for again";
}

TEST(Leases, AreBrokenForOtherKeysOnly) {
  Record record;
  open(record, 1, asks(kMine, kRWH));
  EXPECT_EQ(leases_beyond(record, kMine, 0).size(), 0u);
  EXPECT_EQ(leases_beyond(record, kYours, kRWH).size(), 0u);
  EXPECT_EQ(leases_beyond(record, kYours, kRH), std::vector<size_t>{0});
  EXPECT_EQ(leases_beyond(record, std::nullopt, kR), std::vector<size_t>{0})
      << "who has no key is another one";
}

TEST(Leases, ABreakGoesOnUntilItIsEnough) {
  Record record;
  open(record, 1, asks(kMine, kRWH));
  EXPECT_TRUE(require(record, 0, kRH));
  EXPECT_FALSE(require(record, 0, 0)) << "one break at a time";
  Lease lease = record.leases[0];
  EXPECT_EQ(lease.requested, kRH);
  EXPECT_EQ(lease.required, 0);
  const uint32_t first = lease.number;
  EXPECT_FALSE(give_back(record, 0, kRWH)) << "more than it was told";
  EXPECT_FALSE(give_back(record, 0, kCacheHandle)) << "no such level";
  EXPECT_TRUE(give_back(record, 0, kR));
  lease = record.leases[0];
  EXPECT_TRUE(lease.breaking);
  EXPECT_EQ(lease.requested, 0);
  EXPECT_EQ(lease.number, first + 1);
  EXPECT_TRUE(give_back(record, 0, 0));
  EXPECT_FALSE(record.leases[0].breaking);
  EXPECT_TRUE(leases_beyond(record, kYours, 0).empty());
}

TEST(Leases, OfItsOwnAccordAndByForce) {
  Record record;
  open(record, 1, asks(kMine, kRWH));
  EXPECT_TRUE(give_back(record, 0, kRH));
  EXPECT_FALSE(give_back(record, 0, kRWH));
  EXPECT_TRUE(require(record, 0, kR));
  force(record, 0);
  EXPECT_EQ(record.leases[0].level, kR);
  EXPECT_FALSE(record.leases[0].breaking);
}

TEST(Leases, WhoCachesHandlesIsInTheWayForAWhile) {
  Record record;
  open(record, 1, asks(kMine, kRH), kData, 0);
  open(record, 2, asks(kMine, kRH), kData, 0);
  const Exclusion excluded = excluded_by(record, kData, kShareAll, kYours);
  EXPECT_FALSE(excluded.for_good);
  EXPECT_EQ(excluded.leases, std::vector<size_t>{0}) << "each once";
  EXPECT_TRUE(excluded_by(record, kData, kShareAll, kMine).for_good) << "nobody breaks his own";
  open(record, 3, asks({3}, kR), kData, 0);
  ASSERT_TRUE(excluded_by(record, kData, kShareAll, kYours).for_good);
  EXPECT_EQ(excluded_by(record, kData, kShareAll, kYours).for_good->handle, 3u);
  EXPECT_TRUE(excluded_by(record, kAttributes, kShareAll, kYours).leases.empty());
}

TEST(Leases, GoWithTheirLastHandle) {
  Record record;
  const Entry first = open(record, 1, asks(kMine, kR)), second = open(record, 2, asks(kMine, kR));
  open(record, 3, asks(kYours, kRH));
  EXPECT_EQ(holders_of(record, 0).size(), 2u);
  remove(record, first);
  EXPECT_EQ(record.leases.size(), 2u);
  remove(record, second);
  ASSERT_EQ(record.leases.size(), 1u);
  EXPECT_EQ(record.leases[0].key, kYours);
  EXPECT_EQ(first_holder_of(record, 0).handle, 3u) << "it has moved up";
  EXPECT_EQ(cached(record.summary), kRH);
}

// What must hold of a record, whatever happens.
void expect_sound(const Record& record, uint64_t step) {
  Record again;
  std::string why;
  ASSERT_TRUE(decode(encode(record), &again, &why)) << why << ", step " << step;
  ASSERT_EQ(again, record);
  uint8_t all = 0;
  for (size_t at = 0; at < record.leases.size(); ++at) {
    const Lease lease = record.leases[at];
    all |= lease.level;
    if ((lease.level & kCacheWrite) == 0) continue;
    for (size_t other = 0; other < record.entries.size(); ++other) {
      const Entry entry = record.entries[other];
      ASSERT_TRUE(is_stat(entry.access) || entry.lease == at + 1) << "beside a writer's cache, step " << step;
    }
  }
  ASSERT_EQ(cached(record.summary), all);
}

class Steps {
 public:
  // An open as ctdb_opendb_open_file() does it, or the first break it needs.
  void open_at_random(uint64_t handle) {
    LeaseRequest request;
    if (!random_.one_in(4)) request.key = LeaseKey{static_cast<uint8_t>(random_.below(4))};
    request.level = random_.one_in(2) ? kRWH : static_cast<uint8_t>(random_.below(8));
    request.overwrite = random_.one_in(5);
    request.has_locks = random_.one_in(5);
    const uint32_t access = random_.one_in(5) ? kAttributes : kData;
    if (access == kData) {
      const auto found = leases_beyond(record, request.key, request.overwrite ? 0 : kRH);
      for (const size_t lease : found) require(record, lease, request.overwrite ? 0 : kRH);
      broken += found.empty() ? 0 : 1;
      if (!found.empty()) return;
    }
    const auto before = request.key ? find_lease(record, *request.key) : std::nullopt;
    const uint8_t had = before ? record.leases[*before].level : 0;
    const Entry made = open(record, handle, request, access);
    ASSERT_EQ(had & ~lease_of(record, made).level, 0) << "lowered by an open";
  }
  void give_back_at_random() {
    if (record.leases.empty()) return;
    const size_t at = random_.below(record.leases.size());
    const Lease before = record.leases[at];
    if (random_.one_in(4) && before.breaking) return force(record, at);
    const auto level = static_cast<uint8_t>(random_.below(8));
    if (give_back(record, at, level)) {
      ASSERT_EQ(record.leases[at].level, level);
    } else {
      ASSERT_EQ(record.leases[at], before);
    }
  }
  void close_at_random() {
    if (!record.entries.empty()) remove(record, record.entries[random_.below(record.entries.size())]);
  }
  bool one_in(uint32_t n) { return random_.one_in(n); }

  Record record;
  int broken = 0;

 private:
  ctdb::Random random_{20260503};
};

TEST(Leases, WhateverHappensAWriterIsAlone) {
  Steps steps;
  int writers = 0;
  for (uint64_t step = 1; step <= 20000; ++step) {
    if (steps.record.entries.size() < 4 && steps.one_in(2)) {
      steps.open_at_random(step);
    } else if (steps.one_in(3)) {
      steps.give_back_at_random();
    } else {
      steps.close_at_random();
    }
    expect_sound(steps.record, step);
    writers += (cached(steps.record.summary) & kCacheWrite) != 0 ? 1 : 0;
    if (HasFatalFailure()) return;
  }
  EXPECT_GT(writers, 500);
  EXPECT_GT(steps.broken, 500);
}

TEST(SeenBreaks, OneIsTooLongAfterItsTime) {
  SeenBreaks seen;
  seen.set_timeout(std::chrono::milliseconds(1000));
  const SeenBreaks::Time start{};
  const auto at = [&](int ms) { return start + std::chrono::milliseconds(ms); };
  Lease lease;
  lease.number = 5;
  EXPECT_FALSE(seen.too_long("f", lease, at(5000))) << "not seen before";
  seen.saw("f", lease, at(0));
  seen.saw("f", lease, at(900));
  EXPECT_FALSE(seen.too_long("f", lease, at(999)));
  EXPECT_TRUE(seen.too_long("f", lease, at(1000)));
  EXPECT_FALSE(seen.too_long("g", lease, at(1000)));
  lease.number = 6;
  EXPECT_FALSE(seen.too_long("f", lease, at(1000))) << "another break";
  seen.saw("f", lease, at(1000));
  EXPECT_FALSE(seen.too_long("f", lease, at(1999)));
  EXPECT_TRUE(seen.too_long("f", lease, at(2000)));
}

TEST(SeenBreaks, WhatNobodyLooksForIsForgotten) {
  SeenBreaks seen;
  seen.set_timeout(std::chrono::milliseconds(1000));
  const SeenBreaks::Time start{};
  for (int i = 0; i < 100; ++i)
    seen.saw("f" + std::to_string(i), {}, start + std::chrono::milliseconds(100 * i));
  EXPECT_LE(seen.files(), 12u);
}

TEST(OpendbMessages, AreReadAsTheyWereWritten) {
  const uint8_t file[] = {'f', 'i', 'l', 'e'};
  const std::vector<uint8_t> bytes = encode(BreakMessage{kMine, kRH, true, 77, file});
  const auto message = decode_break(bytes);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->key, kMine);
  EXPECT_EQ(message->level, kRH);
  EXPECT_TRUE(message->forced);
  EXPECT_EQ(message->number, 77u);
  EXPECT_TRUE(std::ranges::equal(message->file, file));
  for (size_t size = 0; size <= 48; ++size) EXPECT_FALSE(decode_break(std::span(bytes).first(size))) << size;
  for (const size_t at : std::initializer_list<size_t>{0, 4, 5, 8, 9}) {
    std::vector<uint8_t> other = bytes;
    other[at] ^= 0xA0;
    EXPECT_FALSE(decode_break(other)) << at;
  }
}

TEST(OpendbMessages, OfARenameToo) {
  const uint8_t file[] = {'f'}, name[] = {'o', 'n', 'e'}, new_name[] = {'t', 'w', 'o', '!'};
  const std::vector<uint8_t> bytes = encode(RenameMessage{file, name, new_name});
  const auto message = decode_rename(bytes);
  ASSERT_TRUE(message);
  EXPECT_TRUE(std::ranges::equal(message->file, file));
  EXPECT_TRUE(std::ranges::equal(message->name, name));
  EXPECT_TRUE(std::ranges::equal(message->new_name, new_name));
  EXPECT_FALSE(decode_break(bytes));
  for (size_t size = 0; size < bytes.size() - sizeof new_name; ++size)
    EXPECT_FALSE(decode_rename(std::span(bytes).first(size))) << size;
  for (const size_t at : std::initializer_list<size_t>{0, 4, 7, 9, 12}) {
    std::vector<uint8_t> other = bytes;
    other[at] ^= 0xFF;
    EXPECT_FALSE(decode_rename(other)) << at;
  }
}

}  // namespace
}  // namespace ctdb_share::open_files
