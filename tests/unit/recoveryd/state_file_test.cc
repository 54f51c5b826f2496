// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-recoveryd/state_file.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "ctdb-recoveryd/core/durable_state.h"
#include "libctdbipc/base/limits.h"

namespace ctdb {
namespace {

class StateFileTest : public ::testing::Test {
 protected:
  StateFileTest() {
    char pattern[] = "/tmp/ctdb-state-XXXXXX";
    directory = mkdtemp(pattern);
    path = directory + "/recoveryd.state";
  }
  ~StateFileTest() override { std::filesystem::remove_all(directory); }
  Result<StateFile> open() const { return StateFile::open(directory, "recoveryd.state"); }
  static void close(Result<StateFile>& file) { file = fail(ErrorCode::kInvalid, "closed"); }
  std::string contents() const {
    Result<StateFile> file = open();
    EXPECT_TRUE(file);
    return std::string(as_text(file->contents()));
  }
  void scribble(size_t offset, char byte) const {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(offset));
    file.put(byte);
  }
  std::string directory, path;
};

TEST_F(StateFileTest, IsEmptyAtFirstThenWhatWasWrittenLast) {
  Result<StateFile> file = StateFile::open(directory + "/deep/er", "recoveryd.state");
  ASSERT_TRUE(file);
  EXPECT_TRUE(file->contents().empty());
  EXPECT_FALSE(file->damaged());
  ASSERT_TRUE(file->replace(as_bytes("first")));
  ASSERT_TRUE(file->replace(as_bytes("second, and longer")));
  ASSERT_TRUE(file->replace(as_bytes("3")));
  EXPECT_EQ(as_text(file->contents()), "3");
  close(file);
  EXPECT_EQ(as_text(StateFile::open(directory + "/deep/er", "recoveryd.state")->contents()), "3");
}

TEST_F(StateFileTest, OneProcessHasIt) {
  Result<StateFile> file = open();
  ASSERT_TRUE(file);
  Result<StateFile> second = open();
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().text().find("another process keeps its state in " + path), std::string::npos);
}

// /dev/full is a file for which there is never room.
TEST_F(StateFileTest, IsBegunWhenThereIsRoom) {
  std::filesystem::create_symlink("/dev/full", path);
  Result<StateFile> file = open();
  ASSERT_TRUE(file) << file.error().text();
  EXPECT_FALSE(file->ready());
  EXPECT_FALSE(file->damaged());
  EXPECT_TRUE(file->contents().empty());
  const Result<void> refused = file->replace(as_bytes("a vote"));
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().text().find("No space left on device"), std::string::npos)
      << refused.error().text();
  EXPECT_TRUE(file->contents().empty());
  std::filesystem::remove(path);
  ASSERT_TRUE(file->replace(as_bytes("a vote")));
  EXPECT_TRUE(file->ready());
  close(file);
  EXPECT_EQ(contents(), "a vote");
}

// The disk became full while the file was begun.
TEST_F(StateFileTest, TheBeginningOfAFileIsNoDamage) {
  std::ofstream(path, std::ios::binary) << std::string(5000, '\0');
  Result<StateFile> file = open();
  ASSERT_TRUE(file);
  EXPECT_FALSE(file->damaged());
  ASSERT_TRUE(file->replace(as_bytes("first")));
  close(file);
  EXPECT_EQ(contents(), "first");
}

TEST_F(StateFileTest, HoldsTheLargestStateThereCanBe) {
  DurableState state{kNodesMax, 1, 1000, std::vector<uint32_t>(kNodesMax, 7), {}};
  for (uint32_t pnn = 0; pnn < kNodesMax; ++pnn) state.voters.push_back(pnn);
  Result<StateFile> file = open();
  ASSERT_TRUE(file->replace(state.encode()));
  EXPECT_EQ(file->replace(Bytes(StateFile::kPayloadBytesMax + 1)).error().code, ErrorCode::kLimit);
  close(file);
  EXPECT_EQ(DurableState::decode(open()->contents()), state);
}

TEST_F(StateFileTest, AWriteThatWasCutOffLeavesTheStateBefore) {
  {
    Result<StateFile> file = open();
    for (const char* text : {"one", "two", "three"}) ASSERT_TRUE(file->replace(as_bytes(text)));
  }
  // Slots are written in turn: the third write went to the second one, 8 KiB into the file.
  for (size_t offset = 0; offset < 16 + 5 + 4; ++offset) {
    std::filesystem::copy_file(path, path + ".good", std::filesystem::copy_options::overwrite_existing);
    scribble(8192 + offset, '\x5a');
    EXPECT_EQ(contents(), "two") << offset;
    std::filesystem::copy_file(path + ".good", path, std::filesystem::copy_options::overwrite_existing);
  }
  EXPECT_EQ(contents(), "three");
}

TEST_F(StateFileTest, GoesOnAfterACutOffWrite) {
  {
    Result<StateFile> file = open();
    for (const char* text : {"one", "two", "three"}) ASSERT_TRUE(file->replace(as_bytes(text)));
  }
  scribble(8192, '\0');
  {
    Result<StateFile> file = open();
    ASSERT_TRUE(file->replace(as_bytes("four")));
  }
  EXPECT_EQ(contents(), "four");
}

TEST_F(StateFileTest, IsKeptAsideWhenNothingInItIsWhole) {
  std::ofstream(path) << "rubbish";
  Result<StateFile> file = open();
  ASSERT_TRUE(file);
  EXPECT_TRUE(file->damaged());
  EXPECT_TRUE(file->contents().empty());
  EXPECT_TRUE(std::filesystem::exists(path + ".damaged"));
  ASSERT_TRUE(file->replace(as_bytes("new life")));
  close(file);
  EXPECT_EQ(contents(), "new life");
}

TEST_F(StateFileTest, AFileCutShortIsReadAsFarAsItGoes) {
  {
    Result<StateFile> file = open();
    for (const char* text : {"one", "two"}) ASSERT_TRUE(file->replace(as_bytes(text)));
  }
  std::filesystem::resize_file(path, 8192 + 10);
  EXPECT_EQ(contents(), "two");
  std::filesystem::resize_file(path, 10);
  Result<StateFile> file = open();
  EXPECT_TRUE(file->damaged());
}

TEST_F(StateFileTest, ADirectoryThatCannotBeMadeIsAnError) {
  EXPECT_FALSE(StateFile::open("/proc/nowhere", "recoveryd.state"));
}

}  // namespace
}  // namespace ctdb
