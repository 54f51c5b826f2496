// SPDX-License-Identifier: GPL-3.0-or-later
// A database that was detached stays away, with all that was in it, until somebody attaches it again: also when a store is started anew beside a
// router that lives, which takes up the files of the life before.
#include <gtest/gtest.h>

#include <algorithm>

#include "libctdbipc/base/limits.h"
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
  void attach_everywhere() { attach_at(0); }
  // A client of another node, whose node has let it: this one's tells the others.
  void attach_at(uint32_t pnn) {
    Bytes packet;
    const uint32_t from = (pnn + 1) % 3;
    build(packet, {0, 0, 0, pnn, from, 1},
          ReqControl{static_cast<uint32_t>(Control::DB_ATTACH), 0, kClient, CTDB_CONTROL_NOREPLY,
                     with_nul(kDb)});
    w.deliver(pnn, packet);
    w.run();
  }
  void order(uint32_t pnn = 0) { EXPECT_FALSE(ask(Control::DB_DETACH, u32_bytes(kDbId), pnn)); }
  std::optional<int32_t> answered(uint32_t pnn = 0) {
    const auto reply = w.control_answer(pnn, kClient, reqid);
    if (!reply) return std::nullopt;
    return reply->status;
  }
  void recover(const std::vector<uint32_t>& members = {0, 1, 2}) {
    w.recover(++generation, base, members);
    base = generation;
  }
  void begin(const std::vector<uint32_t>& members) {
    w.begin(++generation, base, members);
    w.run();
  }
  void detach(const std::vector<uint32_t>& members = {0, 1, 2}) {
    order();
    recover(members);
    EXPECT_EQ(answered(), 0);
  }
  void restart(uint32_t pnn) { restart(pnn, base, base); }
  void restart(uint32_t pnn, uint32_t open, uint32_t prepared) {
    options.prepared_generation = prepared;
    w.start(pnn, open, options);
    options.prepared_generation = CTDB_INVALID_GENERATION;
    w.run();
  }
  size_t notes(uint32_t pnn) { return w.node(pnn).files.detached_list().size(); }
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
  uint32_t base = 10, generation = 10;
};

TEST_F(Detach, ItIsARecoveryThatIsAskedForAtOnce) {
  const auto asked = [&] {
    return std::ranges::count_if(w.node(0).to_recoveryd, [](const Sent& sent) {
      const auto control = parse_req_control(sent.packet);
      return control && control->opcode == static_cast<uint32_t>(Control::SET_RECMODE);
    });
  };
  order();
  EXPECT_EQ(asked(), 1);
  w.pass(kSecond);
  EXPECT_EQ(asked(), 2) << "it may have been lost";
  recover();
  EXPECT_EQ(answered(), 0);
  attach_everywhere();
  order();
  EXPECT_EQ(asked(), 3) << "another one does not wait for a second";
}

TEST_F(Detach, ItDoesNotComeBackWithAStoreThatIsStartedAnew) {
  detach();
  for (uint32_t pnn = 0; pnn < 3; ++pnn) restart(pnn);
  EXPECT_EQ(databases(), (std::vector<uint64_t>{0, 0, 0}));
  recover();
  EXPECT_EQ(databases(), (std::vector<uint64_t>{0, 0, 0}));
  attach_everywhere();
  EXPECT_EQ(fetch(2, key), "");
}

TEST_F(Detach, AttachedAgainItIsADatabaseLikeAnyOther) {
  detach();
  attach_everywhere();
  EXPECT_EQ(databases(), (std::vector<uint64_t>{1, 1, 1}));
  EXPECT_EQ(fetch(2, key), "");
  take(0, key, "new");
  restart(0);
  recover();
  EXPECT_EQ(databases(), (std::vector<uint64_t>{1, 1, 1}));
  EXPECT_EQ(fetch(2, key), "new");
}

TEST_F(Detach, WhatWasSaidBeforeDoesNotBringItBack) {
  detach();
  w.control(1, 0, 0, Control::DB_ATTACH, with_nul(kDb), CTDB_CONTROL_NOREPLY, 0);
  EXPECT_EQ(databases(), (std::vector<uint64_t>{0, 0, 0}));
}

// It was prepared for the generation, which the others have opened.
TEST_F(Detach, AStoreThatDiesBeforeItLetsGoHasLetGo) {
  for (const bool anew : {false, true}) {
    take(2, key, "of node 2");
    order();
    begin({0, 1, 2});
    w.stop(2);
    w.open(generation, {0, 1});
    w.run();
    EXPECT_EQ(answered(), 0);
    if (anew) attach_everywhere();
    restart(2, base, generation);
    base = generation;
    recover();
    const uint64_t there = anew ? 1 : 0;
    EXPECT_EQ(databases(), (std::vector<uint64_t>{there, there, there}));
    if (!anew) attach_everywhere();
    EXPECT_EQ(fetch(0, key), "");
  }
}

// By recoveryd's word it was open, but it died while it let go.
TEST_F(Detach, AStoreThatDiesWhileItLetsGoHasLetGo) {
  order();
  begin({0, 1, 2});
  w.stop(2);
  w.open(generation, {0, 1});
  w.run();
  base = generation;
  restart(2);
  EXPECT_EQ(w.store(2).counts().databases, 0u);
}

TEST_F(Detach, AnAttemptThatIsGivenUpCostsNothing) {
  order();
  begin({0, 1, 2});
  EXPECT_FALSE(answered());
  w.stop(0);  // and with it the order
  restart(0);
  recover();
  EXPECT_EQ(databases(), (std::vector<uint64_t>{1, 1, 1}));
  EXPECT_EQ(fetch(2, key), "old");
  EXPECT_EQ(notes(1), 0u);
}

TEST_F(Detach, TheNextAttemptIsToldAgain) {
  order();
  begin({0, 1, 2});
  recover({0, 1});
  EXPECT_EQ(answered(), 0);
  EXPECT_EQ(databases(), (std::vector<uint64_t>{0, 0, 1}));
}

TEST_F(Detach, WhoWasAwayIsToldWhenItIsBack) {
  take(2, key, "of node 2");
  detach({0, 1});
  for (uint32_t pnn : {0u, 1u}) restart(pnn);  // they remember
  recover({1});                                // and a third has it from them
  recover({0, 1});
  recover();
  EXPECT_EQ(databases(), (std::vector<uint64_t>{0, 0, 0}));
  attach_everywhere();
  EXPECT_EQ(fetch(0, key), "");
}

TEST_F(Detach, WhoWasAwayTakesTheOneThatWasAttachedAnew) {
  take(2, key, "of node 2");
  detach({0, 1});
  attach_everywhere();
  take(0, w.key_of(2), "new");
  recover();
  EXPECT_EQ(databases(), (std::vector<uint64_t>{1, 1, 1}));
  EXPECT_EQ(fetch(1, key), "");
  EXPECT_EQ(fetch(1, w.key_of(2)), "new");
}

// That node was prepared for the generation and cut off: whether it was opened it cannot know, nor can the others that this one lacks it.
TEST_F(Detach, WhoWasCutOffBeforeItLetGoLetsGoWhenOthersHaveForgotten) {
  take(2, key, "of node 2");
  order();
  begin({0, 1, 2});
  w.all_are_members = true;
  w.open(generation, {0, 1});
  w.run();
  base = generation;
  EXPECT_EQ(notes(0), 0u);
  recover({0, 1});
  recover();
  EXPECT_EQ(databases(), (std::vector<uint64_t>{0, 0, 0}));
}

// The one that opens first says so before the other has opened.
TEST_F(Detach, AttachedAnewBeforeItIsGoneItIsThere) {
  order();
  begin({0, 1, 2});
  w.open(generation, {0, 1});
  w.run();
  attach_everywhere();
  w.open(generation, {2});
  w.run();
  EXPECT_EQ(databases(), (std::vector<uint64_t>{1, 1, 1}));
  EXPECT_EQ(w.data(2, key), std::nullopt);
}

TEST_F(Detach, NotesAreKeptUntilAllNodesHaveBeenMembers) {
  detach({0, 1});
  EXPECT_EQ(notes(0), 1u);
  recover({0, 1});
  EXPECT_EQ(notes(1), 1u);
  w.all_are_members = true;
  recover();
  for (uint32_t pnn = 0; pnn < 3; ++pnn) EXPECT_EQ(notes(pnn), 0u);
}

TEST_F(Detach, NotesAreForgottenWithAllElse) {
  detach({0, 1});
  attach_everywhere();
  EXPECT_EQ(notes(0), 0u) << "of what is attached anew there is none";
  detach({0, 1});
  w.start(0, CTDB_INVALID_GENERATION, options);
  EXPECT_EQ(notes(0), 0u) << "generations may begin anew";
}

TEST_F(Detach, ThereIsABoundToNotes) {
  std::vector<DetachedNote> many;
  for (uint32_t i = 0; i < kDatabasesMax; ++i) many.push_back({"db" + std::to_string(i), 5, 0});
  ASSERT_TRUE(w.node(0).files.set_detached_list(many));
  restart(0);
  recover();
  detach();
  EXPECT_EQ(notes(0), kDatabasesMax);
  EXPECT_EQ(databases(), (std::vector<uint64_t>{0, 0, 0}));
}

TEST_F(Detach, WhoIsNoMemberAnyMoreDoesNotKnow) {
  order();
  w.order(0, Operation::STORE_SUSPEND, StoreSuspend{false, "no quorum"}.encode());
  EXPECT_EQ(answered(), -1);
  recover();
  EXPECT_EQ(databases(), (std::vector<uint64_t>{1, 1, 1})) << "and has not said so either";
}

// Which goes on with it, and would bring it back.
TEST_F(Detach, BesideAnOlderReleaseItIsRefused) {
  w.on_link = [&](uint32_t from, uint32_t to, ByteView packet) {
    Header header = read_header(packet);
    if (from != 2 || header.operation != static_cast<uint32_t>(Operation::RECORD_DATABASES)) return true;
    auto told = RecordDatabases::decode(own_payload(packet));
    if (!told->knows_detached) return true;
    told->knows_detached = false;
    Bytes older;
    build_own(older, header, told->encode());
    w.link(from, to).push_front(older);
    return false;
  };
  order();
  recover();
  EXPECT_EQ(answered(), -1);
  for (uint32_t pnn : {0u, 1u}) EXPECT_EQ(w.store(pnn).counts().databases, 1u);
  w.on_link = [](auto, auto, auto) { return true; };
  recover();
  EXPECT_EQ(databases(), (std::vector<uint64_t>{1, 1, 1})) << "who was refused has not asked for it";
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
  recover();
  EXPECT_EQ(databases(), (std::vector<uint64_t>{0, 0, 0}));
  attach_at(0);
  EXPECT_EQ(w.data(0, key), std::nullopt);
  w.db(0).unlock(as_bytes(key), 50);
}

TEST_F(Detach, WhatIsLeftOfItIsNothingThatIsLost) {
  ASSERT_TRUE(w.db(0).lock(as_bytes(key), 50));
  detach();
  w.db(0).unlock(as_bytes(key), 50);
  w.start(0, CTDB_INVALID_GENERATION, options);
  EXPECT_EQ(w.data(0, key), std::nullopt);
  EXPECT_FALSE(said(0, "left behind"));
}

TEST_F(Detach, ItIsToldWhenTheDatabaseWillBeBack) {
  w.node(0).files.set_full(true);
  detach();
  EXPECT_EQ(databases(), (std::vector<uint64_t>{0, 0, 0}));
  EXPECT_TRUE(said(0, "detaching test.tdb: "));
  EXPECT_TRUE(said(0, "noting which databases are detached: "));
  EXPECT_EQ(w.store(0).counts().file_errors, 2u);
}

}  // namespace
}  // namespace ctdb::test
