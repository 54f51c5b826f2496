// SPDX-License-Identifier: GPL-3.0-or-later
// Files of full-copy databases and the log of commits on disk: what is there again after which death.
#include "ctdb-store/backend/persistent_file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "ctdb-store/backend/commit_log_file.h"
#include "ctdb-store/backend/database_writer.h"
#include "ctdb-store/backend/durable_file.h"
#include "ctdb-store/backend/tdb_api.h"
#include "ctdb-store/backend/tdb_handle.h"
#include "libctdbipc/base/shortage.h"
#include "libctdbipc/wire/packet.h"
#include "libctdbipc/wire/rec_buffer.h"
#include "tests/unit/store/shortages.h"
#include "tests/unit/store/temporary_directory.h"

namespace ctdb {
namespace {

Bytes transaction(std::string_view key, std::string_view data) {
  Bytes value;
  append_record_header(value, {1, 0, 0});
  const ByteView bytes = as_bytes(data);
  value.insert(value.end(), bytes.begin(), bytes.end());
  Bytes buffer = begin_rec_buffer(7);
  add_to_rec_buffer(buffer, as_bytes(key), value);
  return buffer;
}

class PersistentFile : public ::testing::Test {
 protected:
  std::unique_ptr<RecordFile> open(bool machine_restarted = false) {
    auto opened = open_persistent_file(path_, {101, machine_restarted});
    EXPECT_TRUE(opened) << opened.error().text();
    return std::move(*opened);
  }
  void write(std::string_view key, std::string_view data) {
    open();  // libtdb opens a file once in a process: the writer is another one in the product
    DatabaseWriter writer;
    const auto done =
        writer.apply(path_, persistent_tdb_flags(), CommitKind::kRecords, transaction(key, data));
    ASSERT_TRUE(done) << done.error().text();
  }
  static size_t records(RecordFile& file) {
    size_t count = 0;
    EXPECT_TRUE(file.for_each([&](ByteView, ByteView) { return ++count > 0; }));
    return count;
  }
  static void damage(const std::string& path) {
    struct stat info;
    ASSERT_EQ(stat(path.c_str(), &info), 0);
    ASSERT_EQ(truncate(path.c_str(), std::min<off_t>(info.st_size / 2, 300)), 0);
  }

  size_t kept_aside() const {
    size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(directory_.path()))
      count += entry.path().filename().string().find(".corrupted.") != std::string::npos ? 1 : 0;
    return count;
  }

  TemporaryDirectory directory_;
  const std::string path_ = directory_.path() + "/test.tdb.0";
};

TEST_F(PersistentFile, KeepsWhatWasWritten) {
  write("k", "v");
  write("k2", "v");
  EXPECT_EQ(records(*open()), 2u);
  EXPECT_EQ(open()->damage(), "");
}

TEST_F(PersistentFile, IsMadeAgainFromItsCopyWhenItIsDamagedOrGone) {
  write("k", "v");
  {
    DatabaseWriter writer;
    ASSERT_TRUE(writer.apply(path_, persistent_tdb_flags(), CommitKind::kRecords, transaction("k2", "v")));
    ASSERT_TRUE(writer.checkpoint());
  }
  damage(path_);
  EXPECT_EQ(records(*open()), 2u);
  ASSERT_EQ(unlink(path_.c_str()), 0);
  EXPECT_EQ(persistent_names(directory_.path(), ".0"), std::vector<std::string>{"test.tdb"});
  EXPECT_EQ(records(*open()), 2u);
}

// What fails then says nothing about the file; one that is damaged, too, is kept.
TEST_F(PersistentFile, IsLeftAsItIsForWantOfDescriptors) {
  for (const bool damaged : {false, true}) {
    write("k", "v");
    if (damaged) damage(path_);
    bool opened = false;
    for (int more = 0; more < 20 && !opened; ++more) {
      const NoDescriptors none(more);
      const auto file = open_persistent_file(path_, {101, false});
      opened = file.has_value();
      if (opened) {
        EXPECT_EQ((*file)->damage(), "");
      } else {
        EXPECT_EQ(file.error().saved_errno, EMFILE) << file.error().text();
        EXPECT_TRUE(is_shortage(file.error())) << file.error().text();
      }
    }
    EXPECT_TRUE(opened);
    EXPECT_EQ(kept_aside(), damaged ? 1u : 0u);
  }
}

// The kernel says EIO of a process's first bytes.
TEST_F(PersistentFile, IsLeftAsItIsWhenTheDiskDoesNotGiveIt) {
  write("k", "v");
  const std::string good = path_ + ".good";
  std::filesystem::rename(path_, good);
  std::filesystem::create_symlink("/proc/self/mem", path_);
  const auto file = open_persistent_file(path_, {101, false});
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().saved_errno, EIO) << file.error().text();
  EXPECT_EQ(kept_aside(), 0u);
  std::filesystem::rename(good, path_);
  EXPECT_EQ(records(*open()), 1u);
}

// Of a process of its own, which has done `what` with the file and holds still.
class OtherProcess {
 public:
  template <typename What>
  OtherProcess(const std::string& path, What what) {
    int pipe_ends[2];
    EXPECT_EQ(pipe(pipe_ends), 0);
    pid_ = fork();
    if (pid_ == 0) {
      alarm(60);
      TdbHandle::close_inherited();
      tdb_context* tdb = tdb_open(path.c_str(), 0, 0, O_RDWR, 0);
      const char done = tdb != nullptr && what(tdb) ? 'y' : 'n';
      (void)!write(pipe_ends[1], &done, 1);
      pause();
      _exit(0);
    }
    char done = 'n';
    EXPECT_EQ(read(pipe_ends[0], &done, 1), 1);
    EXPECT_EQ(done, 'y');
    close(pipe_ends[0]);
    close(pipe_ends[1]);
  }
  ~OtherProcess() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  OtherProcess(const OtherProcess&) = delete;
  OtherProcess& operator=(const OtherProcess&) = delete;
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = 0;
};

TDB_DATA tdb_text(const char* text) {
  return {reinterpret_cast<uint8_t*>(const_cast<char*>(text)), strlen(text)};
}

// It would not return: the one that has locked it waits for the end of the test.
TEST_F(PersistentFile, WhoHasLockedItIsNotWaitedFor) {
  write("k", "v");
  const auto lock_one = [](tdb_context* tdb) { return tdb_chainlock(tdb, tdb_text("any")) == 0; };
  const auto lock_all = [](tdb_context* tdb) { return tdb_lockall(tdb) == 0; };
  const auto change = [](tdb_context* tdb) {
    return tdb_transaction_start(tdb) == 0 && tdb_store(tdb, tdb_text("k2"), tdb_text("v"), 0) == 0;
  };
  const auto try_with = [&](auto what) {
    const OtherProcess other(path_, what);
    const auto file = open_persistent_file(path_, {101, false});
    ASSERT_FALSE(file);
    EXPECT_EQ(file.error().saved_errno, EAGAIN) << file.error().text();
    EXPECT_TRUE(is_shortage(file.error()));
    EXPECT_NE(file.error().text().find(std::to_string(other.pid())), std::string::npos)
        << file.error().text();
  };
  alarm(120);
  try_with(lock_one);
  try_with(lock_all);
  try_with(change);
  alarm(0);
  EXPECT_EQ(records(*open()), 1u);
}

TEST_F(PersistentFile, NorWhoLocksItLater) {
  write("k", "v");
  const auto file = open();
  alarm(120);
  const OtherProcess other(path_, [](tdb_context* tdb) { return tdb_lockall(tdb) == 0; });
  const Result<void> read = file->for_each([](ByteView, ByteView) { return true; });
  alarm(0);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().saved_errno, EAGAIN) << read.error().text();
}

TEST_F(PersistentFile, ATransactionWhoseWriterDiedBeforeItsEndIsUndone) {
  write("k", "v");
  open();
  {
    const OtherProcess other(path_, [](tdb_context* tdb) {
      return tdb_transaction_start(tdb) == 0 &&
             tdb_store(tdb, tdb_text("k2"), tdb_text("value-value-value-value"), 0) == 0 &&
             tdb_transaction_prepare_commit(tdb) == 0;
    });
  }
  const auto file = open();
  EXPECT_EQ(file->damage(), "");
  EXPECT_EQ(kept_aside(), 0u);
  EXPECT_EQ(records(*file), 1u);
}

// What the machine had not written when it stopped is in the log; a file that has half of it would be of no use.
TEST_F(PersistentFile, IsMadeAgainFromItsCopyWhenTheMachineWasRestarted) {
  open();
  write("k", "v");
  EXPECT_EQ(records(*open(true)), 0u);
}

TEST_F(PersistentFile, SaysWhatCannotBeSaved) {
  write("k", "v");
  damage(path_);
  damage(committed_copy_of(path_));
  const auto file = open();
  EXPECT_NE(file->damage().find(".corrupted."), std::string::npos) << file->damage();
  EXPECT_EQ(records(*file), 0u);
}

TEST_F(PersistentFile, AWipeAndAReplacementAreWhole) {
  write("k", "v");
  const auto with_writer = [&](const auto& use) {
    DatabaseWriter writer;
    return use(writer);
  };
  EXPECT_TRUE(with_writer([&](DatabaseWriter& writer) {
    writer.keep_part(path_, transaction("a", "1"), true);
    writer.keep_part(path_, transaction("b", "2"), false);
    return writer.replace(path_, persistent_tdb_flags(), 2);
  }));
  EXPECT_EQ(records(*open()), 2u);
  EXPECT_FALSE(with_writer([&](DatabaseWriter& writer) {
    return writer.apply(path_, persistent_tdb_flags(), CommitKind::kRecords, Bytes{1, 2, 3});
  }));
  EXPECT_EQ(records(*open()), 2u);
  EXPECT_TRUE(with_writer([&](DatabaseWriter& writer) {
    return writer.apply(path_, persistent_tdb_flags(), CommitKind::kWipe, transaction("a", ""));
  }));
  EXPECT_EQ(records(*open()), 0u);
}

class CommitLogOnDisk : public ::testing::Test {
 protected:
  static KeptEntry entry(uint64_t number) {
    return {{5, number}, CommitKind::kRecords, 2, number + 100, Bytes(50, static_cast<uint8_t>(number))};
  }
  CommitLogFile open() {
    auto file = CommitLogFile::open(path_);
    EXPECT_TRUE(file) << file.error().text();
    return std::move(*file);
  }
  void write(uint64_t from, uint64_t to) {
    CommitLogFile file = open();
    for (uint64_t number = from; number <= to; ++number) file.append(entry(number), {5, number - 1});
    ASSERT_TRUE(file.sync());
  }
  CommitLogContents read() {
    auto contents = read_commit_log(path_);
    EXPECT_TRUE(contents) << contents.error().text();
    return std::move(*contents);
  }
  off_t size() {
    struct stat info;
    return stat(path_.c_str(), &info) == 0 ? info.st_size : -1;
  }

  TemporaryDirectory directory_;
  const std::string path_ = directory_.path() + "/commits.log";
};

TEST_F(CommitLogOnDisk, HasWhatWasSynced) {
  EXPECT_TRUE(read().image.entries.empty());
  write(1, 3);
  write(4, 5);
  const CommitLogContents contents = read();
  ASSERT_EQ(contents.image.entries.size(), 5u);
  EXPECT_EQ(contents.image.entries[4].position, (LogPosition{5, 5}));
  EXPECT_EQ(contents.image.entries[4].payload, entry(5).payload);
  EXPECT_EQ(contents.image.entries[4].id, 105u);
  EXPECT_EQ(contents.image.committed, (LogPosition{5, 4}));
  EXPECT_FALSE(contents.machine_restarted);
  EXPECT_EQ(contents.note, "");
}

// Whatever was torn, what stands before it is believed and nothing behind it.
TEST_F(CommitLogOnDisk, IsCutAtEveryByteAndDamagedAtEveryByte) {
  write(1, 3);
  const auto whole = static_cast<size_t>(size());
  Bytes bytes(whole);
  std::ifstream(path_).read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(whole));
  for (size_t at = 128; at < whole; ++at) {
    for (const bool cut : {true, false}) {
      Bytes changed(bytes.begin(), cut ? bytes.begin() + static_cast<ptrdiff_t>(at) : bytes.end());
      if (!cut) changed[at] ^= 0x10;
      std::ofstream(path_, std::ios::trunc)
          .write(reinterpret_cast<const char*>(changed.data()), static_cast<std::streamsize>(changed.size()));
      const CommitLogContents contents = read();
      EXPECT_LT(contents.image.entries.size(), 3u) << at;
      for (size_t i = 0; i < contents.image.entries.size(); ++i)
        EXPECT_EQ(contents.image.entries[i].payload, entry(i + 1).payload);
    }
  }
  write(4, 4);  // behind what is left
  EXPECT_EQ(read().image.entries.back().position, (LogPosition{5, 4}));
}

TEST_F(CommitLogOnDisk, OneThatWasOnlyOpenedIsEmptyAndWhole) {
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(CommitLogFile::open(path_));
    const auto contents = read_commit_log(path_);
    ASSERT_TRUE(contents);
    EXPECT_EQ(contents->note, "");
    EXPECT_TRUE(contents->image.trusted);
    EXPECT_TRUE(contents->image.entries.empty());
  }
}

TEST_F(CommitLogOnDisk, PutsAsideWhatIsNoLog) {
  std::ofstream(path_) << "something else, long enough for a head" << std::string(200, 'x');
  const CommitLogContents contents = read();
  EXPECT_FALSE(contents.image.trusted);
  EXPECT_NE(contents.note.find(".corrupted."), std::string::npos);
  EXPECT_EQ(size(), -1);
}

TEST_F(CommitLogOnDisk, CutsAndBeginsAnew) {
  write(1, 5);
  CommitLogFile file = open();
  file.append(entry(6), {5, 5});
  ASSERT_TRUE(file.cut({5, 3}));
  ASSERT_TRUE(file.sync());
  EXPECT_EQ(read().image.entries.size(), 3u);
  ASSERT_TRUE(file.restart({5, 3}, false));
  EXPECT_EQ(read().image.entries.size(), 3u) << "the old one stays until the new one is on disk";
  file.append(entry(7), {5, 3});
  ASSERT_TRUE(file.sync());
  const CommitLogContents contents = read();
  EXPECT_EQ(contents.image.start, (LogPosition{5, 3}));
  EXPECT_EQ(contents.image.entries.size(), 1u);
  EXPECT_FALSE(contents.image.trusted);
  file.trust();
  ASSERT_TRUE(file.sync());
  EXPECT_TRUE(read().image.trusted);
}

// The disk is full in the middle: what the old file had must not be lost with the new one.
TEST_F(CommitLogOnDisk, BeginsAnewLaterWhenTheDiskWasFull) {
  write(1, 5);
  CommitLogFile file = open();
  ASSERT_TRUE(file.restart({5, 3}, true));
  for (uint64_t number : {4u, 5u, 6u}) file.append(entry(number), {5, 3});
  signal(SIGXFSZ, SIG_IGN);
  rlimit limit;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &limit), 0);
  const rlimit small{200, limit.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const Result<void> failed = file.sync();
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
  EXPECT_FALSE(failed);
  EXPECT_EQ(read().image.entries.size(), 5u);
  ASSERT_TRUE(file.cut({5, 5}));  // entry 6 failed, 4 and 5 were on the disk before
  file.append(entry(7), {5, 5});
  ASSERT_TRUE(file.sync());
  const CommitLogContents contents = read();
  ASSERT_EQ(contents.image.entries.size(), 3u);
  EXPECT_EQ(contents.image.entries[1].position, (LogPosition{5, 5}));
  EXPECT_EQ(contents.image.entries[2].position, (LogPosition{5, 7}));
}

// Not a file that is emptied, or has half of it: the parts were kept by a writer that died.
TEST_F(PersistentFile, AReplacementWithoutAllOfItsContentsIsRefused) {
  write("k", "v");
  {
    DatabaseWriter writer;
    EXPECT_FALSE(writer.replace(path_, persistent_tdb_flags(), 1));
    writer.keep_part(path_, transaction("b", "2"), false);
    EXPECT_FALSE(writer.replace(path_, persistent_tdb_flags(), 2)) << "the first part is missing";
  }
  EXPECT_EQ(records(*open()), 1u);
}

}  // namespace
}  // namespace ctdb
