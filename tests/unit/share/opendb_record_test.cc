// SPDX-License-Identifier: GPL-3.0-or-later
// The record of an open file as bytes.
#include "libctdbshare/opendb/record.h"

#include <gtest/gtest.h>

#include "libctdbshare/opendb/leases.h"
#include "libctdbshare/opendb/rules.h"

namespace ctdb_share::open_files {
namespace {

Record example() {
  Record record;
  LeaseRequest lease;
  lease.key = LeaseKey{7, 8, 9};
  lease.level = kCacheRead | kCacheHandle;
  const Entry first = add(record, {{2, 4711, 9}, 1, 0x1, kShareAll, 0, grant(record, lease)}, "one");
  add(record, {{3, 4712, 10}, 5, 0x10002, kShareRead, 0, 0}, "two");
  add_token(record, first, true, "who");
  (void)require(record, 0, kCacheRead);
  record.waiters.push_back({4, 4713, 11});
  return record;
}

std::string why_not(std::span<const uint8_t> bytes) {
  Record record;
  std::string why;
  return decode(bytes, &record, &why) ? "" : why;
}

TEST(OpendbRecord, IsReadAsItWasWritten) {
  const std::vector<uint8_t> bytes = encode(example());
  EXPECT_EQ(bytes.size(), 32u + 2 * 7 + 39 + 40 + 16 + 2 * 40);
  Record record;
  std::string why;
  ASSERT_TRUE(decode(bytes, &record, &why)) << why;
  EXPECT_EQ(record, example());
  EXPECT_EQ(bytes[bytes.size() - 80], 2) << "little endian";
}

TEST(OpendbRecord, NothingIsAnEmptyRecord) {
  Record record = example();
  std::string why;
  ASSERT_TRUE(decode({}, &record, &why));
  EXPECT_EQ(record, Record{});
  EXPECT_TRUE(encode(record).empty());
}

TEST(OpendbRecord, BadBytesAreNamed) {
  const std::vector<uint8_t> good = encode(example());
  for (size_t size = 1; size < good.size(); ++size)
    EXPECT_NE(why_not(std::span(good).first(size)), "") << size;
  const auto changed = [&](size_t at, uint8_t value) {
    std::vector<uint8_t> bytes = good;
    bytes[at] = value;
    return why_not(bytes);
  };
  EXPECT_EQ(changed(0, 'X'), "no record of open files: it begins otherwise");
  EXPECT_EQ(changed(4, 9), "no record of open files: version 9 is not known here");
  EXPECT_EQ(changed(9, 2), "no record of open files: a summary that cannot be");
  EXPECT_EQ(changed(15, 0xFF), "no record of open files: a name that cannot be");
  EXPECT_EQ(changed(19, 0xFF), "no record of open files: a token that cannot be");
  EXPECT_EQ(changed(23, 0xFF),
            "no record of open files: 4278190081 leases, 1 waiters and 2 entries in 136 bytes");
  EXPECT_EQ(changed(28, 3), "no record of open files: 1 leases, 1 waiters and 3 entries in 136 bytes");
  EXPECT_EQ(changed(28, 0), "no record of open files: nobody has it open");
  EXPECT_EQ(changed(35, 1), "no record of open files: a name that cannot be");
  EXPECT_EQ(changed(46, 2), "no record of open files: a token that cannot be") << "of a third name";
  EXPECT_EQ(changed(50, 2), "no record of open files: a token that cannot be") << "neither pending nor not";
  const size_t level = 32 + 14 + 39 + 32;
  EXPECT_EQ(changed(level, kCacheHandle), "no record of open files: a lease that cannot be");
  EXPECT_EQ(changed(level, 8), "no record of open files: a lease that cannot be");
  EXPECT_EQ(changed(level + 1, 0), "no record of open files: a lease that cannot be") << "it is not breaking";
  EXPECT_EQ(changed(level + 2, kCacheRead | kCacheHandle), "no record of open files: a lease that cannot be");
  EXPECT_EQ(changed(good.size() - 4, 2), "no record of open files: an entry that cannot be") << "its lease";
  EXPECT_EQ(changed(good.size() - 8, 2), "no record of open files: an entry that cannot be") << "its name";
  EXPECT_EQ(changed(good.size() - 12, 8), "no record of open files: an entry that cannot be") << "its masks";
  EXPECT_EQ(changed(good.size() - 8, 0), "no record of open files: a name that nobody has open");
  EXPECT_EQ(changed(good.size() - 44, 0), "no record of open files: a lease that nobody has");
}

}  // namespace
}  // namespace ctdb_share::open_files
