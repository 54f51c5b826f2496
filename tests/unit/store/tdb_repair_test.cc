// SPDX-License-Identifier: GPL-3.0-or-later
// Files of libtdb, damaged in the ways a killed writer damages them, then examined and repaired; libtdb says whether they are sound.
#include "ctdb-store/backend/tdb_repair.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <set>

#include "ctdb-store/backend/tdb_api.h"
#include "libctdbipc/base/hash.h"

namespace ctdb {
namespace {

class TdbRepairTest : public testing::Test {
 protected:
  TdbRepairTest() {
    char name[] = "/tmp/ctdb-repair-XXXXXX";
    close(mkstemp(name));
    path_ = name;
    tdb_ = tdb_open(name, 7, TDB_CLEAR_IF_FIRST | TDB_NOSYNC | TDB_INCOMPATIBLE_HASH | TDB_MUTEX_LOCKING,
                    O_RDWR | O_CREAT, 0600);
    for (int i = 0; i < 50; ++i)
      put("key " + std::to_string(i), std::string(static_cast<size_t>(20 + i), 'v'));
    for (int i = 0; i < 50; i += 5) EXPECT_EQ(tdb_delete(tdb_, data("key " + std::to_string(i))), 0);
    struct stat info {};
    fstat(tdb_fd(tdb_), &info);
    const auto bytes = static_cast<size_t>(info.st_size);
    void* at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, tdb_fd(tdb_), 0);
    image = TdbImage::of({static_cast<uint8_t*>(at), bytes});  // the mapping lasts as long as the test
  }
  ~TdbRepairTest() override {
    tdb_close(tdb_);
    unlink(path_.c_str());
  }

  static TDB_DATA data(std::string_view text) { return tdb_data(as_bytes(text)); }
  void put(std::string_view key, std::string_view value) {
    ASSERT_EQ(tdb_store(tdb_, data(key), data(value), 0), 0);
  }
  bool is_sound() { return tdb_check(tdb_, nullptr, nullptr) == 0; }
  std::set<std::string> keys() {
    std::set<std::string> found;
    const auto add = [](tdb_context*, TDB_DATA key, TDB_DATA, void* into) {
      static_cast<std::set<std::string>*>(into)->insert(std::string(as_text(tdb_view(key))));
      return 0;
    };
    tdb_traverse_read(tdb_, add, &found);
    return found;
  }
  // Room is found and given back.
  void expect_usable() {
    for (int i = 100; i < 200; ++i) put("new " + std::to_string(i), std::string(static_cast<size_t>(i), 'n'));
    for (int i = 100; i < 200; ++i) EXPECT_EQ(tdb_delete(tdb_, data("new " + std::to_string(i))), 0);
    EXPECT_TRUE(is_sound());
  }
  TdbBlock& block_of(std::string_view key, uint32_t* place = nullptr) {
    TdbBlock* found = nullptr;
    image->walk(image->chain_of(jenkins_hash(as_bytes(key))), [&](uint32_t at, TdbBlock& block) {
      if (as_text(TdbImage::key(block)) != key) return true;
      found = &block;
      if (place != nullptr) *place = at;
      return false;
    });
    return *found;
  }

  std::optional<TdbImage> image;

 private:
  std::string path_;
  tdb_context* tdb_;
};

TEST_F(TdbRepairTest, LeavesASoundFileAlone) {
  ASSERT_TRUE(image);
  const auto before = keys();
  EXPECT_TRUE(examine_and_repair(*image).sound());
  EXPECT_TRUE(is_sound());
  EXPECT_EQ(keys(), before);
  expect_usable();
}

TEST_F(TdbRepairTest, ABrokenFreeListIsMadeAnewAndCostsNoRecord) {
  const auto before = keys();
  for (const uint32_t wrong : {0u, 12u, image->end() - 8}) {
    image->free_head() = wrong;
    ASSERT_FALSE(is_sound());
    const TdbFindings found = examine_and_repair(*image, true);
    EXPECT_TRUE(found.free_list_wrong && found.repaired && !found.lost_records());
    EXPECT_TRUE(is_sound());
    EXPECT_EQ(keys(), before);
  }
  expect_usable();
}

TEST_F(TdbRepairTest, ABlockThatIsInNoListIsFreeAgain) {
  const TdbBlock& free = *image->block(image->free_head());
  image->free_head() = free.next;
  ASSERT_FALSE(is_sound());
  EXPECT_TRUE(examine_and_repair(*image).free_list_wrong);
  EXPECT_TRUE(is_sound());
  expect_usable();
}

TEST_F(TdbRepairTest, AChainThatLeadsNowhereIsCutThere) {
  auto left = keys();
  TdbBlock& block = block_of("key 11");
  for (uint32_t at = block.next; at != 0; at = image->block(at)->next)
    left.erase(std::string(as_text(TdbImage::key(*image->block(at)))));
  block.next = 16;
  EXPECT_FALSE(examine_and_repair(*image, true).repaired);
  ASSERT_FALSE(is_sound());
  const TdbFindings found = examine_and_repair(*image);
  EXPECT_EQ(found.chains_cut, 1u);
  EXPECT_TRUE(found.lost_records());
  EXPECT_TRUE(is_sound());
  EXPECT_EQ(keys(), left);
  expect_usable();
}

TEST_F(TdbRepairTest, ACircleIsCut) {
  uint32_t place = 0;
  TdbBlock& block = block_of("key 11", &place);
  block.next = place;
  EXPECT_EQ(examine_and_repair(*image).chains_cut, 1u);
  EXPECT_TRUE(is_sound());
  expect_usable();
}

TEST_F(TdbRepairTest, ARecordWithWrongLengthsOrHashIsTakenOut) {
  auto left = keys();
  block_of("key 11").data_size = 100000;
  block_of("key 12").hash ^= 7;
  left.erase("key 11");
  left.erase("key 12");
  EXPECT_EQ(examine_and_repair(*image).records_wrong, 2u);
  EXPECT_TRUE(is_sound());
  EXPECT_EQ(keys(), left);
  expect_usable();
}

TEST_F(TdbRepairTest, OfTwoRecordsOfAKeyTheFirstStays) {
  const std::string key = "key 11";
  const uint32_t hash = jenkins_hash(as_bytes(key));
  // Another record of the chain becomes one of the same key, and is then behind a new one.
  image->walk(image->chain_of(hash), [&](uint32_t, TdbBlock& block) {
    if (block.hash == hash || block.key_size != key.size()) return true;
    std::ranges::copy(as_bytes(key), TdbImage::bytes(block));
    block.hash = hash;
    return false;
  });
  put(key, std::string(1000, 'x'));
  EXPECT_EQ(examine_and_repair(*image).left_over, 1u);
  EXPECT_TRUE(is_sound());
  EXPECT_EQ(block_of(key).data_size, 1000u);
}

TEST_F(TdbRepairTest, AFillerThatWasLeftIsNoRecord) {
  const FillerKey key = filler_key(jenkins_hash(as_bytes("key 11")));
  uint8_t mark[64] = {};
  store(mark, kFillerMark);
  put(as_text(key.bytes), as_text(mark));
  EXPECT_EQ(examine_and_repair(*image).left_over, 1u);
  EXPECT_FALSE(keys().contains(std::string(as_text(key.bytes))));
  EXPECT_TRUE(is_sound());
}

}  // namespace
}  // namespace ctdb
