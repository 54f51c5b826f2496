// SPDX-License-Identifier: GPL-3.0-or-later
// A database that was detached stays away, with all that was in it, until somebody attaches it again: also when a store is started anew beside a
// router that lives, which takes up the files of the life before.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/store/controls_fixture.h"

namespace ctdb::test {
namespace {

class Detach : public Controls {
 protected:
  Detach() : key(w.key_of(1)) {
    options.allow_client_db_attach = false;
    for (uint32_t pnn = 0; pnn < 3; ++pnn) w.start(pnn, CTDB_INVALID_GENERATION, options);
    w.recover(10, CTDB_INVALID_GENERATION, {0, 1, 2});
    attach_everywhere();
    take(0, key, "old");
  }
  void attach_everywhere() {
    for (uint32_t pnn = 0; pnn < 3; ++pnn) attach_at(pnn);
  }
  // As another node says it.
  void attach_at(uint32_t pnn) {
    w.control(pnn, 0, 0, Control::DB_ATTACH, with_nul(kDb), CTDB_CONTROL_NOREPLY, (pnn + 1) % 3);
  }
  void detach() {
    EXPECT_EQ(status(Control::DB_DETACH, u32_bytes(kDbId)), 0);
    w.run();
  }
  void restart(uint32_t pnn, uint32_t open_generation = 10) {
    w.start(pnn, open_generation, options);
    w.run();
  }
  std::vector<uint64_t> databases() {
    std::vector<uint64_t> counts;
    for (uint32_t pnn = 0; pnn < 3; ++pnn) counts.push_back(w.store(pnn).counts().databases);
    return counts;
  }
  bool said(uint32_t pnn, const std::string& text) {
    return std::ranges::any_of(w.node(pnn).logs,
                               [&](const std::string& line) { return line.find(text) != std::string::npos; });
  }

  const std::string key;
  StoreOptions options;
};

TEST_F(Detach, ItDoesNotComeBackWithAStoreThatIsStartedAnew) {
  detach();
  for (uint32_t pnn = 0; pnn < 3; ++pnn) restart(pnn);
  EXPECT_EQ(databases(), (std::vector<uint64_t>{0, 0, 0}));
  w.recover(11, 10, {0, 1, 2});
  EXPECT_EQ(databases(), (std::vector<uint64_t>{0, 0, 0}));
  attach_everywhere();
  EXPECT_EQ(fetch(2, key), "");
}

TEST_F(Detach, AttachedAgainItIsADatabaseLikeAnyOther) {
  detach();
  attach_everywhere();
  EXPECT_EQ(fetch(2, key), "");
  take(0, key, "new");
  restart(0);
  w.recover(11, 10, {0, 1, 2});
  EXPECT_EQ(databases(), (std::vector<uint64_t>{1, 1, 1}));
  EXPECT_EQ(fetch(2, key), "new");
}

TEST_F(Detach, ClientsThatHaveItOpenFindNothingInIt) {
  EXPECT_EQ(w.readable(0, key), "old");
  detach();
  EXPECT_EQ(w.readable(0, key), std::nullopt);
}

TEST_F(Detach, WhoKeepsAChainOfItKeepsNothingForTheNextLife) {
  ASSERT_TRUE(w.db(0).lock(as_bytes(key), 50));
  detach();
  restart(0);
  EXPECT_EQ(w.data(0, key), "old") << "it is not taken away under his hands";
  w.recover(11, 10, {0, 1, 2});
  EXPECT_EQ(databases(), (std::vector<uint64_t>{0, 0, 0}));
  attach_at(0);
  EXPECT_EQ(w.data(0, key), std::nullopt);
  w.db(0).unlock(as_bytes(key), 50);
}

TEST_F(Detach, WhatIsLeftOfItIsNothingThatIsLost) {
  ASSERT_TRUE(w.db(0).lock(as_bytes(key), 50));
  detach();
  w.db(0).unlock(as_bytes(key), 50);
  restart(0, CTDB_INVALID_GENERATION);
  EXPECT_EQ(w.data(0, key), std::nullopt);
  EXPECT_FALSE(said(0, "left behind"));
}

TEST_F(Detach, ItIsToldWhenTheDatabaseWillBeBack) {
  w.node(0).files.set_full(true);
  detach();
  EXPECT_EQ(databases(), (std::vector<uint64_t>{0, 0, 0}));
  EXPECT_TRUE(said(0, "detaching test.tdb: "));
  EXPECT_EQ(w.store(0).counts().file_errors, 1u);
}

}  // namespace
}  // namespace ctdb::test
