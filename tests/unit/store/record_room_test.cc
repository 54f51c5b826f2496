// SPDX-License-Identifier: GPL-3.0-or-later
// Room for data that a new record does not have yet, as a client of the file sees it.
#include "ctdb-store/backend/record_room.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <optional>

#include "ctdb-store/backend/tdb_file.h"
#include "libctdbipc/base/hash.h"
#include "tests/unit/store/tdb_client.h"
#include "tests/unit/store/temporary_directory.h"

namespace ctdb {
namespace {

constexpr int kRecords = 60, kLearning = 20;

uint32_t place_of(const std::string& path, const std::string& key) {
  std::ifstream in(path, std::ios::binary);
  Bytes file(std::istreambuf_iterator<char>(in), {});
  const std::optional<TdbImage> image = TdbImage::of(file);
  uint32_t found = 0;
  image->walk(image->chain_of(jenkins_hash(as_bytes(key))), [&](uint32_t place, TdbBlock& block) {
    if (block.kind == kTdbLive && std::ranges::equal(TdbImage::key(block), as_bytes(key))) found = place;
    return found == 0;
  });
  return found;
}

class RecordRoomTest : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    auto opened = files_->open("test.tdb", 0, false);
    ASSERT_TRUE(opened.has_value());
    file_ = std::move(*opened);
  }
  void make(const std::string& key) {
    ASSERT_EQ(file_->try_lock(as_bytes(key)), RecordFile::Lock::kHeld);
    ASSERT_TRUE(file_->store(as_bytes(key), as_bytes("head"), {}).has_value());
    file_->unlock(as_bytes(key));
    EXPECT_EQ(get(key), "head");
  }
  std::string get(const std::string& key) {
    Bytes value;
    return file_->fetch(as_bytes(key), value) ? std::string(as_text(value)) : "(none)";
  }
  // Whether the client's first value stays where the store has made the record.
  bool stays(TdbClient& client, const std::string& key, size_t bytes) {
    make(key);
    const uint32_t place = place_of(path(), key);
    const std::string value = "head" + std::string(bytes, 'd');
    EXPECT_EQ(client.ask("store " + key + " " + value), "ok");
    EXPECT_EQ(get(key), value);
    return place_of(path(), key) == place;
  }
  std::string path() const { return directory_.path() + "/test.tdb.0"; }

  TemporaryDirectory directory_;
  std::unique_ptr<RecordFiles> files_ = make_tdb_files(
      {.volatile_directory = directory_.path(), .pnn = 0, .mutexes = GetParam(), .hash_size = 7});
  std::unique_ptr<RecordFile> file_;
};
INSTANTIATE_TEST_SUITE_P(Mutexes, RecordRoomTest, testing::Bool(),
                         [](const auto& info) { return info.param ? "On" : "Off"; });

// Else whoever writes its first data needs another block, and the free list that all share.
TEST_P(RecordRoomTest, IsAsMuchAsOthersHaveComeToNeed) {
  TdbClient client(path(), file_->open_flags());
  for (int i = 0; i < kRecords; ++i) {
    const bool stayed = stays(client, "key" + std::to_string(i), static_cast<size_t>(100 - i % 3));
    EXPECT_TRUE(i < kLearning || stayed) << i;
  }
  int records = 0;
  ASSERT_TRUE(file_->for_each([&](ByteView, ByteView) { return ++records, true; }));
  EXPECT_EQ(records, kRecords);
}

TEST_P(RecordRoomTest, MuchIsNotGivenOnAGuess) {
  TdbClient client(path(), file_->open_flags());
  for (int i = 0; i < kRecords; ++i) EXPECT_FALSE(stays(client, "large" + std::to_string(i), 600));
  const uint64_t bytes = file_->file_bytes();
  for (int i = 0; i < kRecords; ++i) make("empty" + std::to_string(i));
  EXPECT_EQ(file_->file_bytes(), bytes) << "what is left at the end of the file is enough for empty records";
}

}  // namespace
}  // namespace ctdb
