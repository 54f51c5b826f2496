// SPDX-License-Identifier: GPL-3.0-or-later
// tdb_file beyond the common rules: what other processes with the file open see, restarts, damage, a full
// disk.
#include "ctdb-store/backend/tdb_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "ctdb-store/backend/keeper_process.h"
#include "libctdbipc/base/random.h"
#include "libctdbipc/base/tdb_image.h"
#include "libctdbipc/wire/layout.h"
#include "libctdbipc/wire/packet.h"
#include "tests/unit/store/record_file_conformance.h"
#include "tests/unit/store/tdb_client.h"
#include "tests/unit/store/temporary_directory.h"

namespace ctdb {
namespace {

namespace fs = std::filesystem;

constexpr int kMutexFlags = 0x1c41, kPlainFlags = 0x0c41, kSeqnumFlag = 0x80;
// Few chains keep files small where the number does not matter.
constexpr uint32_t kFewChains = 131;

template <bool kMutexes>
struct TdbMaker {
  std::unique_ptr<RecordFiles> make() {
    return make_tdb_files(
        {.volatile_directory = directory.path(), .pnn = 3, .mutexes = kMutexes, .hash_size = kFewChains});
  }
  // libtdb takes mark() on trust; with a worker that really holds the lock: lock_workers_test.
  void worker_locks(ByteView) {}
  void worker_unlocks(ByteView) {}
  TemporaryDirectory directory;
};
INSTANTIATE_TYPED_TEST_SUITE_P(TdbWithMutexes, RecordFileConformance, TdbMaker<true>);
INSTANTIATE_TYPED_TEST_SUITE_P(TdbWithoutMutexes, RecordFileConformance, TdbMaker<false>);

class TdbFile : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override { restart(); }
  // As a restarted store would: nothing of the former one is left.
  void restart() {
    file_.reset();
    files_ = make_tdb_files(
        {.volatile_directory = directory_.path(), .pnn = 0, .mutexes = GetParam(), .hash_size = hash_size_});
  }
  bool open(bool keep) {
    auto opened = files_->open("test.tdb", 0, keep);
    if (opened) file_ = std::move(*opened);
    error_ = opened ? Error{} : opened.error();
    return opened.has_value();
  }
  void put(const std::string& key, const std::string& data) {
    ASSERT_EQ(file_->try_lock(as_bytes(key)), RecordFile::Lock::kHeld);
    ASSERT_TRUE(file_->store(as_bytes(key), as_bytes("head"), as_bytes(data)).has_value());
    file_->unlock(as_bytes(key));
  }
  std::string get(const std::string& key) {
    Bytes value;
    return file_->fetch(as_bytes(key), value) ? std::string(as_text(value)) : "(none)";
  }
  std::string path() const { return directory_.path() + "/test.tdb.0"; }
  std::vector<std::string> kept_aside() const {
    std::vector<std::string> found;
    for (const auto& entry : fs::directory_iterator(directory_.path())) {
      const std::string name = entry.path().filename();
      if (name.find(".corrupted.") != std::string::npos) found.push_back(entry.path());
    }
    return found;
  }

  TemporaryDirectory directory_;
  uint32_t hash_size_ = kFewChains;
  std::unique_ptr<RecordFiles> files_;
  std::unique_ptr<RecordFile> file_;
  Error error_;
};
INSTANTIATE_TEST_SUITE_P(Mutexes, TdbFile, testing::Bool(),
                         [](const auto& info) { return info.param ? "On" : "Off"; });

// Fencing a node must not wait for ever for a file that nobody can open (found by chaos on real processes).
TEST_P(TdbFile, AFileThatWasNeverFinishedIsPutAsideByTheKeeper) {
  ASSERT_TRUE(open(false));
  put("k", "v");
  file_.reset();
  fs::resize_file(path(), 300);
  const auto page = NodePage::in_memory();
  ASSERT_TRUE(page);
  EXPECT_TRUE(fence_file(path(), volatile_tdb_flags(GetParam()), 0, **page, (*page)->serving_epoch()));
  EXPECT_EQ(kept_aside().size(), 1u);
  EXPECT_FALSE(fs::exists(path()));
  EXPECT_TRUE(fence_file(path(), volatile_tdb_flags(GetParam()), 0, **page, (*page)->serving_epoch()));
  restart();
  ASSERT_TRUE(open(true)) << error_.text();
  EXPECT_EQ(get("k"), "(none)");
}

// Whose copies others may change while this node cannot hear of it.
TEST_P(TdbFile, AKeeperTakesReadOnlyCopiesAway) {
  ASSERT_TRUE(open(false));
  const auto put_header = [this](const std::string& key, uint32_t dmaster, uint32_t flags) {
    Bytes header;
    append_record_header(header, {7, dmaster, flags});
    ASSERT_EQ(file_->try_lock(as_bytes(key)), RecordFile::Lock::kHeld);
    ASSERT_TRUE(file_->store(as_bytes(key), header, as_bytes("value")).has_value());
    file_->unlock(as_bytes(key));
  };
  constexpr uint32_t kRead = CTDB_RECORD_RO_HAVE_READONLY, kKept = CTDB_RECORD_MIGRATED_WITH_DATA;
  put_header("read", 5, kRead | kKept);
  put_header("owned", 0, CTDB_RECORD_RO_HAVE_DELEGATIONS);
  put_header("other", 5, kKept);
  file_.reset();
  const auto page = NodePage::in_memory();
  ASSERT_TRUE(page);
  EXPECT_TRUE(fence_file(path(), volatile_tdb_flags(GetParam()), 0, **page, (*page)->serving_epoch()));
  ASSERT_TRUE(open(true)) << error_.text();
  const auto expect = [this](const std::string& key, uint32_t dmaster, uint32_t flags) {
    Bytes value;
    ASSERT_TRUE(file_->fetch(as_bytes(key), value)) << key;
    const auto header = read_record_header(value);
    EXPECT_EQ(header->dmaster, dmaster) << key;
    EXPECT_EQ(header->flags, flags) << key;
    EXPECT_EQ(header->rsn, 7u) << key;
    EXPECT_EQ(as_text(ByteView(value).subspan(CTDB_RECORD_HEADER_SIZE)), "value") << key;
  };
  expect("read", 5, kKept);
  expect("owned", CTDB_UNKNOWN_PNN, CTDB_RECORD_RO_HAVE_DELEGATIONS);
  expect("other", 5, kKept);
}

TEST_P(TdbFile, SaysTheFlagsClientsKnow) {
  ASSERT_TRUE(open(false));
  const int flags = GetParam() ? kMutexFlags : kPlainFlags;
  EXPECT_EQ(file_->open_flags(), flags);
  file_->enable_seqnum();
  EXPECT_EQ(file_->open_flags(), flags | kSeqnumFlag);
  EXPECT_EQ(file_->path(), path());
  EXPECT_GT(file_->file_bytes(), 0u);
}

TEST_P(TdbFile, TunablesCountForFilesMadeFromNowOn) {
  ASSERT_TRUE(open(false));
  put("key", "value");
  const uint64_t small = file_->file_bytes();
  files_->tune(100 * kFewChains, 3);
  file_.reset();
  ASSERT_TRUE(open(true));
  EXPECT_EQ(get("key"), "headvalue");
  EXPECT_EQ(file_->file_bytes(), small) << "a file that is there keeps its chains";
  file_.reset();
  fs::remove(path());
  ASSERT_TRUE(open(false));
  EXPECT_GT(file_->file_bytes(), small + 50 * kFewChains * 4);
}

TEST_P(TdbFile, FileModeIsForTheOwnerOnly) {
  ASSERT_TRUE(open(false));
  struct stat info;
  ASSERT_EQ(stat(path().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_P(TdbFile, ANewFileHasTheConfiguredNumberOfChains) {
  hash_size_ = 100001;
  restart();
  ASSERT_TRUE(open(false));
  uint32_t highest = 0;
  for (int i = 0; i < 1000; ++i) highest = std::max(highest, file_->chain_of(as_bytes(std::to_string(i))));
  EXPECT_GT(highest, 90000u);
  EXPECT_LT(highest, 100001u);
}

TEST_P(TdbFile, AClientReadsAndWritesWhatTheStoreHas) {
  ASSERT_TRUE(open(false));
  put("key", "data");
  TdbClient client(path(), file_->open_flags());
  ASSERT_TRUE(client.opened());
  EXPECT_EQ(client.ask("fetch key"), "value " + hex("headdata"));
  EXPECT_EQ(client.ask("lock key"), "ok");
  EXPECT_EQ(client.ask("store key headnews"), "ok");
  EXPECT_EQ(client.ask("unlock key"), "ok");
  EXPECT_EQ(get("key"), "headnews");
}

TEST_P(TdbFile, AChainAClientHoldsIsBusyAndFreeAgainAfterwards) {
  ASSERT_TRUE(open(false));
  TdbClient client(path(), file_->open_flags());
  EXPECT_EQ(client.ask("lock key"), "ok");
  EXPECT_EQ(file_->try_lock(as_bytes("key")), RecordFile::Lock::kBusy);
  EXPECT_EQ(client.ask("unlock key"), "ok");
  EXPECT_EQ(file_->try_lock(as_bytes("key")), RecordFile::Lock::kHeld);
  EXPECT_EQ(client.ask("trylock key"), "failed");
  file_->unlock(as_bytes("key"));
  EXPECT_EQ(client.ask("trylock key"), "ok");
}

TEST_P(TdbFile, NamesTheProcessThatHoldsAChain) {
  ASSERT_TRUE(open(false));
  TdbClient client(path(), file_->open_flags());
  for (const std::string key : {"key", "another", "third"}) {
    EXPECT_EQ(file_->lock_holder(as_bytes(key)).pid, 0u);
    ASSERT_EQ(client.ask("lock " + key), "ok");
    EXPECT_EQ(file_->lock_holder(as_bytes(key)).pid, static_cast<uint32_t>(client.pid()));
    EXPECT_EQ(file_->lock_holder(as_bytes(key)).program, "tdb_client_proc");  // as far as the kernel keeps it
    EXPECT_EQ(file_->lock_holder(as_bytes("somebody else's")).pid, 0u);
    ASSERT_EQ(client.ask("unlock " + key), "ok");
  }
}

TEST_P(TdbFile, KeysOfOneChainShareTheLockAndOthersDoNot) {
  ASSERT_TRUE(open(false));
  TdbClient client(path(), file_->open_flags());
  ASSERT_EQ(client.ask("lock key"), "ok");
  const uint32_t held = file_->chain_of(as_bytes("key"));
  int same = 0;
  for (int i = 0; i < 1000; ++i) {
    const std::string other = "other" + std::to_string(i);
    const bool shares = file_->chain_of(as_bytes(other)) == held;
    same += shares ? 1 : 0;
    ASSERT_EQ(file_->try_lock(as_bytes(other)), shares ? RecordFile::Lock::kBusy : RecordFile::Lock::kHeld)
        << other;
    if (!shares) file_->unlock(as_bytes(other));
  }
  EXPECT_GT(same, 0);
}

TEST_P(TdbFile, TheLockOfAKilledClientIsFree) {
  ASSERT_TRUE(open(false));
  put("key", "data");
  TdbClient client(path(), file_->open_flags());
  ASSERT_EQ(client.ask("lock key"), "ok");
  client.kill_it();
  EXPECT_EQ(file_->try_lock(as_bytes("key")), RecordFile::Lock::kHeld);
  EXPECT_EQ(get("key"), "headdata");
  file_->unlock(as_bytes("key"));
}

TEST_P(TdbFile, ClientsSeeTheSequenceNumber) {
  ASSERT_TRUE(open(false));
  file_->enable_seqnum();
  file_->increment_seqnum();
  TdbClient client(path(), file_->open_flags());
  EXPECT_EQ(client.ask("seqnum"), "value " + std::to_string(file_->seqnum()));
}

// ---- restarts ----

TEST_P(TdbFile, AClientThatOpensAfterARestartDoesNotClear) {
  ASSERT_TRUE(open(false));
  const int flags = file_->open_flags();
  put("key", "data");
  restart();
  ASSERT_TRUE(open(true));
  {
    TdbClient client(path(), flags);
    ASSERT_TRUE(client.opened());
    EXPECT_EQ(client.ask("fetch key"), "value " + hex("headdata"));
  }
  TdbClient second(path(), flags);
  EXPECT_EQ(second.ask("fetch key"), "value " + hex("headdata"));
  EXPECT_EQ(get("key"), "headdata");
}

TEST_P(TdbFile, AClientThatLivedThroughARestartGoesOn) {
  ASSERT_TRUE(open(false));
  put("key", "data");
  TdbClient client(path(), file_->open_flags());
  restart();
  ASSERT_EQ(client.ask("store key headmine"), "ok");
  ASSERT_TRUE(open(true));
  EXPECT_EQ(get("key"), "headmine");
  put("key", "new");
  EXPECT_EQ(client.ask("fetch key"), "value " + hex("headnew"));
}

// It may hold the lock until it gets an answer from the store that starts.
TEST_P(TdbFile, TakingUpAndReadingDoNotWaitForAClientsLock) {
  ASSERT_TRUE(open(false));
  put("key", "data");
  put("other", "data");
  TdbClient client(path(), file_->open_flags());
  ASSERT_EQ(client.ask("lock key"), "ok");
  restart();
  ASSERT_TRUE(open(true)) << error_.text();
  int visits = 0;
  EXPECT_TRUE(file_->for_each([&](ByteView, ByteView) { return ++visits, true; }).has_value());
  EXPECT_EQ(visits, 2);
  EXPECT_EQ(client.ask("unlock key"), "ok");
}

TEST_P(TdbFile, EmptyingUnderALivingClientEmptiesItForTheClientToo) {
  ASSERT_TRUE(open(false));
  put("key", "data");
  TdbClient client(path(), file_->open_flags());
  restart();
  ASSERT_TRUE(open(false));
  EXPECT_EQ(client.ask("fetch key"), "none");
  put("key", "new");
  EXPECT_EQ(client.ask("fetch key"), "value " + hex("headnew"));
}

TEST_P(TdbFile, AClientThatKeepsItsLockCannotKeepTheOldContents) {
  ASSERT_TRUE(open(false));
  put("key", "data");
  TdbClient client(path(), file_->open_flags());
  ASSERT_EQ(client.ask("lock key"), "ok");
  restart();
  ASSERT_TRUE(open(false)) << error_.text();
  EXPECT_EQ(get("key"), "(none)");
  EXPECT_NE(client.ask("fetch key"), "value " + hex("headdata"));
}

TEST_P(TdbFile, FilesOfOtherNodesAndLeftoversAreNotTakenUp) {
  for (const char* name : {"a.tdb.0", "b.tdb.1", "c.tdb.0.corrupted.20200101000000.0Z", ".0", "x.tdb.10"}) {
    std::ofstream(directory_.path() + "/" + name) << "x";
  }
  EXPECT_EQ(files_->existing(), std::vector<std::string>{"a.tdb"});
}

// ---- names and kinds ----

TEST_P(TdbFile, RefusesNamesThatAreNoFileNames) {
  const std::string nul("a\0b", 3);
  for (const std::string& name : {std::string(), std::string("../x"), std::string("a/b"), std::string("."),
                                  std::string(300, 'n'), nul}) {
    const auto opened = files_->open(name, 0, false);
    ASSERT_FALSE(opened.has_value());
    EXPECT_EQ(opened.error().code, ErrorCode::kInvalid);
  }
  EXPECT_TRUE(files_->open(std::string(253, 'n'), 0, false).has_value());
}

TEST_P(TdbFile, ADirectoryThatIsNotThereIsNamedInTheError) {
  const auto files = make_tdb_files({.volatile_directory = directory_.path() + "/missing"});
  const auto opened = files->open("test.tdb", 0, false);
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code, ErrorCode::kSystem);
  EXPECT_NE(opened.error().text().find(directory_.path() + "/missing"), std::string::npos);
}

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

// No descriptor can be had while this lives.
class NoDescriptors {
 public:
  NoDescriptors() {
    const int first_free = dup(0);
    close(first_free);
    getrlimit(RLIMIT_NOFILE, &before_);
    const rlimit limit{static_cast<rlim_t>(first_free), before_.rlim_max};
    setrlimit(RLIMIT_NOFILE, &limit);
  }
  ~NoDescriptors() { setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

// Found by chaos on real processes: the store went on without the database, its clients with its records.
TEST_P(TdbFile, AFileThatCannotBeTakenUpIsTakenAwayFromItsClients) {
  ASSERT_TRUE(open(false));
  put("key", "data");
  TdbClient client(path(), file_->open_flags());
  restart();
  {
    const NoDescriptors none;
    ASSERT_FALSE(open(true));
    EXPECT_EQ(error_.saved_errno, EMFILE) << error_.text();
  }
  EXPECT_FALSE(fs::exists(path()));
  EXPECT_NE(client.ask("fetch key"), "value " + hex("headdata"));
}

// Sets the head of the free list to a place where nothing is, as a store may leave it that is killed.
void break_free_list(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDWR);
  struct stat info {};
  fstat(fd, &info);
  const auto bytes = static_cast<size_t>(info.st_size);
  void* at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  TdbImage::of({static_cast<uint8_t*>(at), bytes})->free_head() = 20;
  munmap(at, bytes);
  close(fd);
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

TEST_P(TdbFile, AFileThatCannotBeMadeIsAnError) {
  const int status = with_file_size_limit(64, [&] {
    restart();
    return open(false) ? 3 : error_.code == ErrorCode::kSystem || error_.code == ErrorCode::kCorrupt ? 0 : 4;
  });
  EXPECT_EQ(status, 0) << "exit status " << WEXITSTATUS(status);
}

}  // namespace
}  // namespace ctdb
