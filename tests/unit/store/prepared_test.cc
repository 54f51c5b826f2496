// SPDX-License-Identifier: GPL-3.0-or-later
// What outlives whom: a store that is killed between "prepared" and "open" leaves its successor what it was prepared for, and a
// store that is open tells the next recoveryd what it was opened with.
#include <gtest/gtest.h>

#include "tests/unit/store/stores_fixture.h"

namespace ctdb::test {
namespace {

class Prepared : public StoresTest {
 protected:
  Prepared() {
    start();
    w.call(0, 5, 1, "key");
    w.run();
    EXPECT_TRUE(w.write(0, "key", "newest"));
    w.begin(11, 10, {0, 1, 2});
    w.run();
    EXPECT_TRUE(w.recovered(0, 11));
    EXPECT_EQ(w.node(0).prepared, 11u);
  }
  // Another store takes the files up, beside a router that remembers generation 10.
  void restart(bool empty_handed = false) {
    w.stop(0);
    StoreOptions options;
    options.prepared_generation = w.node(0).prepared;
    options.empty_handed = empty_handed;
    w.start(0, 10, options);
    w.run();
  }
  StoreHello ask() {
    w.order(0, Operation::STORE_QUERY, StoreQuery{7}.encode());
    w.run();
    return *StoreHello::decode(own_payload(w.node(0).to_recoveryd.back().packet));
  }
};

// It was decided, and opened elsewhere.
TEST_F(Prepared, TheNextStoreIsValidForThatGeneration) {
  w.open(11, {1, 2});
  restart();
  EXPECT_EQ(ask().open_generation, 10u);
  EXPECT_EQ(ask().prepared_generation, 11u);
  w.recover(12, 11, {0, 1, 2});
  EXPECT_EQ(w.data(0, "key"), "newest");
  EXPECT_EQ(w.owners("key"), std::vector<uint32_t>{0});
}

TEST_F(Prepared, ForLessThanTheBaseItDiscards) {
  w.stop(0);
  w.recover(12, 10, {1, 2});
  restart();
  w.recover(13, 12, {0, 1, 2});
  EXPECT_TRUE(w.owners("key").empty());
}

TEST_F(Prepared, WithoutThatItDiscards) {
  w.open(11, {1, 2});
  w.node(0).prepared = CTDB_INVALID_GENERATION;
  restart();
  w.recover(12, 11, {0, 1, 2});
  EXPECT_TRUE(w.owners("key").empty());
}

TEST_F(Prepared, RecoverydsNoteIsToldAsLongAsTheGenerationIsOpen) {
  EXPECT_TRUE(ask().note.members.empty()) << "it is not open";
  const OpenNote note{2, 3, {0, 1, 2}, {0, 61, 62}};
  w.order(0, Operation::STORE_OPEN, StoreOpen{1, 11, note}.encode());
  w.open(11, {1, 2});
  w.run();
  EXPECT_EQ(ask().note, note);
  EXPECT_EQ(ask().asked, 7u);
  w.order(0, Operation::STORE_SUSPEND, StoreSuspend{}.encode());
  EXPECT_TRUE(ask().note.members.empty());
}

}  // namespace
}  // namespace ctdb::test
