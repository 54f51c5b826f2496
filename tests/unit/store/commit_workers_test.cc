// SPDX-License-Identifier: GPL-3.0-or-later
// The processes that write for the commits, and what is on the disk when one of them is killed.
#include "ctdb-store/backend/commit_workers.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <fstream>
#include <map>

#include "ctdb-store/backend/commit_log_file.h"
#include "ctdb-store/backend/persistent_file.h"
#include "libctdbipc/wire/packet.h"
#include "libctdbipc/wire/rec_buffer.h"
#include "tests/unit/store/temporary_directory.h"

namespace ctdb {
namespace {

class CommitWorkersTest : public testing::Test {
 protected:
  void SetUp() override {
    auto loop = EventLoop::create();
    ASSERT_TRUE(loop.has_value());
    loop_ = std::move(*loop);
    auto workers = CommitWorkers::start(
        *loop_, path(), [this](uint64_t ticket, const std::string& error) { done_[ticket] = error; });
    ASSERT_TRUE(workers.has_value());
    workers_ = std::move(*workers);
  }
  std::string path() const { return directory_.path() + "/commits.log"; }
  static pid_t worker(const std::string& wanted) {
    const std::string self = std::to_string(getpid());
    std::ifstream children("/proc/" + self + "/task/" + self + "/children");
    std::string pid, name;
    while (children >> pid) {
      std::ifstream("/proc/" + pid + "/comm") >> name;
      if (name == wanted) return std::stoi(pid);
    }
    return 0;
  }
  void append(uint64_t number) {
    workers_->log_append({{1, number}, CommitKind::kRecords, 0, number, Bytes(10)}, {});
  }
  void pass(TimeNs time) {
    loop_->at(loop_->now() + time, [this] { loop_->stop(); });
    ASSERT_TRUE(loop_->run().has_value());
  }
  std::string wait_for(uint64_t ticket) {
    for (int i = 0; i < 60000 && !done_.contains(ticket); ++i) pass(kMillisecond);
    EXPECT_TRUE(done_.contains(ticket)) << "waited in vain";
    return done_[ticket];
  }
  std::string sync() {
    workers_->log_sync(++ticket_);
    return wait_for(ticket_);
  }
  std::vector<uint64_t> on_disk() const {
    std::vector<uint64_t> numbers;
    const Result<CommitLogContents> log = read_commit_log(path());
    for (const KeptEntry& entry : log->image.entries) numbers.push_back(entry.position.number);
    return numbers;
  }

  TemporaryDirectory directory_;
  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<CommitWorkers> workers_;
  std::map<uint64_t, std::string> done_;
  uint64_t ticket_ = 0;
};

// A transaction that was taken back, and whose client was told so, would be there again at the next start.
TEST_F(CommitWorkersTest, WhatWasCutOffStaysSoIfTheWriterIsKilledBeforeItWasDone) {
  append(1);
  append(2);
  ASSERT_EQ(sync(), "");
  const pid_t writer = worker("ctdb-commit-log");
  ASSERT_NE(writer, 0);
  kill(writer, SIGSTOP);
  workers_->log_cut({1, 1});
  workers_->log_sync(++ticket_);
  kill(writer, SIGKILL);
  EXPECT_NE(wait_for(ticket_), "");
  workers_->log_cut({1, 1});  // what the store does then
  for (int i = 0; i < 600 && sync() != ""; ++i) pass(100 * kMillisecond);
  append(3);
  ASSERT_EQ(sync(), "");
  EXPECT_EQ(on_disk(), (std::vector<uint64_t>{1, 3}));
}

// The log begins anew behind a checkpoint: what the copies lack then would be lost with the machine.
TEST_F(CommitWorkersTest, ACheckpointKnowsWhatAWriterHasChangedThatWasKilled) {
  const std::string database = directory_.path() + "/test.tdb.0";
  auto file = open_persistent_file(database, {101, false});
  ASSERT_TRUE(file);
  Bytes value, transaction = begin_rec_buffer(7);
  append_record_header(value, {1, 0, 0});
  value.push_back('v');
  add_to_rec_buffer(transaction, as_bytes("k"), value);
  workers_->database_apply(++ticket_, **file, CommitKind::kRecords, transaction);
  ASSERT_EQ(wait_for(ticket_), "");
  kill(worker("ctdb-commit-db"), SIGKILL);
  const auto checkpoint = [this] {
    workers_->database_checkpoint(++ticket_);
    return wait_for(ticket_);
  };
  for (int i = 0; i < 600 && checkpoint() != ""; ++i) pass(100 * kMillisecond);
  file->reset();
  file = open_persistent_file(database, {101, true});
  ASSERT_TRUE(file);
  size_t records = 0;
  EXPECT_TRUE((*file)->for_each([&](ByteView, ByteView) { return ++records > 0; }));
  EXPECT_EQ(records, 1u);
}

}  // namespace
}  // namespace ctdb
