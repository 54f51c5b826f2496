// SPDX-License-Identifier: GPL-3.0-or-later
// A store that finds files which it cannot have just now, because the system is short of something.
#include <gtest/gtest.h>

#include <cerrno>

#include "tests/unit/store/stores_fixture.h"

namespace ctdb::test {
namespace {

class TakeUp : public StoresTest {
 protected:
  TakeUp() {
    start();
    take(0, "key", "newest");
  }
  // Another store begins beside a router that remembers generation 10.
  void restart_short_of(int error) {
    w.stop(0);
    said_before_ = w.node(0).to_recoveryd.size();
    w.node(0).logs.clear();
    w.node(0).files.set_short_of(error);
    w.start(0, 10);
    w.run();
  }
  void enough() {
    w.node(0).files.set_short_of(0);
    w.pass(5 * kSecond);
  }
  size_t hellos() const {
    const auto& said = const_cast<World&>(w).node(0).to_recoveryd;
    return static_cast<size_t>(
        std::count_if(said.begin() + static_cast<ptrdiff_t>(said_before_), said.end(),
                      [](const Sent& sent) { return sent.operation() == Operation::STORE_HELLO; }));
  }
  size_t lines_with(std::string_view text) {
    const auto& logs = w.node(0).logs;
    return static_cast<size_t>(std::ranges::count_if(
        logs, [text](const std::string& line) { return line.find(text) != std::string::npos; }));
  }
  size_t said_before_ = 0;
};

TEST_F(TakeUp, TheStoreIsNotThereBeforeItHasItsFiles) {
  restart_short_of(EMFILE);
  w.order(0, Operation::STORE_QUERY, StoreQuery{7}.encode());
  w.pass(60 * kSecond);
  EXPECT_EQ(hellos(), 0u);
  EXPECT_EQ(lines_with("test.tdb"), 1u) << "said once";
  EXPECT_EQ(lines_with("LimitNOFILE"), 1u) << "with the remedy";
  EXPECT_EQ(w.owners("key"), std::vector<uint32_t>{0}) << "the file is as it was";
  enough();
  EXPECT_EQ(hellos(), 1u);
  EXPECT_EQ(w.store(0).counts().databases, 1u);
  w.recover(11, 10, {0, 1, 2});
  EXPECT_EQ(w.owners("key"), std::vector<uint32_t>{0});
  EXPECT_EQ(fetch(1, "key"), "newest");
}

TEST_F(TakeUp, ItRestsLongerAndLongerBetweenAttempts) {
  restart_short_of(ENOMEM);
  int attempts = 0;
  TimeNs last = 0;
  for (TimeNs at = w.store(0).next_deadline(); at < w.now() + 60 * kSecond; ++attempts) {
    last = at;
    w.store(0).tick(at);
    at = w.store(0).next_deadline();
    EXPECT_GE(at - last, 50 * kMillisecond);
  }
  EXPECT_LE(attempts, 40);
  EXPECT_LE(w.store(0).next_deadline() - last, 2 * kSecond);
}

TEST_F(TakeUp, AnotherShortageIsSaidToo) {
  restart_short_of(EMFILE);
  w.pass(5 * kSecond);
  w.node(0).files.set_short_of(EIO);
  w.pass(5 * kSecond);
  EXPECT_EQ(lines_with("LimitNOFILE"), 1u);
  EXPECT_EQ(lines_with("dmesg"), 1u);
}

// It would be made anew, empty.
TEST_F(TakeUp, AnAttachMeanwhileDoesNotEmptyTheFile) {
  restart_short_of(EMFILE);
  w.node(0).files.set_short_of(0);
  w.control(0, 0, 3, Control::DB_ATTACH, with_nul(kDb), 0, 1);
  EXPECT_EQ(w.data(0, "key"), "newest");
  enough();
  EXPECT_EQ(w.data(0, "key"), "newest");
  EXPECT_EQ(hellos(), 1u);
}

// Nobody may be told that the records are taken away while a file still says that they are this node's.
TEST_F(TakeUp, ALeaseThatEndsMeanwhileIsHeededWhenTheFilesAreThere) {
  restart_short_of(EMFILE);
  EXPECT_TRUE(w.node(0).serving);
  w.store(0).stop_serving(true, w.now());
  w.pass(kSecond);
  EXPECT_TRUE(w.node(0).serving);
  enough();
  EXPECT_FALSE(w.node(0).serving);
  EXPECT_TRUE(w.owners("key").empty());
  EXPECT_EQ(hellos(), 1u);
}

TEST_F(TakeUp, SoIsARouterThatEnds) {
  restart_short_of(EMFILE);
  w.store(0).on_router_down(w.now());
  w.store(0).on_router_up(w.now());
  w.pass(kSecond);
  EXPECT_TRUE(w.node(0).serving);
  EXPECT_EQ(hellos(), 0u);
  enough();
  EXPECT_FALSE(w.node(0).serving);
  EXPECT_TRUE(w.owners("key").empty());
}

TEST_F(TakeUp, APersistentDatabaseIsWaitedForAsWell) {
  w.control(0, 800, 9, Control::DB_ATTACH_PERSISTENT, with_nul("kept.tdb"));
  w.run();
  restart_short_of(ENOSPC);
  w.pass(5 * kSecond);
  EXPECT_EQ(hellos(), 0u);
  enough();
  EXPECT_EQ(hellos(), 1u);
  EXPECT_EQ(w.store(0).counts().databases, 2u);
  EXPECT_EQ(lines_with("come back from the other nodes"), 0u);
}

TEST_F(TakeUp, AFileThatIsOfNoUseIsNotWaitedFor) {
  w.stop(0);
  w.node(0).files.set_unopenable(true);
  w.start(0, 10);
  w.run();
  EXPECT_EQ(hellos(), 2u) << "of both lives";
  EXPECT_EQ(lines_with("are lost"), 1u);
}

}  // namespace
}  // namespace ctdb::test
