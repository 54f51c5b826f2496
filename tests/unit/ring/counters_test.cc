// SPDX-License-Identifier: GPL-3.0-or-later
#include "libctdbipc/ring/counters.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "libctdbipc/base/bytes.h"
#include "libctdbipc/base/process_name.h"
#include "libctdbipc/base/random.h"

namespace ctdb {
namespace {

class CountersFile : public testing::Test {
 protected:
  CountersFile() {
    char name[] = "/tmp/ctdb-counters-XXXXXX";
    directory_ = mkdtemp(name);
    path_ = directory_ + "/x.counters";
  }
  ~CountersFile() override { std::filesystem::remove_all(directory_); }
  std::string directory_;
  std::string path_;
};

TEST_F(CountersFile, ReaderSeesWhatTheWriterDid) {
  const Result<std::unique_ptr<Counters>> counters = Counters::create(path_);
  ASSERT_TRUE(counters) << counters.error().text();
  (*counters)->add(Counter::router_wakeups);
  (*counters)->add(Counter::router_wakeups, 4);
  (*counters)->set(Counter::recoveryd_refused, 9);
  (*counters)->set_status("RUNNING");
  (*counters)->error("disk is full", 100);
  (*counters)->error("no route", 200);
  (*counters)->error("disk is full", 300);
  EXPECT_EQ((*counters)->get(Counter::router_wakeups), 5u);
  const Result<CountersSnapshot> snapshot = read_counters(path_);
  ASSERT_TRUE(snapshot) << snapshot.error().text();
  EXPECT_EQ(snapshot->pid, static_cast<uint32_t>(getpid()));
  EXPECT_GT(snapshot->start_ns, 0);
  EXPECT_EQ(snapshot->status, "RUNNING");
  EXPECT_EQ(snapshot->value(Counter::router_wakeups), 5u);
  EXPECT_EQ(snapshot->value(Counter::recoveryd_refused), 9u);
  ASSERT_EQ(snapshot->errors.size(), 2u);
  EXPECT_EQ(snapshot->errors[0].text, "disk is full");
  EXPECT_EQ(snapshot->errors[0].count, 2u);
  EXPECT_EQ(snapshot->errors[0].first_ns, 100);
  EXPECT_EQ(snapshot->errors[0].last_ns, 300);
}

TEST_F(CountersFile, TellsWhetherItsWriterLives) {
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  if (child == 0) {
    const Result<std::unique_ptr<Counters>> counters = Counters::create(path_);
    (void)!write(ready[1], counters ? "y" : "n", 1);
    for (;;) pause();
  }
  char made = 0;
  ASSERT_EQ(read(ready[0], &made, 1), 1);
  Result<CountersSnapshot> snapshot = read_counters(path_);
  ASSERT_TRUE(snapshot) << snapshot.error().text();
  EXPECT_TRUE(snapshot->held);
  EXPECT_EQ(snapshot->pid_namespace, own_pid_namespace());
  kill(child, SIGKILL);
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  snapshot = read_counters(path_);
  ASSERT_TRUE(snapshot);
  EXPECT_FALSE(snapshot->held);
  close(ready[0]);
  close(ready[1]);
}

TEST_F(CountersFile, OutlivesItsWriter) {
  {
    const Result<std::unique_ptr<Counters>> counters = Counters::create(path_);
    ASSERT_TRUE(counters);
    (*counters)->add(Counter::store_calls, 3);
  }
  const Result<CountersSnapshot> snapshot = read_counters(path_);
  ASSERT_TRUE(snapshot);
  EXPECT_EQ(snapshot->value(Counter::store_calls), 3u);
}

TEST_F(CountersFile, ANewStartBeginsAtZeroAndLeavesTheOldReaderAlone) {
  const Result<std::unique_ptr<Counters>> old = Counters::create(path_);
  ASSERT_TRUE(old);
  (*old)->add(Counter::store_calls, 3);
  const Result<std::unique_ptr<Counters>> fresh = Counters::create(path_);
  ASSERT_TRUE(fresh);
  EXPECT_EQ(read_counters(path_)->value(Counter::store_calls), 0u);
  (*old)->add(Counter::store_calls);  // its file has no name any more
  EXPECT_EQ(read_counters(path_)->value(Counter::store_calls), 0u);
  EXPECT_FALSE(std::filesystem::exists(path_ + ".new"));
}

TEST_F(CountersFile, ItsBlocksAreAllocated) {
  ASSERT_TRUE(Counters::create(path_));
  struct stat status;
  ASSERT_EQ(stat(path_.c_str(), &status), 0);
  EXPECT_GE(status.st_blocks * 512, status.st_size);  // no holes: a full disk must not kill the writer later
}

TEST_F(CountersFile, LongTextsAreCut) {
  const Result<std::unique_ptr<Counters>> counters = Counters::create(path_);
  ASSERT_TRUE(counters);
  (*counters)->set_status(std::string(5000, 's'));
  (*counters)->error(std::string(5000, 'e'), 1);
  (*counters)->error(std::string(5000, 'e'), 2);
  const Result<CountersSnapshot> snapshot = read_counters(path_);
  ASSERT_TRUE(snapshot);
  EXPECT_EQ(snapshot->status, std::string(1023, 's'));
  ASSERT_EQ(snapshot->errors.size(), 1u);
  EXPECT_EQ(snapshot->errors[0].text, std::string(199, 'e'));
  EXPECT_EQ(snapshot->errors[0].count, 2u);
}

TEST_F(CountersFile, DistinctErrorsAreBounded) {
  const Result<std::unique_ptr<Counters>> counters = Counters::create(path_);
  ASSERT_TRUE(counters);
  for (int i = 0; i < 1000; ++i) (*counters)->error("error " + std::to_string(i), i);
  const Result<CountersSnapshot> snapshot = read_counters(path_);
  ASSERT_TRUE(snapshot);
  ASSERT_EQ(snapshot->errors.size(), 32u);
  EXPECT_EQ(snapshot->errors.back().text, "other errors");
  EXPECT_EQ(snapshot->errors.back().count, 1000u - 31u);
}

TEST_F(CountersFile, WithoutAPathTheyArePrivate) {
  const Result<std::unique_ptr<Counters>> counters = Counters::create("");
  ASSERT_TRUE(counters);
  (*counters)->add(Counter::store_calls, 3);
  EXPECT_EQ((*counters)->get(Counter::store_calls), 3u);
}

TEST_F(CountersFile, CannotBeMadeWithoutItsDirectory) {
  const Result<std::unique_ptr<Counters>> counters = Counters::create(directory_ + "/missing/x.counters");
  ASSERT_FALSE(counters);
  EXPECT_EQ(counters.error().saved_errno, ENOENT);
}

TEST_F(CountersFile, MissingFileIsNotFound) {
  const Result<CountersSnapshot> snapshot = read_counters(path_);
  ASSERT_FALSE(snapshot);
  EXPECT_EQ(snapshot.error().code, ErrorCode::kNotFound);
}

TEST_F(CountersFile, EveryTruncationIsRefused) {
  ASSERT_TRUE(Counters::create(path_));
  const auto whole = static_cast<off_t>(std::filesystem::file_size(path_));
  for (off_t size = 0; size < whole; size += size < 64 ? 1 : 97) {
    ASSERT_TRUE(Counters::create(path_));
    ASSERT_EQ(truncate(path_.c_str(), size), 0);
    const Result<CountersSnapshot> snapshot = read_counters(path_);
    ASSERT_FALSE(snapshot) << size;
    EXPECT_EQ(snapshot.error().code, ErrorCode::kInvalid);
  }
}

// While a node is upgraded: rows are appended from release to release, and programs of both read each other's files.
TEST_F(CountersFile, FilesOfAnOlderAndANewerReleaseAreRead) {
  constexpr auto kLast = static_cast<Counter>(static_cast<size_t>(Counter::count) - 1);
  constexpr size_t kBytesBeforeRows = 32 + 1024;
  constexpr size_t kRows = static_cast<size_t>(Counter::count);
  for (const size_t rows : {kRows - 1, kRows + 1}) {
    SCOPED_TRACE(rows);
    {
      const Result<std::unique_ptr<Counters>> counters = Counters::create(path_);
      ASSERT_TRUE(counters);
      (*counters)->set(Counter::router_wakeups, 5);
      (*counters)->set(kLast, 7);
      (*counters)->set_status("RUNNING");
      (*counters)->error("disk is full", 100);
    }
    std::ifstream in(path_, std::ios::binary);
    std::string file{std::istreambuf_iterator<char>(in), {}};
    const size_t end_of_rows = kBytesBeforeRows + kRows * sizeof(uint64_t);
    if (rows < kRows)
      file.erase(end_of_rows - sizeof(uint64_t), sizeof(uint64_t));
    else
      file.insert(end_of_rows, sizeof(uint64_t), '\x11');
    store(reinterpret_cast<uint8_t*>(file.data()) + 12, static_cast<uint32_t>(rows));
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << file;
    const Result<CountersSnapshot> snapshot = read_counters(path_);
    ASSERT_TRUE(snapshot) << snapshot.error().text();
    EXPECT_EQ(snapshot->pid, static_cast<uint32_t>(getpid()));
    EXPECT_EQ(snapshot->status, "RUNNING");
    EXPECT_EQ(snapshot->value(Counter::router_wakeups), 5u);
    EXPECT_EQ(snapshot->knows(kLast), rows > kRows);
    EXPECT_EQ(snapshot->value(kLast), rows > kRows ? 7u : 0u);
    ASSERT_EQ(snapshot->errors.size(), 1u);
    EXPECT_EQ(snapshot->errors[0].text, "disk is full");
  }
}

TEST_F(CountersFile, CorruptFilesAreRefusedOrRead) {
  {
    const Result<std::unique_ptr<Counters>> counters = Counters::create(path_);
    ASSERT_TRUE(counters);
    for (int i = 0; i < 40; ++i) (*counters)->error("error " + std::to_string(i), i);
  }
  Random random(3);
  const size_t size = std::filesystem::file_size(path_);
  for (int round = 0; round < 500; ++round) {
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    for (int i = 0; i < 20; ++i) {
      file.seekp(static_cast<std::streamoff>(24 + random.below(size - 24)));
      file.put(static_cast<char>(random.one_in(2) ? 0xff : random.next()));
    }
    file.close();
    const Result<CountersSnapshot> snapshot = read_counters(path_);
    if (snapshot) {
      EXPECT_LE(snapshot->status.size(), 1024u);
      EXPECT_LE(snapshot->errors.size(), 32u);
    }
  }
  for (const size_t at : {0u, 8u, 12u}) {  // magic, version, number of rows
    ASSERT_TRUE(Counters::create(path_));
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(at));
    file.put('\x7f');
    file.close();
    EXPECT_FALSE(read_counters(path_)) << at;
  }
}

TEST(Counters, NamesAreUniqueAndHaveHelp) {
  std::set<std::string> names;
  for (uint32_t i = 0; i < static_cast<uint32_t>(Counter::count); ++i) {
    EXPECT_TRUE(names.insert(counter_name(static_cast<Counter>(i))).second);
    EXPECT_GT(std::string(counter_help(static_cast<Counter>(i))).size(), 5u);
  }
}

}  // namespace
}  // namespace ctdb
