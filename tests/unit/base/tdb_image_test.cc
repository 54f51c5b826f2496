// SPDX-License-Identifier: GPL-3.0-or-later
// What tdb_image.h says of a file's layout, against files that libtdb makes.
#include "libctdbipc/base/tdb_image.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <tdb.h>
#include <unistd.h>

#include <map>
#include <string>

#include "libctdbipc/base/hash.h"

namespace ctdb {
namespace {

TDB_DATA data_of(std::string& text) {
  return {reinterpret_cast<uint8_t*>(text.data()), text.size()};
}

class TdbImageTest : public testing::TestWithParam<int> {
 protected:
  TdbImageTest() {
    char name[] = "/tmp/ctdb-image-XXXXXX";
    close(mkstemp(name));
    path = name;
    tdb = tdb_open(name, 11, TDB_CLEAR_IF_FIRST | TDB_NOSYNC | GetParam(), O_RDWR | O_CREAT, 0600);
  }
  ~TdbImageTest() override {
    tdb_close(tdb);
    unlink(path.c_str());
  }
  void put(std::string key, std::string value) {
    ASSERT_EQ(tdb_store(tdb, data_of(key), data_of(value), 0), 0);
  }
  std::optional<TdbImage> image() {
    struct stat info {};
    fstat(tdb_fd(tdb), &info);
    const auto bytes = static_cast<size_t>(info.st_size);
    void* at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, tdb_fd(tdb), 0);
    return TdbImage::of({static_cast<uint8_t*>(at), bytes});  // the mapping lasts as long as the test
  }

  std::string path;
  tdb_context* tdb;
};

TEST_P(TdbImageTest, FindsEveryRecordInItsChainAndEveryBlockFromFirstToEnd) {
  std::map<std::string, std::string> records;
  for (int i = 0; i < 200; ++i) {
    const std::string key = "key " + std::to_string(i);
    put(key, records[key] = std::string(static_cast<size_t>(i * 7), 'v'));
  }
  const auto seen = image();
  ASSERT_TRUE(seen);
  ASSERT_EQ(seen->chains(), 11u);
  std::map<std::string, std::string> found;
  for (uint32_t chain = 0; chain < 11; ++chain) {
    EXPECT_TRUE(seen->walk(chain, [&](uint32_t, TdbBlock& block) {
      EXPECT_TRUE(TdbImage::has_record(block));
      EXPECT_EQ(block.hash, jenkins_hash(TdbImage::key(block)));
      EXPECT_EQ(seen->chain_of(block.hash), chain);
      EXPECT_EQ(TdbImage::size_at_end(block), TdbImage::size(block));
      found[std::string(as_text(TdbImage::key(block)))] = as_text(TdbImage::data(block));
      return true;
    }));
  }
  EXPECT_EQ(found, records);
  uint32_t place = seen->first();
  size_t free_blocks = 0;
  while (place != seen->end()) {
    TdbBlock* block = seen->block(place);
    ASSERT_NE(block, nullptr) << place;
    free_blocks += block->kind == kTdbFree ? 1u : 0u;
    place += TdbImage::size(*block);
  }
  size_t in_list = 0;
  for (uint32_t at = seen->free_head(); at != 0; at = seen->block(at)->next) ++in_list;
  EXPECT_EQ(in_list, free_blocks);
}

TEST_P(TdbImageTest, ABlockThatIsDeclaredDeadIsNoRecordForLibtdb) {
  put("one", "1");
  std::string key = "one";
  const auto seen = image();
  ASSERT_TRUE(seen);
  seen->walk(seen->chain_of(jenkins_hash(as_bytes(key))), [](uint32_t, TdbBlock& block) {
    publish_word(block.kind, kTdbDead);
    return true;
  });
  EXPECT_EQ(tdb_exists(tdb, data_of(key)), 0);
  EXPECT_EQ(tdb_check(tdb, nullptr, nullptr), 0);
}

TEST_P(TdbImageTest, AnImpossiblePlaceOrCircleEndsAWalk) {
  put("one", "1");
  const auto seen = image();
  ASSERT_TRUE(seen);
  const uint32_t chain = seen->chain_of(jenkins_hash(as_bytes("one")));
  const auto all = [](uint32_t, TdbBlock&) { return true; };
  const uint32_t place = seen->head(chain);
  seen->block(place)->next = place;
  EXPECT_FALSE(seen->walk(chain, all));
  for (const uint32_t wrong : {4u, place + 2, seen->end(), seen->end() - 4, 0xFFFFFFFCu}) {
    seen->head(chain) = wrong;
    EXPECT_FALSE(seen->walk(chain, all)) << wrong;
  }
}

INSTANTIATE_TEST_SUITE_P(WithAndWithoutMutexes, TdbImageTest,
                         testing::Values(TDB_INCOMPATIBLE_HASH, TDB_INCOMPATIBLE_HASH | TDB_MUTEX_LOCKING));

TEST(TdbImage, IsOfNoOtherFile) {
  Bytes noise(10000, 7);
  EXPECT_FALSE(TdbImage::of(noise));
  EXPECT_FALSE(TdbImage::of(MutableBytes(noise).first(0)));
}

TEST(FillerKey, HasTheHashItIsMadeFor) {
  for (const uint32_t hash : {0u, 1u, 0xFFFFFFFFu, 0x12345678u, 0xdeadbeefu}) {
    const FillerKey key = filler_key(hash);
    EXPECT_EQ(jenkins_hash(key.bytes), hash);
  }
}

}  // namespace
}  // namespace ctdb
