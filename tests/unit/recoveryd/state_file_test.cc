// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-recoveryd/state_file.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

namespace ctdb {
namespace {

class StateFileTest : public ::testing::Test {
 protected:
  StateFileTest() {
    char pattern[] = "/tmp/ctdb-state-XXXXXX";
    directory = mkdtemp(pattern);
  }
  ~StateFileTest() override { std::filesystem::remove_all(directory); }
  std::string directory;
};

TEST_F(StateFileTest, IsEmptyAtFirstThenWhatWasWrittenLast) {
  Result<StateFile> file = StateFile::open(directory + "/deep/er", "recoveryd.state");
  ASSERT_TRUE(file);
  EXPECT_TRUE(file->read()->empty());
  ASSERT_TRUE(file->replace(as_bytes("first")));
  ASSERT_TRUE(file->replace(as_bytes("second, and longer")));
  ASSERT_TRUE(file->replace(as_bytes("3")));
  EXPECT_EQ(as_text(*file->read()), "3");
}

TEST_F(StateFileTest, LeftoversOfAKilledWriterAreNotRead) {
  Result<StateFile> file = StateFile::open(directory, "recoveryd.state");
  ASSERT_TRUE(file->replace(as_bytes("good")));
  std::filesystem::copy_file(file->path(), file->path() + ".new");
  EXPECT_EQ(as_text(*file->read()), "good");
  ASSERT_TRUE(file->replace(as_bytes("better")));
  EXPECT_EQ(as_text(*file->read()), "better");
}

TEST_F(StateFileTest, IsKeptAsideWhenDamaged) {
  Result<StateFile> file = StateFile::open(directory, "recoveryd.state");
  ASSERT_TRUE(file->replace(as_bytes("rubbish")));
  ASSERT_TRUE(file->set_aside());
  EXPECT_TRUE(file->read()->empty());
  EXPECT_TRUE(std::filesystem::exists(directory + "/recoveryd.state.damaged"));
}

TEST_F(StateFileTest, RefusesAFileThatIsFarTooLarge) {
  Result<StateFile> file = StateFile::open(directory, "recoveryd.state");
  ASSERT_TRUE(file->replace(Bytes(70000)));
  ASSERT_FALSE(file->read());
  EXPECT_EQ(file->read().error().code, ErrorCode::kLimit);
}

TEST_F(StateFileTest, ADirectoryThatCannotBeMadeIsAnError) {
  EXPECT_FALSE(StateFile::open("/proc/nowhere", "recoveryd.state"));
}

}  // namespace
}  // namespace ctdb
