// SPDX-License-Identifier: GPL-3.0-or-later
// tdb_file: damaged files, and a full disk.
#include "ctdb-store/backend/tdb_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

#include "libctdbipc/base/random.h"
#include "libctdbipc/base/shortage.h"
#include "libctdbipc/base/tdb_image.h"
#include "tests/unit/store/shortages.h"
#include "tests/unit/store/tdb_client.h"
#include "tests/unit/store/tdb_damage.h"
#include "tests/unit/store/tdb_file_fixture.h"

namespace ctdb {
namespace {

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(RecordFileConformance);
INSTANTIATE_TEST_SUITE_P(Mutexes, TdbFile, testing::Bool(),
                         [](const auto& info) { return info.param ? "On" : "Off"; });

// ---- damage ----

TEST_P(TdbFile, AFileThatIsNoTdbIsPutAsideAndAFreshOneMade) {
  std::ofstream(path()) << std::string(5000, 'x');
  ASSERT_FALSE(open(true));
  EXPECT_EQ(error_.code, ErrorCode::kCorrupt);
  EXPECT_NE(error_.text().find(path()), std::string::npos);
  ASSERT_EQ(kept_aside().size(), 1u);
  EXPECT_NE(error_.text().find(kept_aside()[0]), std::string::npos);
  EXPECT_EQ(fs::file_size(kept_aside()[0]), 5000u);
  ASSERT_TRUE(open(true));
  put("key", "data");
}

TEST_P(TdbFile, AnEmptyFileIsNotTakenUp) {
  std::ofstream(path()).flush();
  EXPECT_FALSE(open(true) && get("key") != "(none)");
  ASSERT_TRUE(file_ != nullptr || open(false));
}

TEST_P(TdbFile, ADamagedFileThatClientsHaveOpenIsTakenAwayFromThem) {
  ASSERT_TRUE(open(false));
  put("key", "data");
  TdbClient client(path(), file_->open_flags());
  restart();
  std::fstream(path(), std::ios::in | std::ios::out | std::ios::binary) << "garbage garbage garbage";
  ASSERT_FALSE(open(true));
  EXPECT_EQ(error_.code, ErrorCode::kCorrupt);
  EXPECT_EQ(kept_aside().size(), 1u);
  ASSERT_TRUE(open(false));
  EXPECT_NE(client.ask("fetch key"), "value " + hex("headdata"));
}

// What fails then says nothing about the file: it is as good as it was, also for clients that have it open.
TEST_P(TdbFile, AFileThatCannotBeTakenUpForWantOfDescriptorsIsLeftAsItIs) {
  ASSERT_TRUE(open(false));
  put("key", "data");
  TdbClient client(path(), file_->open_flags());
  // One more each time, so that each of those that it needs is missed once.
  bool taken_up = false;
  for (int more = 0; more < 20 && !taken_up; ++more) {
    restart();
    {
      const NoDescriptors none(more);
      taken_up = open(true);
    }
    if (taken_up) break;
    EXPECT_EQ(error_.saved_errno, EMFILE) << error_.text();
    EXPECT_TRUE(is_shortage(error_)) << error_.text();
    EXPECT_TRUE(kept_aside().empty());
    EXPECT_EQ(client.ask("fetch key"), "value " + hex("headdata"));
  }
  ASSERT_TRUE(taken_up);
  EXPECT_EQ(get("key"), "headdata");
}

TEST_P(TdbFile, ADamagedFileThatCannotBeLookedAtForWantOfMemoryIsLeftAsItIs) {
  ASSERT_TRUE(open(false));
  put("key", std::string(1 << 20, 'd'));
  restart();
  break_free_list(path());
  {
    const NoMemory none;
    ASSERT_FALSE(open(true));
    EXPECT_EQ(error_.saved_errno, ENOMEM) << error_.text();
  }
  EXPECT_TRUE(kept_aside().empty());
  ASSERT_TRUE(open(true)) << error_.text();
  EXPECT_EQ(get("key"), "head" + std::string(1 << 20, 'd'));
}

// libtdb says of what it cannot read that it is damaged. The kernel says EIO of a process's first bytes.
TEST_P(TdbFile, AFileThatTheDiskDoesNotGiveNowIsLeftAsItIs) {
  ASSERT_TRUE(open(false));
  put("key", "data");
  restart();
  const std::string good = path() + ".good";
  fs::rename(path(), good);
  fs::create_symlink("/proc/self/mem", path());
  ASSERT_FALSE(open(true));
  EXPECT_EQ(error_.saved_errno, EIO) << error_.text();
  EXPECT_TRUE(kept_aside().empty());
  fs::rename(good, path());
  ASSERT_TRUE(open(true)) << error_.text();
  EXPECT_EQ(get("key"), "headdata");
}

TEST_P(TdbFile, ABrokenFreeListCostsNoRecordWhenTheFileIsTakenUp) {
  ASSERT_TRUE(open(false));
  put("key", "data");
  restart();
  break_free_list(path());
  ASSERT_TRUE(open(true)) << error_.text();
  EXPECT_EQ(get("key"), "headdata");
  put("other", std::string(50000, 'o'));
  EXPECT_TRUE(kept_aside().empty());
}

TEST_P(TdbFile, ABrokenFreeListIsRepairedUnderClientsThatHaveTheFileOpen) {
  ASSERT_TRUE(open(false));
  put("key", "data");
  TdbClient client(path(), file_->open_flags());
  restart();
  break_free_list(path());
  ASSERT_TRUE(open(true)) << error_.text();
  EXPECT_EQ(get("key"), "headdata");
  EXPECT_EQ(client.ask("fetch key"), "value " + hex("headdata"));
  EXPECT_TRUE(kept_aside().empty());
}

TEST_P(TdbFile, ABrokenFreeListIsNoFullDisk) {
  ASSERT_TRUE(open(false));
  put("key", "data");
  TdbClient client(path(), file_->open_flags());
  break_free_list(path());
  ASSERT_EQ(file_->try_lock(as_bytes("key")), RecordFile::Lock::kHeld);
  const Result<void> stored = file_->store(as_bytes("key"), as_bytes("head"), Bytes(50000, 'x'));
  file_->unlock(as_bytes("key"));
  ASSERT_FALSE(stored);
  EXPECT_EQ(stored.error().code, ErrorCode::kCorrupt) << stored.error().text();
  EXPECT_EQ(get("key"), "headdata");
  std::string found;
  EXPECT_EQ(file_->examine(found, [](const RecordFile::ChainMarks&) {}), RecordFile::Examined::kRepaired);
  put("key", std::string(50000, 'x'));
}

// libtdb does not read a record whose own link leads nowhere; who examines the file keeps it.
TEST_P(TdbFile, ARecordInADamagedChainIsNotTakenForGone) {
  using Presence = RecordFile::Presence;
  const ByteView key = as_bytes("key"), other = as_bytes("other");
  ASSERT_TRUE(open(false));
  put("key", "data");
  ASSERT_EQ(file_->try_lock(key), RecordFile::Lock::kHeld);
  EXPECT_EQ(file_->presence(key), Presence::kThere);
  break_chain(path(), key, UINT32_MAX - 3);
  EXPECT_EQ(file_->presence(key), Presence::kUnreadable);
  const Result<void> removed = file_->remove(key);
  file_->unlock(key);
  ASSERT_FALSE(removed);
  EXPECT_EQ(removed.error().code, ErrorCode::kCorrupt) << removed.error().text();
  EXPECT_EQ(removed.error().text().find("remove the file"), std::string::npos) << removed.error().text();
  std::string found;
  Presence then = Presence::kGone;
  EXPECT_EQ(file_->examine(found, [&](const RecordFile::ChainMarks&) { then = file_->presence(key); }),
            RecordFile::Examined::kRepaired);
  EXPECT_EQ(then, Presence::kThere);
  EXPECT_EQ(get("key"), "headdata");
  ASSERT_EQ(file_->try_lock(other), RecordFile::Lock::kHeld);
  EXPECT_EQ(file_->presence(other), Presence::kGone);
  EXPECT_TRUE(file_->store(other, {}, {}));
  EXPECT_EQ(file_->presence(other), Presence::kThere) << "without a value";
  file_->unlock(other);
}

TEST_P(TdbFile, AFileThatCannotBeMappedNowIsNotTakenForDamaged) {
  ASSERT_TRUE(open(false));
  put("key", "data");
  std::string found;
  const auto examine = [&] { return file_->examine(found, [](const RecordFile::ChainMarks&) {}); };
  ASSERT_EQ(examine(), RecordFile::Examined::kSound);
  TdbClient client(path(), file_->open_flags());
  ASSERT_EQ(client.ask("store large " + std::string(1 << 20, 'x')), "ok");
  {
    const NoMemory none;
    EXPECT_EQ(examine(), RecordFile::Examined::kBusy) << found;
  }
  EXPECT_NE(found, "");
  EXPECT_EQ(examine(), RecordFile::Examined::kSound);
}

// libtdb's check refuses what libtdb itself has made then. Sparse, so that it takes no room on the disk.
TEST_P(TdbFile, AFileThatIsFullIsTakenUp) {
  for (const bool examined : {false, true}) {
    restart();
    ASSERT_TRUE(open(false));
    put("key", "data");
    file_.reset();
    make_longer(path(), UINT32_MAX - 20003);
    ASSERT_TRUE(open(true)) << error_.text();
    ASSERT_EQ(file_->try_lock(as_bytes("other")), RecordFile::Lock::kHeld);
    Result<void> last;
    for (size_t bytes = 4000; bytes < 100000 && last; bytes += 4000)
      last = file_->store(as_bytes("other"), as_bytes("head"), Bytes(bytes, 'o'));
    file_->unlock(as_bytes("other"));
    ASSERT_FALSE(last);
    EXPECT_EQ(last.error().code, ErrorCode::kSystem) << last.error().text();
    EXPECT_NE(last.error().text().find("4 GiB"), std::string::npos) << last.error().text();
    for (int i = 0; i < 20; ++i) put("end " + std::to_string(i), std::string(static_cast<size_t>(i), 'e'));
    const std::string other = get("other");
    RecordFile::ChainMarks expected(file_->chains());
    EXPECT_TRUE(file_->for_each([&](ByteView key, ByteView) {
      expected[file_->chain_of(key)] += RecordFile::mark_of(jenkins_hash(key));
      return true;
    }));
    std::string found;
    RecordFile::ChainMarks there;
    const auto examine = [&] {
      return file_->examine(found, [&](const RecordFile::ChainMarks& marks) { there = marks; });
    };
    if (examined) {
      EXPECT_EQ(examine(), RecordFile::Examined::kRepaired);
      EXPECT_EQ(there, expected) << found;
    }
    restart();
    ASSERT_TRUE(open(true)) << error_.text();
    EXPECT_EQ(get("key"), "headdata");
    EXPECT_EQ(get("other"), other);
    for (int i = 0; i < 20; ++i)
      EXPECT_EQ(get("end " + std::to_string(i)), "head" + std::string(static_cast<size_t>(i), 'e'));
    EXPECT_EQ(examine(), RecordFile::Examined::kSound) << found;
    EXPECT_EQ(there, expected);
    EXPECT_EQ(examine(), RecordFile::Examined::kSound) << found;
    put("small", "data");
    EXPECT_EQ(get("small"), "headdata");
    EXPECT_EQ(examine(), RecordFile::Examined::kSound) << found;
  }
}

TEST_P(TdbFile, WhoExaminesAFileIsToldWhatIsInIt) {
  ASSERT_TRUE(open(false));
  RecordFile::ChainMarks expected(file_->chains());
  for (int i = 0; i < 100; ++i) {
    const std::string key = "key " + std::to_string(i);
    put(key, "data");
    if (i % 3 != 0) {
      expected[file_->chain_of(as_bytes(key))] += RecordFile::mark_of(jenkins_hash(as_bytes(key)));
    } else {
      ASSERT_EQ(file_->try_lock(as_bytes(key)), RecordFile::Lock::kHeld);
      EXPECT_TRUE(file_->remove(as_bytes(key)));
      file_->unlock(as_bytes(key));
    }
  }
  for (const bool broken : {false, true}) {
    if (broken) break_free_list(path());
    std::string found;
    RecordFile::ChainMarks there;
    file_->examine(found, [&](const RecordFile::ChainMarks& marks) { there = marks; });
    EXPECT_EQ(there, expected);
  }
}

// Whether a process holds the byte with which libtdb says that a file is in use, in the way only a store or keeper does.
bool is_guarded(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) return false;
  const std::string inode = ":" + std::to_string(info.st_ino) + " 4 4";
  std::ifstream locks("/proc/locks");
  for (std::string line; std::getline(locks, line);) {
    if (line.find("OFDLCK") != std::string::npos && line.ends_with(inode)) return true;
  }
  return false;
}

// Found by chaos on a busy machine: the lease ended while a store that had begun anew took the file up, and clients went on with their
// records until it was done.
TEST_P(TdbFile, AKeeperOpensTheFileWhileAStoreTakesItUp) {
  ASSERT_TRUE(open(false));
  put("key", "data");
  TdbClient client(path(), file_->open_flags());
  const int flags = file_->open_flags();
  restart();
  break_free_list(path());
  // So the store has to have the whole file, and does not get it.
  ASSERT_EQ(client.ask("lock key"), "ok");
  const pid_t store = fork();
  if (store == 0) {
    alarm(60);
    restart();
    _exit(open(true) ? 0 : 1);
  }
  int status = 0;
  // The kernel tells nobody that somebody has got a lock.
  while (!is_guarded(path()) && waitpid(store, &status, WNOHANG) == 0) usleep(100);
  const Result<SharedTdb> keeper = open_shared(path(), flags);
  EXPECT_TRUE(keeper.has_value()) << keeper.error().text();
  EXPECT_EQ(waitpid(store, &status, WNOHANG), 0) << "the store was done before";
  EXPECT_EQ(client.ask("unlock key"), "ok");
  waitpid(store, &status, 0);
  EXPECT_EQ(status, 0);
}

// What happens to a damaged file is found out in a child, so that even a crash in libtdb would be seen.
class TdbDamage : public TdbFile {
 protected:
  void SetUp() override {
    TdbFile::SetUp();
    ASSERT_TRUE(open(false));
    for (int i = 0; i < 300; ++i) put("key" + std::to_string(i), std::string(static_cast<size_t>(i), 'd'));
    file_.reset();
    std::ifstream in(path(), std::ios::binary);
    good_.assign(std::istreambuf_iterator<char>(in), {});
  }
  void write(const std::string& bytes) { std::ofstream(path(), std::ios::binary | std::ios::trunc) << bytes; }
  // Exit status of a process that takes the file up, reads and writes it, and opens a fresh one if it must.
  int use_in_child() {
    const pid_t child = fork();
    if (child == 0) {
      alarm(60);
      restart();
      if (!open(true) && (error_.code != ErrorCode::kCorrupt || kept_aside().empty() || !open(true)))
        _exit(3);
      (void)file_->for_each([](ByteView, ByteView) { return true; }).has_value();
      Bytes value;
      for (int i = 0; i < 300; ++i) {
        const std::string key = "key" + std::to_string(i);
        if (file_->try_lock(as_bytes(key)) != RecordFile::Lock::kHeld) continue;
        file_->fetch(as_bytes(key), value);
        (void)file_->store(as_bytes(key), as_bytes("head"), as_bytes("new data")).has_value();
        file_->unlock(as_bytes(key));
      }
      file_.reset();
      _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    for (const std::string& kept : kept_aside()) fs::remove(kept);
    return status;
  }
  std::string good_;
};
INSTANTIATE_TEST_SUITE_P(Mutexes, TdbDamage, testing::Bool(),
                         [](const auto& info) { return info.param ? "On" : "Off"; });

TEST_P(TdbDamage, ATruncatedFileNeverEndsTheStore) {
  Random random(1);
  for (int i = 0; i < 60; ++i) {
    const size_t size = i < 20 ? static_cast<size_t>(i) * 16 : random.below(good_.size());
    write(good_.substr(0, size));
    EXPECT_EQ(use_in_child(), 0) << "cut to " << size << " of " << good_.size();
  }
}

TEST_P(TdbDamage, ScribbledBytesNeverEndTheStore) {
  Random random(2);
  for (int i = 0; i < 300; ++i) {
    std::string bad = good_;
    // Half of the time near the front, where header and mutexes are.
    const size_t at = random.one_in(2) ? random.below(8192) : random.below(bad.size());
    const size_t length = 1 + random.below(32);
    for (size_t k = at; k < std::min(at + length, bad.size()); ++k) bad[k] = static_cast<char>(random.next());
    write(bad);
    EXPECT_EQ(use_in_child(), 0) << "round " << i << ", " << length << " bytes at " << at << " of "
                                 << bad.size();
  }
}

// ---- a full disk ----

// In a child: the limit stays with the process.
int with_file_size_limit(rlim_t bytes, const std::function<int()>& body) {
  const pid_t child = fork();
  if (child == 0) {
    alarm(60);
    signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{bytes, bytes};
    setrlimit(RLIMIT_FSIZE, &limit);
    _exit(body());
  }
  int status = 0;
  waitpid(child, &status, 0);
  return status;
}

TEST_P(TdbFile, AStoreThatFindsNoRoomIsAnErrorAndTheOldRecordStays) {
  const int status = with_file_size_limit(1 << 20, [&] {
    restart();
    if (!open(false)) return 3;
    put("key", "data");
    const std::string large(2 << 20, 'x');
    if (file_->try_lock(as_bytes("key")) != RecordFile::Lock::kHeld) return 4;
    const Result<void> stored = file_->store(as_bytes("key"), as_bytes("head"), as_bytes(large));
    file_->unlock(as_bytes("key"));
    if (stored.has_value() || stored.error().code != ErrorCode::kSystem) return 5;
    if (stored.error().text().find(path()) == std::string::npos) return 6;
    return get("key") == "headdata" ? 0 : 7;
  });
  EXPECT_EQ(status, 0) << "exit status " << WEXITSTATUS(status);
}

// libtdb deletes what must grow before it looks for room, and takes more room for a record than it gives back. Found by chaos on real
// processes: whoever locked the record next took it for a new one.
TEST_P(TdbFile, ARecordThatCannotGrowInAFullFileIsStillThere) {
  const int status = with_file_size_limit(256 << 10, [&] {
    restart();
    if (!open(false)) return 3;
    put("key", std::string(100, 'd'));
    const std::string data(120, 'd');  // as large as what libtdb has put aside for the first
    put("key", data);
    if (file_->try_lock(as_bytes("key")) != RecordFile::Lock::kHeld) return 4;
    for (int i = 0;; ++i) {
      const std::string fill = "fill" + std::to_string(i);
      if (!file_->store(as_bytes(fill), as_bytes("head"), as_bytes(fill))) break;
    }
    const std::string larger(400, '+');
    if (file_->store(as_bytes("key"), as_bytes("head"), as_bytes(larger))) return 5;
    file_->unlock(as_bytes("key"));
    return get("key") == "head" + data ? 0 : 6;
  });
  EXPECT_EQ(status, 0) << "exit status " << WEXITSTATUS(status);
}

TEST_P(TdbFile, AFileThatCannotBeMadeIsAnError) {
  const int status = with_file_size_limit(64, [&] {
    restart();
    return open(false) ? 3 : error_.code == ErrorCode::kSystem || error_.code == ErrorCode::kCorrupt ? 0 : 4;
  });
  EXPECT_EQ(status, 0) << "exit status " << WEXITSTATUS(status);
}

}  // namespace
}  // namespace ctdb
