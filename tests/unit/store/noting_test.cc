// SPDX-License-Identifier: GPL-3.0-or-later
// What a full copy's file has is noted in its index, in slices, while others walk through it.
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "ctdb-store/backend/memory_file.h"
#include "ctdb-store/core/commits/full_copy.h"
#include "ctdb-store/core/commits/noting.h"

namespace ctdb {
namespace {

constexpr size_t kSlice = 64;

class NotingTest : public ::testing::Test {
 protected:
  NotingTest() : databases(files) {
    bool is_new = false;
    db = *databases.attach("pers.tdb", CTDB_DB_PERSISTENT, false, is_new);
  }
  static Bytes records(const std::string& prefix, size_t count, const std::string& data) {
    Bytes buffer = begin_rec_buffer(1);
    for (size_t i = 0; i < count; ++i) {
      Bytes value;
      append_record_header(value, {1, 0, 0});
      value.insert(value.end(), data.begin(), data.end());
      add_to_rec_buffer(buffer, as_bytes(prefix + std::to_string(i)), value);
    }
    return buffer;
  }
  // How many slices that were.
  size_t note(
      bool replaces, std::vector<Bytes> parts, const std::function<void()>& between = [] {}) {
    Noting noting(*db, replaces);
    for (Bytes& part : parts) noting.add_own(std::move(part));
    size_t slices = 1;
    for (; !noting.go_on(databases, kSlice); ++slices) between();
    return slices;
  }

  MemoryFiles files{64};
  Databases databases;
  Database* db = nullptr;
};

TEST_F(NotingTest, AReplacementLeavesWhatItBringsAndNothingElse) {
  note(false, {records("a", 1000, "x")});
  EXPECT_EQ(db->contents.records, 1000u);
  const size_t slices = note(true, {records("a", 10, "y"), records("b", 500, "y"), records("b", 100, "")});
  EXPECT_GE(slices, 1500 / kSlice);
  EXPECT_EQ(db->contents.records, 410u);
  EXPECT_EQ(db->index.size(), 410u);
  const uint64_t digest = db->contents.digest;
  note(true, {});
  EXPECT_EQ(db->contents.records, 0u);
  EXPECT_EQ(db->contents.digest, 0u);
  note(false, {records("b", 500, "y"), records("a", 10, "y"), records("b", 100, "")});
  EXPECT_EQ(db->contents.digest, digest) << "it depends on what is there alone";
}

TEST_F(NotingTest, TheSequenceNumberGoesWithItsRecord) {
  const std::string key("__db_sequence_number__", 23);
  Bytes with_number = begin_rec_buffer(1), value;
  append_record_header(value, {1, 0, 0});
  value.insert(value.end(), {7, 0, 0, 0, 0, 0, 0, 0});
  add_to_rec_buffer(with_number, as_bytes(key), value);
  note(false, {with_number});
  EXPECT_EQ(db->contents.sequence, 7u);
  note(true, {records("a", 3, "x")});
  EXPECT_EQ(db->contents.sequence, 0u);
}

TEST_F(NotingTest, WhoWalksMeanwhileMissesNothingOfWhatThereIsThen) {
  note(false, {records("a", 1000, "x")});
  RecordIndex::Cursor walk(db->index);
  std::set<std::string> seen;
  const auto go_on = [&](size_t count) {
    for (size_t i = 0; i < count && walk.at() != nullptr; ++i) {
      seen.insert(std::string(as_text(walk.at()->key())));
      walk.advance();
    }
  };
  go_on(300);
  note(true, {records("b", 700, "y"), records("a", 600, "y")}, [&] { go_on(kSlice / 2); });
  go_on(10'000);
  for (size_t i = 0; i < 700; ++i) EXPECT_TRUE(seen.contains("b" + std::to_string(i)));
  for (size_t i = 0; i < 600; ++i) EXPECT_TRUE(seen.contains("a" + std::to_string(i)));
}

TEST_F(NotingTest, MalformedPartsAndADatabaseThatGoesChangeNothing) {
  note(false, {Bytes{1, 2, 3}, records("a", 5, "x")});
  EXPECT_EQ(db->contents.records, 5u);
  Noting noting(*db, true);
  noting.add_own(records("b", 1000, "x"));
  EXPECT_FALSE(noting.go_on(databases, kSlice));
  ASSERT_TRUE(databases.detach(*db).has_value());
  EXPECT_TRUE(noting.go_on(databases, kSlice));
}

}  // namespace
}  // namespace ctdb
