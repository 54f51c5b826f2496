// SPDX-License-Identifier: GPL-3.0-or-later
// Deleted records are removed from all files, and whatever happens meanwhile: nobody's record is, and none comes back.
#include <gtest/gtest.h>

#include "libctdbipc/wire/placement.h"
#include "tests/unit/store/store_world.h"

namespace ctdb::test {
namespace {

constexpr uint32_t kClient = 5;
constexpr TimeNs kRest = 10 * kSecond;
constexpr TimeNs kLong = 3 * kRest;  // for all that follows from a deletion

class VacuumTest : public ::testing::Test {
 protected:
  explicit VacuumTest(uint32_t chains = 64) : w(3, chains, kRest) {
    w.recover(10, CTDB_INVALID_GENERATION, {0, 1, 2});
    w.attach(0);
    w.run();
  }
  void take(uint32_t pnn, std::string_view key) {
    w.call(pnn, kClient, 1, key);
    w.pass(2 * kMillisecond);
    ASSERT_TRUE(w.answered(pnn, kClient, 1));
  }
  void change(uint32_t pnn, std::string_view key, std::string_view data) {
    take(pnn, key);
    ASSERT_TRUE(w.write(pnn, key, data));
  }
  // A record with data on every node, newest on `owner`, then deleted there.
  void make_and_delete(uint32_t owner, std::string_view key) {
    for (uint32_t pnn : {0u, 1u, 2u}) {
      if (pnn != owner) change(pnn, key, "of " + std::to_string(pnn));
    }
    change(owner, key, "newest");
    remove(owner, key);
  }
  void remove(uint32_t pnn, std::string_view key, bool tell = true) {
    ASSERT_TRUE(w.write(pnn, key, ""));
    if (tell) schedule(pnn, key);
  }
  void schedule(uint32_t pnn, std::string_view key) {
    w.control(pnn, kClient, 9, Control::SCHEDULE_FOR_DELETION, key_data(key), CTDB_CONTROL_NOREPLY);
    w.run();
  }
  // Read by the store itself.
  void tell_directly(uint32_t pnn, ByteView data, uint32_t flags,
                     Control opcode = Control::SCHEDULE_FOR_DELETION) {
    Bytes packet;
    build(packet, {0, 0, 0, CTDB_CURRENT_NODE, 0, 9},
          ReqControl{static_cast<uint32_t>(opcode), 0, 0, flags, data});
    w.node(pnn).store->on_client_packet(kClient, packet, w.now());
    w.run();
  }
  static Bytes key_data(std::string_view key) {
    Bytes data;
    Writer writer(data);
    writer.u32(kDbId);
    writer.zeros(4 + CTDB_RECORD_HEADER_SIZE);
    writer.counted_bytes(as_bytes(key));
    return data;
  }
  void order() {
    Bytes data;
    Writer writer(data);
    writer.u32(kDbId);
    writer.u8(1);
    w.control(0, kClient, 12, Control::DB_VACUUM, data);
  }
  size_t files_with(std::string_view key) {
    size_t count = 0;
    for (uint32_t pnn : {0u, 1u, 2u}) {
      if (w.node(pnn).store != nullptr && w.header(pnn, key)) ++count;
    }
    return count;
  }
  bool known(uint32_t pnn, std::string_view key) {
    bool found = false;
    w.store(pnn).for_each_record(
        [&](const RecordSight& sight) { found = found || as_text(sight.key) == key; });
    return found;
  }
  std::string fetch(uint32_t pnn, std::string_view key) {
    w.call(pnn, 6, 2, key, CTDB_FUNC_FETCH);
    w.pass(2 * kMillisecond);
    const auto reply = w.answer(pnn, 6, 2);
    return reply ? std::string(as_text(reply->data)) : "no answer";
  }
  uint64_t forgotten() {
    uint64_t sum = 0;
    for (uint32_t pnn : {0u, 1u, 2u}) {
      if (w.node(pnn).store != nullptr) sum += w.store(pnn).counts().records_forgotten;
    }
    return sum;
  }
  // Calls `act` once, when the first packet of that operation and step goes from `from` to `to`, before it arrives.
  void when(Operation operation, ForgetStep step, uint32_t from, uint32_t to, std::function<void()> act) {
    w.on_link = [this, operation, step, from, to, act](uint32_t a, uint32_t b, ByteView packet) {
      if (seen_ || a != from || b != to) return true;
      if (read_header(packet).operation != static_cast<uint32_t>(operation)) return true;
      const ByteView payload = own_payload(packet);
      const ForgetStep its = operation == Operation::RECORD_FORGET ? RecordForget::decode(payload)->step
                                                                   : RecordForgotten::decode(payload)->step;
      if (its != step) return true;
      seen_ = true;
      act();
      return true;
    };
  }
  World w;
  bool seen_ = false;
};

TEST_F(VacuumTest, ARecordDeletedAtItsLocationMasterIsGoneEverywhere) {
  const std::string key = w.key_of(0);
  make_and_delete(0, key);
  EXPECT_EQ(files_with(key), 3u);
  w.pass(kRest - kSecond);
  EXPECT_EQ(files_with(key), 3u);  // it rests
  w.pass(kLong);
  EXPECT_EQ(files_with(key), 0u);
  for (uint32_t pnn : {0u, 1u, 2u}) EXPECT_FALSE(known(pnn, key));
  EXPECT_EQ(w.store(0).counts().records_forgotten, 1u);
  EXPECT_EQ(w.store(1).counts().copies_forgotten, 1u);
  EXPECT_EQ(fetch(1, key), "");
}

// As the C API says it.
TEST_F(VacuumTest, ACallThatSaysSoIsNotAnswered) {
  const std::string key = w.key_of(0);
  make_and_delete(0, w.key_of(1));  // so that all know the database
  change(0, key, "data");
  remove(0, key, false);
  w.call(0, kClient, 7, key, CTDB_FUNC_DELETED);
  w.pass(kLong);
  EXPECT_EQ(files_with(key), 0u);
  EXPECT_FALSE(w.answered(0, kClient, 7));
}

// As smbd says it when the store reads its connection.
TEST_F(VacuumTest, AControlThatSaysSoNeedNotComeThroughTheRouter) {
  const std::string key = w.key_of(0);
  make_and_delete(0, w.key_of(1));
  change(0, key, "data");
  remove(0, key, false);
  tell_directly(0, key_data(key), CTDB_CONTROL_NOREPLY);
  w.pass(kLong);
  EXPECT_EQ(files_with(key), 0u);
  EXPECT_FALSE(w.answered(0, kClient, 9));
}

TEST_F(VacuumTest, OtherControlsThatDoNotComeThroughTheRouterAreRefused) {
  make_and_delete(0, w.key_of(0));
  const uint64_t before = w.store(0).counts().refused_packets;
  tell_directly(0, key_data(w.key_of(0)), 0);
  tell_directly(0, key_data(w.key_of(0)), CTDB_CONTROL_NOREPLY, Control::WIPE_DATABASE);
  tell_directly(0, Bytes(35), CTDB_CONTROL_NOREPLY);  // malformed
  EXPECT_EQ(w.store(0).counts().refused_packets, before + 3);
  EXPECT_FALSE(w.answered(0, kClient, 9));
}

TEST_F(VacuumTest, OneDeletedElsewhereGoesToItsLocationMasterFirst) {
  const std::string key = w.key_of(2);
  make_and_delete(1, key);
  w.pass(kLong);
  EXPECT_EQ(files_with(key), 0u);
  EXPECT_EQ(w.store(2).counts().records_forgotten, 1u);
  EXPECT_EQ(w.store(1).counts().records_forgotten, 0u);
  for (uint32_t pnn : {0u, 1u, 2u}) EXPECT_FALSE(known(pnn, key));
}

TEST_F(VacuumTest, OneThatHasRestedElsewhereDoesNotRestAgain) {
  const std::string key = w.key_of(2);
  make_and_delete(1, key);
  w.pass(kRest + kRest / 2);
  EXPECT_EQ(files_with(key), 0u);
}

// A client that asks for a record and finds it deleted may be about to make it anew.
TEST_F(VacuumTest, OneThatItsLocationMasterHasAskedForRests) {
  const std::string key = w.key_of(2);
  make_and_delete(1, key);
  w.pass(kRest - kSecond);
  take(2, key);
  w.pass(kRest - kSecond);
  EXPECT_TRUE(w.header(2, key));
  w.pass(kLong);
  EXPECT_EQ(files_with(key), 0u);
}

TEST_F(VacuumTest, OneThatWasMadeAndNeverWrittenIsADeletedOne) {
  const std::string key = w.key_of(2);
  take(0, key);
  w.pass(kLong);
  EXPECT_EQ(files_with(key), 0u);
}

TEST_F(VacuumTest, ANodeAloneForgetsToo) {
  w.recover(11, 10, {0});
  change(0, "k", "v");
  remove(0, "k");
  w.pass(kLong);
  EXPECT_FALSE(w.header(0, "k"));
}

TEST_F(VacuumTest, ARecordInUseIsLeftAlone) {
  const std::string key = w.key_of(0);
  make_and_delete(0, key);
  ASSERT_TRUE(w.write(0, key, "again"));
  w.pass(kLong);
  EXPECT_EQ(*w.data(0, key), "again");
  EXPECT_EQ(forgotten(), 0u);
  EXPECT_EQ(w.store(0).counts().deleted_waiting, 0u);
}

TEST_F(VacuumTest, OneThatIsDeletedAgainAndAgainRests) {
  const std::string key = w.key_of(0);
  make_and_delete(0, key);
  for (int i = 0; i < 8; ++i) {
    w.pass(kRest / 2);
    ASSERT_TRUE(w.header(0, key)) << i;
    remove(0, key);
  }
  w.pass(kLong);
  EXPECT_EQ(files_with(key), 0u);
}

TEST_F(VacuumTest, ManyShareAPacket) {
  int packets = 0;
  w.on_link = [&](uint32_t, uint32_t, ByteView packet) {
    if (read_header(packet).operation == static_cast<uint32_t>(Operation::RECORD_FORGET)) ++packets;
    return true;
  };
  std::vector<std::string> keys;
  for (int i = 0; i < 1000; ++i) keys.push_back(w.key_of(0, "many" + std::to_string(i) + "-"));
  for (const std::string& key : keys) {
    change(1, key, "x");
    change(0, key, "y");
    remove(0, key);
  }
  w.pass(kLong);
  EXPECT_EQ(forgotten(), 1000u);
  EXPECT_LE(packets, 40);
  EXPECT_EQ(w.store(0).counts().deleted_waiting, 0u);
}

// ---- what may come in between ----

TEST_F(VacuumTest, ACallInBetweenGetsTheRecordAndNothingIsRemoved) {
  for (const ForgetStep step : {ForgetStep::kEmpty, ForgetStep::kRemove}) {
    const std::string key = w.key_of(0, "step" + std::to_string(static_cast<int>(step)));
    make_and_delete(0, key);
    seen_ = false;
    when(Operation::RECORD_FORGOTTEN, step, 1, 0, [&] { w.call(1, kClient, 3, key); });
    w.pass(kRest + 2 * kSecond);
    ASSERT_TRUE(seen_);
    w.on_link = [](auto, auto, auto) { return true; };
    EXPECT_TRUE(w.answered(1, kClient, 3));
    EXPECT_EQ(w.owners(key).size(), 1u);
    ASSERT_TRUE(w.write(1, key, "new"));
    w.pass(kLong);
    EXPECT_EQ(fetch(2, key), "new");
    EXPECT_EQ(w.owners(key).size(), 1u);
  }
}

TEST_F(VacuumTest, AChangeInBetweenByALocalClientStays) {
  for (const ForgetStep step : {ForgetStep::kEmpty, ForgetStep::kRemove}) {
    const std::string key = w.key_of(0, "local" + std::to_string(static_cast<int>(step)));
    make_and_delete(0, key);
    seen_ = false;
    when(Operation::RECORD_FORGOTTEN, step, 2, 0, [&] { ASSERT_TRUE(w.write(0, key, "new")); });
    w.pass(kLong);
    ASSERT_TRUE(seen_);
    EXPECT_EQ(*w.data(0, key), "new");
    EXPECT_EQ(fetch(1, key), "new");
  }
}

TEST_F(VacuumTest, ARecordThatLeftAndCameBackIsNotTheOneThatWasAsked) {
  // The last answer is kept back while the record goes to node 1, gets data, and comes back deleted.
  const std::string other = w.key_of(0, "other");
  make_and_delete(0, other);
  Bytes late;
  w.on_link = [&](uint32_t from, uint32_t to, ByteView packet) {
    const bool answer = read_header(packet).operation == static_cast<uint32_t>(Operation::RECORD_FORGOTTEN);
    if (from != 2 || to != 0 || !answer || !late.empty()) return true;
    late = to_bytes(packet);
    return false;
  };
  w.pass(kRest + 2 * kSecond);
  ASSERT_FALSE(late.empty());
  w.on_link = [](auto, auto, auto) { return true; };
  change(1, other, "between");
  change(2, other, "between too");
  change(0, other, "back");
  remove(0, other);
  const uint64_t before = forgotten();
  w.deliver(0, late);
  w.run();
  EXPECT_EQ(forgotten(), before);
  EXPECT_TRUE(w.header(0, other));
  w.pass(kLong);
  EXPECT_EQ(files_with(other), 0u);
}

TEST_F(VacuumTest, WhoHasAClientAtTheRecordSaysNotNow) {
  const std::string key = w.key_of(0);
  make_and_delete(0, key);
  ASSERT_TRUE(w.db(1).lock(as_bytes(key), 99));
  w.pass(kLong);
  EXPECT_TRUE(w.header(0, key));
  EXPECT_TRUE(w.header(1, key));
  EXPECT_TRUE(w.node(1).tickets.empty());  // nobody waits for the lock
  EXPECT_GT(w.store(0).counts().forget_cancelled, 0u);
  w.db(1).unlock(as_bytes(key), 99);
  w.pass(kLong);
  EXPECT_EQ(files_with(key), 0u);
}

TEST_F(VacuumTest, AClientAtTheLocationMastersRecordIsWaitedForWithoutALock) {
  const std::string key = w.key_of(0);
  make_and_delete(0, key);
  ASSERT_TRUE(w.db(0).lock(as_bytes(key), 99));
  w.pass(kLong);
  EXPECT_TRUE(w.header(0, key));
  w.db(0).unlock(as_bytes(key), 99);
  w.pass(kLong);
  EXPECT_EQ(files_with(key), 0u);
}

TEST_F(VacuumTest, ARecoveryInBetweenEndsIt) {
  for (const ForgetStep step : {ForgetStep::kEmpty, ForgetStep::kRemove}) {
    const uint32_t generation = 20 + 2 * static_cast<uint32_t>(step);
    const std::string key = w.key_of(0, "recovery" + std::to_string(generation));
    make_and_delete(0, key);
    seen_ = false;
    Bytes late;
    w.on_link = [&](uint32_t from, uint32_t, ByteView packet) {
      if (read_header(packet).operation != static_cast<uint32_t>(Operation::RECORD_FORGOTTEN)) return true;
      if (RecordForgotten::decode(own_payload(packet))->step != step || from != 2) return true;
      late = to_bytes(packet);
      return false;
    };
    const uint64_t before = forgotten();
    w.pass(kRest + 2 * kSecond);
    ASSERT_FALSE(late.empty());
    w.on_link = [](auto, auto, auto) { return true; };
    w.recover(generation, w.store(0).open_generation(), {0, 1, 2});
    w.deliver(0, late);  // of an old generation
    w.run();
    EXPECT_EQ(forgotten(), before);
    EXPECT_TRUE(w.header(0, key));
    EXPECT_EQ(fetch(1, key), "");
    w.pass(kLong + kLong);
    EXPECT_EQ(files_with(key), 0u);
  }
}

// The copies are empty before the first one goes: the deletion survives its owner.
TEST_F(VacuumTest, TheOwnersDeathInBetweenBringsNothingBack) {
  for (const ForgetStep step : {ForgetStep::kEmpty, ForgetStep::kRemove}) {
    World& world = w;
    const std::string key = world.key_of(0, "death" + std::to_string(static_cast<int>(step)));
    make_and_delete(0, key);
    // Node 1 hears of it, node 2 does not.
    bool asked = false;
    world.on_link = [&](uint32_t from, uint32_t to, ByteView packet) {
      if (from != 0 || read_header(packet).operation != static_cast<uint32_t>(Operation::RECORD_FORGET))
        return true;
      if (RecordForget::decode(own_payload(packet))->step != step) return true;
      asked = true;
      return to == 1;
    };
    world.pass(kRest + 2 * kSecond);
    ASSERT_TRUE(asked);
    world.on_link = [](auto, auto, auto) { return true; };
    const uint32_t generation = world.store(1).open_generation();
    world.stop(0);
    world.recover(generation + 1, generation, {1, 2});
    EXPECT_EQ(fetch(1, key), "");
    EXPECT_EQ(fetch(2, key), "");
    world.pass(kLong + kLong);
    EXPECT_EQ(files_with(key), 0u);
    world.start(0);
    world.recover(generation + 2, generation + 1, {0, 1, 2});
    EXPECT_EQ(fetch(0, key), "");
  }
}

TEST_F(VacuumTest, ARestartedStoreFindsWhatItsPredecessorHadInMind) {
  const std::string key = w.key_of(0);
  make_and_delete(0, key);
  w.pass(kSecond);
  w.stop(0);
  w.start(0, 10);
  w.recover(11, 10, {0, 1, 2});
  w.pass(kLong + kLong);
  EXPECT_EQ(files_with(key), 0u);
}

TEST_F(VacuumTest, ADeletionThatNobodyToldOfIsFound) {
  const std::string key = w.key_of(0);
  make_and_delete(0, key);
  w.pass(kLong);
  change(0, key, "once more");
  w.pass(kLong);
  remove(0, key, false);
  w.pass(kLong);
  EXPECT_TRUE(w.header(0, key));
  w.pass(70 * kRest);
  EXPECT_EQ(files_with(key), 0u);
}

TEST_F(VacuumTest, AnOrderFindsItAtOnce) {
  const std::string key = w.key_of(0);
  make_and_delete(0, key);
  const std::string untold = w.key_of(0, "untold");
  change(0, untold, "x");
  remove(0, untold, false);
  order();
  w.pass(kSecond);
  EXPECT_EQ(w.control_answer(0, kClient, 12)->status, 0);
  EXPECT_EQ(files_with(key), 0u);
  EXPECT_FALSE(w.header(0, untold));
}

// Who waits until all are gone asks again and again. What is found by the first order is passed by the walk only once.
TEST_F(VacuumTest, OrdersThatFollowEachOtherDoNotKeepTheWalkFromItsEnd) {
  for (int i = 0; i < 1000; ++i) change(0, "live" + std::to_string(i), "x");
  const std::string key = w.key_of(0, "untold");
  change(0, key, "x");
  w.pass(kLong);  // none is on the list
  remove(0, key, false);
  for (int i = 0; i < 1000 && w.header(0, key); ++i) {
    order();
    w.pass(kMillisecond);
  }
  EXPECT_FALSE(w.header(0, key));
}

TEST_F(VacuumTest, AfterItNoTimerIsLeft) {
  const std::string key = w.key_of(0);
  make_and_delete(0, key);
  w.pass(200 * kRest);
  EXPECT_EQ(files_with(key), 0u);
  for (uint32_t pnn : {0u, 1u, 2u}) {
    EXPECT_EQ(w.store(pnn).next_deadline(), kNever);
    EXPECT_FALSE(w.store(pnn).has_work());
  }
}

TEST_F(VacuumTest, AFullDiskOnlyPutsItOff) {
  const std::string key = w.key_of(0);
  make_and_delete(0, key);
  w.node(1).files.set_full(true);
  w.pass(kLong);
  EXPECT_TRUE(w.header(0, key));
  w.node(1).files.set_full(false);
  w.pass(kLong);
  EXPECT_EQ(files_with(key), 0u);
}

TEST_F(VacuumTest, ADatabaseThatIsDetachedTakesItsDeletedRecordsAlong) {
  make_and_delete(0, w.key_of(0));
  TunablesMessage tunables;
  tunables.values.assign(kTunables, 0);
  tunables.values[static_cast<size_t>(Tunable::VacuumInterval)] = kRest / kSecond;
  for (uint32_t pnn : {0u, 1u, 2u}) w.order(pnn, Operation::TUNABLES, tunables.encode());
  uint8_t id[4];
  store(id, kDbId);
  w.control(0, kClient, 13, Control::DB_DETACH, id);
  w.recover(11, 10, {0, 1, 2});
  w.pass(kLong);
  EXPECT_EQ(w.store(0).counts().deleted_waiting, 0u);
  EXPECT_EQ(w.store(0).counts().databases, 0u);
}

TEST_F(VacuumTest, AMarkOutlivesTheRecord) {
  const std::string key = w.key_of(2);
  change(0, key, "");
  change(1, key, "newer");
  w.stop(1);
  w.recover(11, 10, {0, 2});
  w.pass(kLong);
  EXPECT_EQ(files_with(key), 0u);
  take(0, key);
  EXPECT_NE(w.header(0, key)->flags & CTDB_RECORD_MAY_BE_OLDER, 0u);
}

// ---- packets that are not what they should be ----

TEST_F(VacuumTest, PacketsThatDoNotFitChangeNothing) {
  const std::string key = w.key_of(0);
  make_and_delete(1, key);
  const uint32_t generation = 10;
  const auto send = [&](uint32_t from, Operation operation, Bytes payload) {
    Bytes packet;
    Header header{0, generation, 0, 1, from, 77};
    header.operation = static_cast<uint32_t>(operation);
    build_own(packet, header, payload);
    w.deliver(1, packet);
  };
  const RecordForget good{kDbId, ForgetStep::kRemove, {{1000, as_bytes(key)}}};
  send(0, Operation::RECORD_FORGET, good.encode());  // by the lmaster, of a record that node 1 owns
  send(2, Operation::RECORD_FORGET, good.encode());  // by somebody else
  EXPECT_TRUE(w.header(1, key));
  EXPECT_EQ(w.owners(key), std::vector<uint32_t>{1});
  const Bytes whole = good.encode();
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(RecordForget::decode(ByteView(whole).first(size))) << size;
  }
  const Bytes answer = RecordForgotten{kDbId, ForgetStep::kRemove, {2}}.encode();
  const uint64_t refused = w.store(1).counts().refused_packets;
  send(0, Operation::RECORD_FORGOTTEN, answer);  // to no question
  EXPECT_EQ(w.store(1).counts().refused_packets, refused + 1);
  EXPECT_TRUE(w.header(1, key));
}

TEST_F(VacuumTest, AnAnswerCountsOnceAndFromWhomItIsAwaited) {
  const std::string key = w.key_of(0);
  make_and_delete(0, key);
  // Node 2 never hears of it; node 1 answers three times.
  std::vector<Bytes> answers;
  w.on_link = [&](uint32_t from, uint32_t to, ByteView packet) {
    const uint32_t operation = read_header(packet).operation;
    if (to == 2 && operation == static_cast<uint32_t>(Operation::RECORD_FORGET)) return false;
    if (from == 1 && operation == static_cast<uint32_t>(Operation::RECORD_FORGOTTEN))
      answers.push_back(to_bytes(packet));
    return true;
  };
  w.pass(kRest + 2 * kSecond);
  ASSERT_EQ(answers.size(), 1u);
  for (int i = 0; i < 3; ++i) w.deliver(0, answers[0]);
  w.pass(kLong);
  EXPECT_TRUE(w.header(0, key));
  EXPECT_TRUE(w.header(2, key));
  EXPECT_EQ(forgotten(), 0u);
}

// ---- databases with copies ----

class VacuumWithCopies : public VacuumTest {
 protected:
  VacuumWithCopies() {
    uint8_t data[8];
    store(data, kDbId);
    store(data + 4, uint32_t{2});
    w.control(0, 800, 9, Control::DB_COPIES, data);
    w.run();
  }
  std::optional<int32_t> pushed(uint32_t pnn, std::string_view key) {
    uint8_t data[12];
    store(data, uint64_t{1});
    store(data + 8, uint32_t{2});
    Bytes packet;
    build(packet, {0, 0, 0, 0, 0, 77}, ReqCall{0, kDbId, CTDB_FUNC_COPY, 0, as_bytes(key), data});
    w.node(pnn).store->on_client_packet(kClient, packet, w.now());
    w.run();
    const auto reply = w.answer(pnn, kClient, 77);
    return reply ? std::optional<int32_t>(reply->status) : std::nullopt;
  }
};

TEST_F(VacuumWithCopies, DeletedRecordsAndTheirCopiesGo) {
  const std::string key = w.key_of(0);
  change(0, key, "x");
  EXPECT_EQ(pushed(0, key), 2);
  remove(0, key);
  EXPECT_EQ(pushed(0, key), 2);
  w.pass(kLong);
  EXPECT_EQ(files_with(key), 0u);
}

// What was copied is not any more: the same data are pushed anew.
TEST_F(VacuumWithCopies, DataThatComeBackInBetweenAreCopiedAgain) {
  const std::string key = w.key_of(0);
  change(0, key, "same");
  ASSERT_EQ(pushed(0, key), 2);
  remove(0, key);  // by a classic client: no push
  when(Operation::RECORD_FORGOTTEN, ForgetStep::kRemove, 2, 0, [&] { ASSERT_TRUE(w.write(0, key, "same")); });
  w.pass(kLong);
  ASSERT_TRUE(seen_);
  ASSERT_EQ(*w.data(0, key), "same");
  ASSERT_EQ(pushed(0, key), 2);
  w.stop(0);
  w.recover(11, 10, {1, 2});
  EXPECT_EQ(fetch(1, key), "same");
}

}  // namespace
}  // namespace ctdb::test
