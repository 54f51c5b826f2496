// SPDX-License-Identifier: GPL-3.0-or-later
// The records of a restore: read, found and given back in slices.
#include "ctdb-store/core/staged_records.h"

#include <gtest/gtest.h>

#include <string>

namespace ctdb::test {
namespace {

class StagedRecordsTest : public ::testing::Test {
 protected:
  using Pairs = std::vector<std::pair<std::string, std::string>>;
  void take(const Pairs& records) {
    Bytes buffer = begin_rec_buffer(1);
    for (const auto& [key, data] : records) {
      Bytes value(CTDB_RECORD_HEADER_SIZE);
      value.insert(value.end(), data.begin(), data.end());
      add_to_rec_buffer(buffer, as_bytes(key), value);
    }
    staged.take(buffer, records.size());
  }
  std::string found(std::string_view key) {
    const size_t at = staged.find(as_bytes(key));
    if (at == staged.size()) return "none";
    EXPECT_EQ(as_text(staged.key(at)), key);
    return std::string(as_text(staged.value(at).subspan(CTDB_RECORD_HEADER_SIZE)));
  }
  StagedRecords staged;
};

TEST_F(StagedRecordsTest, TheLastValueOfAKeyCounts) {
  take({{"a", "1"}, {"b", "2"}});
  take({{"b", "3"}, {"", "4"}, {"a", ""}});
  EXPECT_EQ(staged.records(), 5u);
  EXPECT_TRUE(staged.read(100));
  EXPECT_EQ(staged.size(), 3u);
  EXPECT_EQ(found("a"), "");
  EXPECT_EQ(found("b"), "3");
  EXPECT_EQ(found(""), "4");
  EXPECT_EQ(found("c"), "none");
  EXPECT_EQ(staged.largest(), 1 + CTDB_RECORD_HEADER_SIZE + 1);
}

TEST_F(StagedRecordsTest, ReadsAndGivesBackInSlices) {
  constexpr size_t kRecords = 1000, kSlice = 64;
  for (size_t part = 0; part < 10; ++part) {
    Pairs records;
    for (size_t i = 0; i < kRecords / 10; ++i) records.push_back({std::to_string(part * 100 + i), "x"});
    take(records);
  }
  size_t slices = 1;
  for (size_t before = 0; !staged.read(kSlice); ++slices, before = staged.size())
    EXPECT_LE(staged.size(), before + kSlice);
  EXPECT_GE(slices, kRecords / kSlice);
  for (size_t i = 0; i < kRecords; ++i) ASSERT_EQ(found(std::to_string(i)), "x");
  size_t pieces = 1;
  while (!staged.give_back()) ++pieces;
  EXPECT_GE(pieces, 10u);
  EXPECT_EQ(staged.size(), 0u);
}

TEST_F(StagedRecordsTest, NothingIsReadAtOnce) {
  EXPECT_TRUE(staged.empty());
  EXPECT_TRUE(staged.read(1));
  EXPECT_EQ(found("a"), "none");
  EXPECT_TRUE(staged.give_back());
}

}  // namespace
}  // namespace ctdb::test
