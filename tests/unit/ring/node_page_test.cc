// SPDX-License-Identifier: GPL-3.0-or-later
#include "libctdbipc/ring/node_page.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace ctdb {
namespace {

class NodePageTest : public testing::Test {
 protected:
  NodePageTest() {
    char pattern[] = "/tmp/ctdb-page-XXXXXX";
    directory_ = mkdtemp(pattern);
    path_ = directory_ + "/page";
  }
  ~NodePageTest() override { std::filesystem::remove_all(directory_); }
  std::unique_ptr<NodePage> open() {
    Result<std::unique_ptr<NodePage>> page = NodePage::open(path_);
    EXPECT_TRUE(page) << page.error().text();
    return page ? std::move(*page) : nullptr;
  }
  void write(const std::string& bytes) { std::ofstream(path_) << bytes; }

  std::string directory_, path_;
};

TEST_F(NodePageTest, ANewOneSaysThatTheNodeDoesNotServe) {
  const auto page = open();
  EXPECT_EQ(page->serve_until(), 0);
  EXPECT_TRUE(page->records_taken());
  EXPECT_FALSE(page->keeper_on_duty());
  EXPECT_FALSE(page->may_use(1));
}

TEST_F(NodePageTest, AllZerosIsValid) {
  write(std::string(NodePage::kBytes, '\0'));
  EXPECT_FALSE(open()->may_use(1));
}

TEST_F(NodePageTest, AShortOrForeignFileIsRefused) {
  for (const std::string& bytes : {std::string("short"), std::string(NodePage::kBytes, 'x')}) {
    write(bytes);
    const Result<std::unique_ptr<NodePage>> page = NodePage::open(path_);
    ASSERT_FALSE(page);
    EXPECT_EQ(page.error().code, ErrorCode::kInvalid);
    EXPECT_NE(page.error().text().find("remove"), std::string::npos) << page.error().text();
  }
}

TEST_F(NodePageTest, WhatOneWritesTheOthersSeeAlsoLater) {
  const auto page = open();
  page->set_serve_until(77);
  EXPECT_EQ(open()->serve_until(), 77);
  const auto reader = std::move(*NodePage::map_reader(NodePage::reader_fd(path_)->get()));
  EXPECT_EQ(reader->serve_until(), 77);
  page->set_serve_until(78);
  EXPECT_EQ(reader->serve_until(), 78);
}

TEST_F(NodePageTest, ALeaseThatWasTakenBackIsNotExtended) {
  const auto page = open();
  page->set_serve_until(77);
  EXPECT_TRUE(page->change_serve_until(77, 78));
  open()->set_serve_until(0);
  EXPECT_FALSE(page->change_serve_until(78, 79));
  EXPECT_EQ(page->serve_until(), 0);
}

TEST_F(NodePageTest, TheNextStoreReadsWhatItsPredecessorWasPreparedFor) {
  EXPECT_EQ(open()->prepared().generation, 0u);
  open()->set_prepared(0xFFFFFF01, true);
  EXPECT_EQ(open()->prepared().generation, 0xFFFFFF01u);
  EXPECT_TRUE(open()->prepared().empty_handed);
  open()->set_prepared(0xFFFFFF02, false);
  EXPECT_FALSE(open()->prepared().empty_handed);
}

TEST_F(NodePageTest, AnotherStartOfTheMachineEmptiesIt) {
  open()->set_serve_until(77);
  open()->set_prepared(77, true);
  std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(8);
  file.write("earlier!", 8);
  file.close();
  EXPECT_EQ(open()->serve_until(), 0);
  EXPECT_EQ(open()->prepared().generation, 0u);
}

TEST_F(NodePageTest, RecordsAreTakenByTheStoreOrByTheKeeper) {
  const auto page = open();
  page->set_serving(true, 0);
  page->set_serving(true, 0);
  EXPECT_FALSE(page->records_taken());
  page->set_serving(false, 0);
  EXPECT_TRUE(page->records_taken());
  page->set_serving(true, 0);
  const uint64_t epoch = page->serving_epoch();
  page->begin_fence(epoch);
  EXPECT_TRUE(page->fence_unfinished());
  EXPECT_FALSE(page->records_taken());
  page->end_fence(epoch);
  EXPECT_TRUE(page->records_taken());
  page->set_serving(true, epoch);
  EXPECT_FALSE(page->records_taken()) << "a fence ends one epoch, not the next";
}

TEST_F(NodePageTest, AnEpochGoesOnUntilTheStoreKnowsThatItIsFenced) {
  const auto page = open();
  page->set_serving(true, 0);
  const uint64_t epoch = page->serving_epoch();
  page->begin_fence(epoch);
  page->set_serving(true, 0);
  EXPECT_EQ(page->serving_epoch(), epoch) << "the keeper would leave the records";
  page->set_serving(true, epoch);
  EXPECT_GT(page->serving_epoch(), epoch);
  page->end_fence(epoch);
  EXPECT_FALSE(page->records_taken());
}

TEST_F(NodePageTest, ADeadKeeperIsSeenBeforeItsDescriptorsAreClosed) {
  const auto page = open();
  page->set_serve_until(kNever);
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const pid_t keeper = fork();
  if (keeper == 0) {
    const bool ok = open()->enter_duty(1, false);
    (void)!::write(ends[1], &ok, 1);
    for (;;) pause();
  }
  close(ends[1]);
  bool ok = false;
  ASSERT_EQ(read(ends[0], &ok, 1), 1);
  page->set_serve_until(kNever);
  kill(keeper, SIGKILL);
  char none;
  EXPECT_EQ(read(ends[0], &none, 1), 0);  // its end of the pipe is closed
  EXPECT_FALSE(page->keeper_on_duty());
  EXPECT_FALSE(page->may_use(1));
  waitpid(keeper, nullptr, 0);
  EXPECT_TRUE(page->enter_duty(1, false));
  EXPECT_TRUE(page->may_use(1));
  close(ends[0]);
}

TEST_F(NodePageTest, AKeeperBesideAnotherRouterTakesTheOldLeaseBack) {
  const auto page = open();
  ASSERT_TRUE(page->enter_duty(1, false));
  page->set_serve_until(kNever);
  EXPECT_TRUE(page->enter_duty(2, true)) << "the router was replaced, the keeper lived";
  EXPECT_EQ(page->serve_until(), kNever);
  page->release_keeper_lock();
  EXPECT_TRUE(page->enter_duty(2, false)) << "the keeper was replaced, the router lived";
  EXPECT_EQ(page->serve_until(), kNever);
  page->release_keeper_lock();
  EXPECT_TRUE(page->enter_duty(3, false));
  EXPECT_EQ(page->serve_until(), 0) << "both were dead at once";
}

}  // namespace
}  // namespace ctdb
