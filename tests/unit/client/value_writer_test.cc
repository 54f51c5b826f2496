// SPDX-License-Identifier: GPL-3.0-or-later
// Which values need another block, on a file of libtdb's.
#include "libctdbipc/tdb/value_writer.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <tdb.h>
#include <unistd.h>

#include <string>

#include "libctdbipc/base/hash.h"

namespace ctdb {
namespace {

using Outcome = ValueWriter::Outcome;

constexpr size_t kRoom = 100;
const std::string kHeader(24, 'h');

class ValueWriterTest : public ::testing::Test {
 protected:
  // The record's block has room for kRoom bytes behind its header.
  void SetUp() override {
    const std::string path = "/proc/self/fd/" + std::to_string(memory_);
    tdb_ = tdb_open(path.c_str(), 7, TDB_INCOMPATIBLE_HASH | TDB_NOLOCK, O_RDWR | O_CREAT, 0600);
    ASSERT_NE(tdb_, nullptr);
    const std::string value = kHeader + std::string(kRoom, 'x');
    ASSERT_EQ(tdb_store(tdb_, data(kKey), data(value), TDB_INSERT), 0);
    writer_ = ValueWriter::make(tdb_);
    ASSERT_NE(writer_, nullptr);
    ASSERT_EQ(write(""), Outcome::kDone);
  }
  void TearDown() override {
    writer_.reset();
    if (tdb_ != nullptr) tdb_close(tdb_);
    close(memory_);
  }
  static TDB_DATA data(const std::string& text) {
    return {reinterpret_cast<uint8_t*>(const_cast<char*>(text.data())), text.size()};
  }
  Outcome write(const std::string& value, const std::string& header = kHeader) {
    return writer_->write(as_bytes(kKey), jenkins_hash(as_bytes(kKey)), as_bytes(header), as_bytes(value));
  }
  // As libtdb reads it, without the header.
  std::string value() {
    const TDB_DATA found = tdb_fetch(tdb_, data(kKey));
    const std::string text(reinterpret_cast<const char*>(found.dptr), found.dsize);
    free(found.dptr);
    return text.substr(kHeader.size());
  }

  const std::string kKey = "key";
  int memory_ = memfd_create("value-writer-test", MFD_CLOEXEC);
  tdb_context* tdb_ = nullptr;
  std::unique_ptr<ValueWriter> writer_;
};

TEST_F(ValueWriterTest, TheFirstValueOfARecordWithRoomStaysInItsBlock) {
  EXPECT_EQ(write("first"), Outcome::kDone);
  EXPECT_EQ(value(), "first");
}

TEST_F(ValueWriterTest, AnAppendStaysInItsBlockAsLongAsThereIsRoom) {
  for (size_t size = 1; size <= kRoom; ++size) {
    ASSERT_EQ(write(std::string(size, 'a')), Outcome::kDone);
    ASSERT_EQ(value(), std::string(size, 'a'));
  }
  size_t size = kRoom;  // and what libtdb gives more
  while (write(std::string(size + 1, 'a')) == Outcome::kDone) ++size;
  EXPECT_LT(size, 2 * kRoom);
  EXPECT_EQ(value(), std::string(size, 'a'));
  EXPECT_EQ(tdb_check(tdb_, nullptr, nullptr), 0);
}

TEST_F(ValueWriterTest, WhatDiffersNeedsAnotherBlock) {
  ASSERT_EQ(write("first"), Outcome::kDone);
  EXPECT_EQ(write("other value"), Outcome::kNoRoom);
  EXPECT_EQ(write("first and more", std::string(24, 'H')), Outcome::kNoRoom) << "another header";
  EXPECT_EQ(value(), "first");
}

}  // namespace
}  // namespace ctdb
