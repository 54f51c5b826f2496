// SPDX-License-Identifier: GPL-3.0-or-later
// tdb_file beyond the common rules: what other processes with the file open see, restarts, names.
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
#include "libctdbipc/base/unique_fd.h"
#include "libctdbipc/wire/layout.h"
#include "libctdbipc/wire/packet.h"
#include "tests/unit/store/record_file_conformance.h"
#include "tests/unit/store/tdb_client.h"
#include "tests/unit/store/tdb_file_fixture.h"
#include "tests/unit/store/temporary_directory.h"

namespace ctdb {
namespace {

constexpr int kMutexFlags = 0x1c41, kPlainFlags = 0x0c41, kSeqnumFlag = 0x80;

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

// Also in a file that holds nothing but what libtdb keeps of deleted records.
TEST_P(TdbFile, ALookAtChainsEndsAfterSoManyBlocks) {
  ASSERT_TRUE(open(false));
  constexpr uint32_t kRecords = 300, kBlocks = 20;
  const auto looked_at = [&] {
    uint32_t blocks = 0;
    RecordFile::ChainsSeen seen;
    do {
      seen = file_->look_at_chains(seen.next, kFewChains, kBlocks);
      EXPECT_LT(seen.blocks, kBlocks + kRecords / 10);  // one chain more
      EXPECT_FALSE(seen.broken);
      blocks += seen.blocks;
    } while (seen.next != 0);
    return blocks;
  };
  for (uint32_t i = 0; i < kRecords; ++i) put(std::to_string(i), "data");
  EXPECT_EQ(looked_at(), kRecords);
  for (uint32_t i = 0; i < kRecords; ++i) {
    ASSERT_EQ(file_->try_lock(as_bytes(std::to_string(i))), RecordFile::Lock::kHeld);
    ASSERT_TRUE(file_->remove(as_bytes(std::to_string(i))).has_value());
    file_->unlock(as_bytes(std::to_string(i)));
  }
  EXPECT_GT(looked_at(), kRecords / 2);
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

TEST_P(TdbFile, WhatAStoreLeavesThatDiesWhileItForgetsALeftoverIsNoDamage) {
  const Bytes one = to_bytes(as_bytes("one")), two = to_bytes(as_bytes("two"));
  ASSERT_TRUE(open(false));
  ASSERT_TRUE(file_->note_leftovers({one, two}));
  ASSERT_TRUE(file_->forget_leftovers({one}));
  const std::string note = path() + ".leftovers";
  for (const uint64_t less : {1u, 3u, 5u, 7u}) {
    ASSERT_TRUE(file_->note_leftovers({one, two}));
    ASSERT_TRUE(file_->forget_leftovers({one}));
    fs::resize_file(note, fs::file_size(note) - less);
    restart();
    ASSERT_TRUE(open(true)) << error_.text();
    EXPECT_EQ(file_->leftovers()->size(), 2u);
    ASSERT_TRUE(file_->forget_leftovers({two}));
    EXPECT_EQ(*file_->leftovers(), std::vector<Bytes>{one});
  }
}

TEST_P(TdbFile, FilesOfOtherNodesAndLeftoversAreNotTakenUp) {
  for (const char* name : {"a.tdb.0", "b.tdb.1", "c.tdb.0.corrupted.20200101000000.0Z", ".0", "x.tdb.10"}) {
    std::ofstream(directory_.path() + "/" + name) << "x";
  }
  EXPECT_EQ(files_->existing(), std::vector<std::string>{"a.tdb"});
}

// ---- detached databases ----

TEST_P(TdbFile, OfADetachedDatabaseThatNobodyHasOpenNothingStays) {
  ASSERT_TRUE(open(false));
  put("key", "data");
  ASSERT_TRUE(file_->note_leftovers({to_bytes(as_bytes("key"))}).has_value());
  file_.reset();
  EXPECT_TRUE(files_->detach("test.tdb").has_value());
  EXPECT_TRUE(fs::is_empty(directory_.path()));
}

// In each life of the store that follows, and when the client has ended the next one takes away what is left.
TEST_P(TdbFile, ADetachedDatabaseThatAClientHasOpenIsEmptyAndStaysAway) {
  ASSERT_TRUE(open(false));
  put("key", "data");
  {
    TdbClient client(path(), file_->open_flags());
    file_.reset();
    EXPECT_TRUE(files_->detach("test.tdb").has_value());
    EXPECT_EQ(client.ask("fetch key"), "none");
    for (int life = 0; life < 3; ++life) {
      restart();
      EXPECT_TRUE(files_->existing().empty());
      EXPECT_EQ(files_->detached(), std::vector<std::string>{"test.tdb"});
      if (life == 0) continue;
      EXPECT_TRUE(files_->detach("test.tdb").has_value());
      files_->discard("test.tdb", [](ByteView, ByteView) {});
    }
    ASSERT_TRUE(open(false));
    put("key", "new");
    EXPECT_EQ(client.ask("fetch key"), "value " + hex("headnew")) << "it is the file that he has";
    restart();
    EXPECT_EQ(files_->existing(), std::vector<std::string>{"test.tdb"});
    EXPECT_TRUE(files_->detach("test.tdb").has_value());
  }
  restart();
  EXPECT_TRUE(files_->detach("test.tdb").has_value());
  EXPECT_TRUE(fs::is_empty(directory_.path()));
}

// Else he would go on with a file that has no name any more.
TEST_P(TdbFile, WhoIsJustOpeningADetachedDatabaseHasTheFileThatItWillHave) {
  ASSERT_TRUE(open(false));
  put("key", "data");
  const int flags = file_->open_flags();
  file_.reset();
  {
    const UniqueFd opener(::open(path().c_str(), O_RDWR | O_CLOEXEC));
    struct flock byte {};  // the first one: held by libtdb as long as an open takes
    byte.l_type = F_WRLCK;
    byte.l_len = 1;
    ASSERT_EQ(fcntl(opener.get(), F_OFD_SETLK, &byte), 0);
    EXPECT_TRUE(files_->detach("test.tdb").has_value());
    EXPECT_TRUE(fs::exists(path()));
    EXPECT_TRUE(files_->existing().empty());
  }
  TdbClient client(path(), flags);
  EXPECT_EQ(client.ask("fetch key"), "none") << "the first who opens it empties it";
  ASSERT_TRUE(open(false));
  put("key", "new");
  EXPECT_EQ(client.ask("fetch key"), "value " + hex("headnew"));
}

// What the list of detached databases (core/detached.h) says, and nothing of a list that is damaged.
TEST_P(TdbFile, TheListOfDetachedDatabasesOutlivesTheStore) {
  const std::vector<DetachedNote> notes = {{"a.tdb", 5, 0}, {"with\na line.tdb", 6, 7}};
  EXPECT_TRUE(files_->set_detached_list(notes).has_value());
  restart();
  EXPECT_EQ(files_->detached_list(), notes);
  EXPECT_TRUE(files_->existing().empty());
  const std::string list = fs::directory_iterator(directory_.path())->path();
  fs::resize_file(list, fs::file_size(list) - 1);
  EXPECT_TRUE(files_->detached_list().empty());
  EXPECT_TRUE(files_->set_detached_list({}).has_value());
  EXPECT_TRUE(fs::is_empty(directory_.path()));
}

TEST_P(TdbFile, WhoKeepsAChainOfADetachedDatabaseLivesOn) {
  ASSERT_TRUE(open(false));
  put("key", "data");
  TdbClient client(path(), file_->open_flags());
  ASSERT_EQ(client.ask("lock key"), "ok");
  file_.reset();
  EXPECT_TRUE(files_->detach("test.tdb").has_value());
  restart();
  EXPECT_TRUE(files_->existing().empty());
  EXPECT_EQ(client.ask("fetch key"), "value " + hex("headdata"));
  EXPECT_EQ(client.ask("unlock key"), "ok");
  EXPECT_TRUE(files_->detach("test.tdb").has_value());
  EXPECT_EQ(client.ask("fetch key"), "none");
}

// Died between emptying and the end of the note: nothing of it may count as a database.
TEST_P(TdbFile, ANoteBesideAFileThatIsUsedAnewIsBelieved) {
  ASSERT_TRUE(open(false));
  std::ofstream(path() + ".detached") << "";
  restart();
  EXPECT_TRUE(files_->existing().empty());
  ASSERT_TRUE(open(true));
  EXPECT_FALSE(fs::exists(path() + ".detached"));
}

TEST_P(TdbFile, ANoteThatCannotBeMadeOrRemovedIsTold) {
  ASSERT_TRUE(open(false));
  put("key", "data");
  TdbClient client(path(), file_->open_flags());
  file_.reset();
  fs::create_directory(path() + ".detached");  // cannot be opened, nor unlinked
  const Result<void> detached = files_->detach("test.tdb");
  ASSERT_FALSE(detached.has_value());
  EXPECT_NE(detached.error().text().find(path() + ".detached"), std::string::npos);
  EXPECT_EQ(client.ask("fetch key"), "none");
  EXPECT_FALSE(open(false));
  EXPECT_NE(error_.text().find(path() + ".detached"), std::string::npos);
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

}  // namespace
}  // namespace ctdb
