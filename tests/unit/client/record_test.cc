// SPDX-License-Identifier: GPL-3.0-or-later
// Attach, fetch-lock, read, store, delete, unlock, requests.
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>

#include "tests/unit/client/client_test.h"
#include "tests/unit/store/tdb_client.h"
#include "tests/unit/store/tdb_damage.h"

namespace ctdb::test {
namespace {

class RecordTest : public ClientTest {
 protected:
  ctdb_record* lock(std::string_view key) {
    ctdb_record* record = nullptr;
    EXPECT_EQ(ctdb_fetch_lock(db, blob_of(key), kPatience, &record), 0) << ctdb_error_text(client);
    return record;
  }
  void put(std::string_view key, std::string_view data) {
    ctdb_record* record = lock(key);
    ASSERT_EQ(ctdb_store(record, blob_of(data)), 0);
    ASSERT_EQ(ctdb_unlock(record), 0);
  }
};

void note_answer(ctdb_client*, const ctdb_reply* reply, void* data) {
  *static_cast<std::string*>(data) += std::to_string(reply->status) + ":" + text_of(reply->data) + " ";
}

TEST_F(RecordTest, AttachGivesTheNumberOfTheDatabase) {
  start_attached();
  uint32_t id = 0;
  EXPECT_EQ(ctdb_db_id(db, &id), 0);
  EXPECT_EQ(id, 0xc445c6abu);  // wire-protocol §6.4
}

TEST_F(RecordTest, AttachRefusesNonsense) {
  start();
  EXPECT_EQ(ctdb_attach(client, nullptr, 0, 0, &db), CTDB_ERR_INVALID);
  EXPECT_EQ(ctdb_attach(client, "", 0, 0, &db), CTDB_ERR_INVALID);
  EXPECT_EQ(ctdb_attach(client, std::string(256, 'x').c_str(), 0, 0, &db), CTDB_ERR_INVALID);
  EXPECT_STREQ(ctdb_error_text(client), "a database's name has 1 to 200 bytes");
  EXPECT_EQ(ctdb_attach(client, "test.tdb", CTDB_COPIES_MAX + 1, 0, &db), CTDB_ERR_INVALID);
  EXPECT_EQ(ctdb_attach(client, "test.tdb", 0, 0, nullptr), CTDB_ERR_INVALID);
  EXPECT_EQ(ctdb_attach_send(client, "test.tdb", 0, nullptr, nullptr, nullptr), CTDB_ERR_INVALID);
}

TEST_F(RecordTest, AttachRepeatsWhatTheStoreSaid) {
  start([](FakeDaemons& daemons, Peer, ByteView packet) {
    daemons.reply_control(read_header(packet).reqid, -1, {}, "no more databases");
    return true;
  });
  EXPECT_EQ(ctdb_attach(client, "test.tdb", 0, kPatience, &db), CTDB_ERR_REMOTE);
  EXPECT_STREQ(ctdb_error_text(client), "no more databases");
  // Of this failure and no other.
  EXPECT_EQ(ctdb_cancel(client, 77), CTDB_ERR_NOT_FOUND);
  EXPECT_STREQ(ctdb_error_text(client), "");
}

TEST_F(RecordTest, AttachSurvivesShortAnswersAndMissingFiles) {
  start([](FakeDaemons& daemons, Peer, ByteView packet) {
    const uint32_t opcode = parse_req_control(packet)->opcode;
    const uint32_t reqid = read_header(packet).reqid;
    daemons.held.emplace_back();
    if (daemons.held.size() == 1) return daemons.reply_control(reqid, 0, Bytes(3)), true;
    if (opcode == static_cast<uint32_t>(Control::GETDBPATH)) {
      return daemons.reply_control(reqid, 0, as_bytes("/nonexistent/test.tdb")), true;
    }
    return false;
  });
  EXPECT_EQ(ctdb_attach(client, "test.tdb", 0, kPatience, &db), CTDB_ERR_PROTOCOL);
  EXPECT_EQ(ctdb_attach(client, "test.tdb", 0, kPatience, &db), CTDB_ERR_DATABASE);
  EXPECT_NE(std::string(ctdb_error_text(client)).find("/nonexistent/test.tdb"), std::string::npos);
}

TEST_F(RecordTest, SaysThatARecordMayBeOlderUntilItIsStored) {
  start_attached({}, [](FakeDaemons& daemons, char) {
    daemons.put_record(as_bytes("fresh"), kPnn, as_bytes("x"));
    for (const char* key : {"stored", "deleted"})
      daemons.put_record(as_bytes(key), kPnn, as_bytes("x"), CTDB_RECORD_MAY_BE_OLDER | 0x10000);
  });
  node->command('r');
  ctdb_record* record = lock("fresh");
  EXPECT_EQ(ctdb_record_may_be_older(record), 0);
  ctdb_unlock(record);
  EXPECT_EQ(ctdb_record_may_be_older(record), CTDB_ERR_NOT_LOCKED);
  for (const char* key : {"stored", "deleted"}) {
    record = lock(key);
    EXPECT_EQ(ctdb_record_may_be_older(record), 1);
    EXPECT_EQ(key[0] == 's' ? ctdb_store(record, blob_of("y")) : ctdb_delete(record), 0);
    EXPECT_EQ(ctdb_record_may_be_older(record), 0);
    ctdb_unlock(record);
    record = lock(key);
    EXPECT_EQ(ctdb_record_may_be_older(record), 0);
    ctdb_unlock(record);
    ctdb_reply reply{};
    ASSERT_EQ(ctdb_request(db, blob_of(key), CTDB_CALL_FETCH_WITH_HEADER, {}, 0, &reply), 0);
    EXPECT_EQ(load<uint32_t>(static_cast<const uint8_t*>(reply.data.data) + CTDB_OFF_RECORD_FLAGS), 0x10000u)
        << "nothing else of the header is changed";
  }
}

TEST_F(RecordTest, AttachesFromAnEventLoop) {
  start();
  const auto attached = [](ctdb_client*, int error, ctdb_db* got, void* data) {
    EXPECT_EQ(error, 0);
    *static_cast<ctdb_db**>(data) = got;
  };
  uint32_t id = 0;
  ASSERT_EQ(ctdb_attach_send(client, "test.tdb", 0, attached, &db, &id), 0);
  ASSERT_TRUE(loop_until([&] { return db != nullptr; }));
  EXPECT_EQ(ctdb_cancel(client, id), CTDB_ERR_NOT_FOUND);
  put("k", "v");
}

TEST_F(RecordTest, CancelledAttachLeavesNothing) {
  start();
  const auto never = [](ctdb_client*, int, ctdb_db*, void*) { ADD_FAILURE() << "cancelled"; };
  uint32_t id = 0;
  ASSERT_EQ(ctdb_attach_send(client, "test.tdb", 0, never, nullptr, &id), 0);
  EXPECT_EQ(ctdb_cancel(client, id), 0);
  EXPECT_EQ(ctdb_ping(client, CTDB_PNN_CURRENT, kPatience), 0);
  while (ctdb_service(client, 0) > 0) {
  }
}

TEST_F(RecordTest, MissingRecordComesEmptyAndIsThenAHit) {
  start_attached();
  ctdb_record* record = lock("k");
  EXPECT_EQ(ctdb_record_data(record).size, 0u);
  EXPECT_EQ(text_of(ctdb_record_key(record)), "k");
  ASSERT_EQ(ctdb_store(record, blob_of("hello")), 0);
  EXPECT_EQ(text_of(ctdb_record_data(record)), "hello");
  ASSERT_EQ(ctdb_unlock(record), 0);
  EXPECT_EQ(node->seen().calls, 1u);

  record = lock("k");
  EXPECT_EQ(text_of(ctdb_record_data(record)), "hello");
  ASSERT_EQ(ctdb_unlock(record), 0);
  EXPECT_EQ(node->seen().calls, 1u) << "a local hit asks nobody";
  EXPECT_EQ(stats().local_hits, 1u);
}

TEST_F(RecordTest, StoreKeepsTheRecordHeader) {
  start_attached({}, [](FakeDaemons& daemons, char) {
    const Bytes value = daemons.get_record(as_bytes("k"));
    const std::optional<RecordHeader> header = read_record_header(value);
    daemons.check(header && header->rsn == 7 && header->dmaster == kPnn && value.size() == 24 + 3);
  });
  put("k", "abc");
  node->command('c');
}

// No file may become larger while this lives.
class FullDisk {
 public:
  explicit FullDisk(rlim_t bytes) {
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FullDisk() { setrlimit(RLIMIT_FSIZE, &before_); }

 private:
  rlimit before_{};
};

TEST_F(RecordTest, AStoreThatFindsNoRoomLeavesTheOldValue) {
  start_attached();
  put("k", "old");
  const std::string large(2 << 20, 'x');
  {
    const FullDisk full(1 << 20);
    ctdb_record* record = lock("k");
    EXPECT_EQ(ctdb_store(record, blob_of(large)), CTDB_ERR_DATABASE);
    EXPECT_NE(std::string(ctdb_error_text(client)).find("is the file system full?"), std::string::npos);
    EXPECT_EQ(text_of(ctdb_record_data(record)), "old");
    EXPECT_EQ(ctdb_unlock(record), 0);
    record = lock("k");
    EXPECT_EQ(text_of(ctdb_record_data(record)), "old");
    EXPECT_EQ(ctdb_unlock(record), 0);
  }
  put("k", large);
}

// libtdb deletes what must grow before it looks for room, and wants more room for a record than it gives back.
TEST_F(RecordTest, ARecordThatCannotGrowInAFullFileIsStillThere) {
  start_attached();
  const std::string old(120, 'd');
  for (const size_t size : {100u, 120u, 100u, 120u}) put("k", std::string(size, 'd'));
  const FullDisk full(1 << 20);
  TdbClient other(node->database_path(), 0x1c41);  // the flags of volatile databases
  for (int i = 0; other.ask("store fill" + std::to_string(i) + " " + std::string(4096, 'f')) == "ok"; ++i) {
  }
  for (int i = 0; other.ask("store f" + std::to_string(i) + " f") == "ok"; ++i) {
  }
  ctdb_record* record = lock("k");
  EXPECT_EQ(ctdb_store(record, blob_of(std::string(400, '+'))), CTDB_ERR_DATABASE);
  EXPECT_EQ(ctdb_unlock(record), 0);
  record = lock("k");
  EXPECT_EQ(text_of(ctdb_record_data(record)), old);
  EXPECT_EQ(ctdb_unlock(record), 0);
}

TEST_F(RecordTest, OwnOldDataMayBeStored) {
  start_attached();
  put("k", "0123456789");
  ctdb_record* record = lock("k");
  ctdb_blob tail = ctdb_record_data(record);
  tail = {static_cast<const char*>(tail.data) + 4, 3};
  ASSERT_EQ(ctdb_store(record, tail), 0);
  EXPECT_EQ(text_of(ctdb_record_data(record)), "456");
  ASSERT_EQ(ctdb_unlock(record), 0);
  ctdb_blob value;
  ASSERT_EQ(ctdb_read(db, blob_of("k"), kPatience, &value), 0);
  EXPECT_EQ(text_of(value), "456");
}

TEST_F(RecordTest, AsksAgainWhileOthersTakeTheRecordAway) {
  // Two rounds end with the record owned elsewhere before the client looks.
  start_attached([](FakeDaemons& daemons, Peer peer, ByteView packet) {
    if (peer != Peer::kStore || daemons.held.size() == 2) return false;
    daemons.held.emplace_back();
    daemons.put_record(parse_req_call(packet)->key, kOtherPnn, as_bytes("theirs"));
    daemons.reply_call(read_header(packet).reqid, 0);
    return true;
  });
  ctdb_record* record = lock("k");
  EXPECT_EQ(text_of(ctdb_record_data(record)), "theirs");
  EXPECT_EQ(ctdb_unlock(record), 0);
  EXPECT_EQ(stats().calls, 3u);
}

TEST_F(RecordTest, DelegatedRecordIsNotWritable) {
  start_attached({}, [](FakeDaemons& daemons, char) {
    daemons.put_record(as_bytes("k"), kPnn, as_bytes("v"), CTDB_RECORD_RO_HAVE_DELEGATIONS);
  });
  node->command('p');
  ctdb_blob value;
  ASSERT_EQ(ctdb_read(db, blob_of("k"), 0, &value), 0) << "reading it is fine";
  EXPECT_EQ(ctdb_unlock(lock("k")), 0);
  EXPECT_EQ(node->seen().calls, 1u);
}

TEST_F(RecordTest, LargestValueIsStoredReadAndFetched) {
  start_attached([](FakeDaemons& daemons, Peer peer, ByteView packet) {
    if (peer == Peer::kStore && *parse_req_call(packet)->key.data() == 'f') {
      daemons.put_record(parse_req_call(packet)->key, kOtherPnn, Bytes(CTDB_VALUE_BYTES_MAX, 'x'));
    }
    return false;
  });
  const std::string large(CTDB_VALUE_BYTES_MAX, 'x');
  put("mine", large);
  ctdb_blob value;
  for (const char* key : {"mine", "foreign"}) {
    ASSERT_EQ(ctdb_read(db, blob_of(key), kPatience, &value), 0) << ctdb_error_text(client);
    EXPECT_EQ(text_of(value), large);
  }
}

TEST_F(RecordTest, TimeoutZeroAsksNobody) {
  start_attached();
  ctdb_record* record = nullptr;
  ctdb_blob value;
  EXPECT_EQ(ctdb_fetch_lock(db, blob_of("k"), 0, &record), CTDB_ERR_TIMEOUT);
  EXPECT_EQ(ctdb_read(db, blob_of("k"), 0, &value), CTDB_ERR_TIMEOUT);
  EXPECT_EQ(ctdb_ping(client, CTDB_PNN_CURRENT, kPatience), 0);
  EXPECT_EQ(node->seen().calls, 0u);
}

TEST_F(RecordTest, WithdrawnCallDoesNotAnswerTheNextOne) {
  // The first call is answered late, together with the second.
  start_attached([](FakeDaemons& daemons, Peer peer, ByteView packet) {
    if (peer != Peer::kStore) return false;
    daemons.held.push_back(to_bytes(packet));
    if (daemons.held.size() < 2) return true;
    daemons.reply_call(read_header(daemons.held[0]).reqid, 111);
    daemons.reply_call(read_header(daemons.held[1]).reqid, 222);
    return true;
  });
  ctdb_reply reply;
  EXPECT_EQ(ctdb_request(db, blob_of("k"), CTDB_CALL_NULL, {}, 20, &reply), CTDB_ERR_TIMEOUT);
  ASSERT_EQ(ctdb_request(db, blob_of("k"), CTDB_CALL_NULL, {}, kPatience, &reply), 0);
  EXPECT_EQ(reply.status, 222);
  EXPECT_EQ(stats().stale, 1u);
}

TEST_F(RecordTest, StoreThatRefusesIsReported) {
  start_attached([](FakeDaemons& daemons, Peer peer, ByteView packet) {
    if (peer == Peer::kStore) daemons.reply_call(read_header(packet).reqid, -1);
    return peer == Peer::kStore;
  });
  ctdb_record* record = nullptr;
  ctdb_blob value;
  EXPECT_EQ(ctdb_fetch_lock(db, blob_of("k"), kPatience, &record), CTDB_ERR_REMOTE);
  EXPECT_EQ(ctdb_read(db, blob_of("k"), kPatience, &value), CTDB_ERR_REMOTE);
  ctdb_reply reply;
  ASSERT_EQ(ctdb_request(db, blob_of("k"), CTDB_CALL_NULL, {}, kPatience, &reply), 0);
  EXPECT_EQ(reply.status, -1);
}

TEST_F(RecordTest, DeleteEmptiesTheRecordAndTellsTheStore) {
  start_attached();
  put("k", "v");
  ctdb_record* record = lock("k");
  ASSERT_EQ(ctdb_delete(record), 0);
  EXPECT_EQ(ctdb_record_data(record).size, 0u);
  ASSERT_EQ(ctdb_unlock(record), 0);
  EXPECT_TRUE(eventually([&] { return node->seen().deletions == 1; }));
  ctdb_blob value;
  ASSERT_EQ(ctdb_read(db, blob_of("k"), kPatience, &value), 0);
  EXPECT_EQ(value.size, 0u);
}

TEST_F(RecordTest, DeleteSaysWhichRecord) {
  start_attached([](FakeDaemons& daemons, Peer peer, ByteView packet) {
    const std::optional<ReqCall> call = parse_req_call(packet);
    if (!call || call->callid != CTDB_FUNC_DELETED) return false;
    daemons.check(peer == Peer::kStore && call->db_id == 0xc445c6abu && as_text(call->key) == "k");
    return false;
  });
  put("k", "v");
  ctdb_record* record = lock("k");
  ASSERT_EQ(ctdb_delete(record), 0);
  ASSERT_EQ(ctdb_unlock(record), 0);
  EXPECT_TRUE(eventually([&] { return node->seen().deletions == 1; }));
}

TEST_F(RecordTest, ADeletionAndAShorterValueNeedNoRoom) {
  start_attached({}, [](FakeDaemons& daemons, char) {
    for (const char* key : {"deleted", "shorter"})
      daemons.put_record(as_bytes(key), kPnn, as_bytes("0123456789"));
  });
  node->command('r');
  const FullDisk full(0);  // no file may be written to but through a mapping, and none may grow
  ctdb_record* record = lock("deleted");
  EXPECT_EQ(ctdb_delete(record), 0) << ctdb_error_text(client);
  ctdb_unlock(record);
  record = lock("shorter");
  EXPECT_EQ(ctdb_store(record, blob_of("0123")), 0) << ctdb_error_text(client);
  ctdb_unlock(record);
  EXPECT_EQ(text_of(ctdb_record_data(lock("shorter"))), "0123");
}

TEST_F(RecordTest, AFileThatAKilledProgramHasDamagedIsNoFullDiskAndIsToldToTheStore) {
  start_attached();
  put("k", "v");
  break_free_list(node->database_path());
  ctdb_record* record = lock("k");
  const std::string large(5000, 'x');
  EXPECT_EQ(ctdb_store(record, blob_of(large)), CTDB_ERR_DAMAGED);
  EXPECT_NE(std::string(ctdb_error_text(client)).find("try again"), std::string::npos)
      << ctdb_error_text(client);
  EXPECT_EQ(text_of(ctdb_record_data(record)), "v");
  EXPECT_EQ(ctdb_unlock(record), 0);
  EXPECT_TRUE(eventually([&] { return node->seen().damaged == 1; }));
  EXPECT_EQ(text_of(ctdb_record_data(lock("k"))), "v");
}

TEST_F(RecordTest, NothingLargerThanTheDatabaseAllowsIsWritten) {
  start({}, [](FakeDaemons& daemons, char) { daemons.record_limit = 4096; });
  node->command('l');
  ASSERT_EQ(ctdb_attach(client, "test.tdb", 0, kPatience, &db), 0);
  uint32_t limit = 0;
  ASSERT_EQ(ctdb_db_record_limit(db, &limit), 0);
  EXPECT_EQ(limit, 4096u);
  ctdb_record* record = lock("k");
  const std::string fits(4096, 'x'), more(4097, 'y');
  EXPECT_EQ(ctdb_store(record, blob_of(fits)), 0);
  EXPECT_EQ(ctdb_store(record, blob_of(more)), CTDB_ERR_TOO_BIG);
  EXPECT_STREQ(ctdb_error_text(client),
               "record k would have 4097 bytes, and test.tdb may have 4096 in one ([database] record limit)");
  EXPECT_EQ(ctdb_record_data(record).size, fits.size());
  EXPECT_EQ(ctdb_unlock(record), 0);
  EXPECT_EQ(ctdb_append(db, blob_of("k"), blob_of("z"), kPatience, nullptr), CTDB_ERR_TOO_BIG);
  ctdb_stats stats;
  ASSERT_EQ(ctdb_get_stats(client, &stats, sizeof stats), 0);
  EXPECT_EQ(stats.too_big, 2u);
}

TEST_F(RecordTest, WrongUseIsAnErrorAndNothingElse) {
  start_attached();
  ctdb_record* record = lock("k");
  EXPECT_EQ(ctdb_store(record, {nullptr, 3}), CTDB_ERR_INVALID);
  EXPECT_EQ(ctdb_store(record, {"", CTDB_VALUE_BYTES_MAX + 1u}), CTDB_ERR_TOO_BIG);
  EXPECT_EQ(ctdb_unlock(record), 0);
  EXPECT_EQ(ctdb_unlock(record), CTDB_ERR_NOT_LOCKED);
  EXPECT_EQ(ctdb_store(record, blob_of("x")), CTDB_ERR_NOT_LOCKED);
  EXPECT_EQ(ctdb_delete(record), CTDB_ERR_NOT_LOCKED);
  EXPECT_EQ(ctdb_record_data(record).size, 0u);
  EXPECT_EQ(ctdb_store(nullptr, blob_of("x")), CTDB_ERR_INVALID);
  EXPECT_EQ(ctdb_unlock(nullptr), CTDB_ERR_INVALID);
  EXPECT_EQ(ctdb_record_data(nullptr).size, 0u);

  const std::string long_key(CTDB_KEY_BYTES_MAX + 1, 'k');
  ctdb_reply reply;
  EXPECT_EQ(ctdb_fetch_lock(db, {nullptr, 0}, 0, &record), CTDB_ERR_INVALID);
  EXPECT_EQ(ctdb_fetch_lock(db, blob_of(long_key), 0, &record), CTDB_ERR_TOO_BIG);
  EXPECT_EQ(ctdb_fetch_lock(db, blob_of("k"), -2, &record), CTDB_ERR_INVALID);
  EXPECT_EQ(ctdb_fetch_lock(db, blob_of("k"), 0, nullptr), CTDB_ERR_INVALID);
  EXPECT_EQ(ctdb_fetch_lock(nullptr, blob_of("k"), 0, &record), CTDB_ERR_INVALID);
  EXPECT_EQ(ctdb_request(db, blob_of("k"), 0, blob_of("x"), 0, &reply), CTDB_ERR_INVALID);
  EXPECT_EQ(ctdb_request(db, blob_of("k"), 0, {}, 0, nullptr), CTDB_ERR_INVALID);
  EXPECT_EQ(ctdb_request_send(db, blob_of("k"), 0, {}, nullptr, nullptr, nullptr), CTDB_ERR_INVALID);
}

TEST_F(RecordTest, NothingWaitsForADaemonWithALockHeld) {
  start_attached();
  put("there", "v");
  ctdb_record* record = lock("k");
  ctdb_record* other = nullptr;
  ctdb_db* second = nullptr;
  ctdb_blob value;
  const uint32_t before = node->seen().controls;
  EXPECT_EQ(ctdb_fetch_lock(db, blob_of("there"), 0, &other), CTDB_ERR_BUSY)
      << "one record of a database at a time";
  EXPECT_EQ(ctdb_read(db, blob_of("there"), 0, &value), CTDB_ERR_BUSY);
  EXPECT_EQ(ctdb_ping(client, CTDB_PNN_CURRENT, kPatience), CTDB_ERR_BUSY);
  EXPECT_EQ(ctdb_attach(client, "test.tdb", 0, kPatience, &second), CTDB_ERR_BUSY);
  EXPECT_EQ(node->seen().controls, before);
  EXPECT_EQ(ctdb_unlock(record), 0);
  EXPECT_EQ(ctdb_ping(client, CTDB_PNN_CURRENT, kPatience), 0);
}

TEST_F(RecordTest, TwoClientsOfOneProcessShareTheFileAndExcludeEachOther) {
  start_attached();
  FakeNode* shared = node.get();
  ctdb_client* second = nullptr;
  ctdb_db* second_db = nullptr;
  ASSERT_EQ(ctdb_connect(shared->setup_socket().c_str(), kPatience, &second), 0);
  ASSERT_EQ(ctdb_attach(second, "test.tdb", 0, kPatience, &second_db), 0) << ctdb_error_text(second);
  ctdb_record* record = nullptr;
  ctdb_record* other = nullptr;
  ASSERT_EQ(ctdb_fetch_lock(second_db, blob_of("k"), kPatience, &record), 0);
  EXPECT_EQ(ctdb_fetch_lock(db, blob_of("k"), 0, &other), CTDB_ERR_BUSY);
  ASSERT_EQ(ctdb_store(record, blob_of("v")), 0);
  ctdb_disconnect(second);  // unlocks
  ASSERT_EQ(ctdb_fetch_lock(db, blob_of("k"), 0, &other), 0);
  EXPECT_EQ(text_of(ctdb_record_data(other)), "v");
  EXPECT_EQ(ctdb_unlock(other), 0);
}

struct Locked {
  int done = 0;
  int last_error = 0;
  ctdb_record* keep = nullptr;
  bool unlock = true;
};
void on_locked(ctdb_client*, int error, ctdb_record* record, void* data) {
  auto* locked = static_cast<Locked*>(data);
  ++locked->done;
  locked->last_error = error;
  if (error != 0) return;
  if (locked->unlock) {
    EXPECT_EQ(ctdb_unlock(record), 0);
  } else {
    locked->keep = record;
  }
}

TEST_F(RecordTest, FetchLocksFromAnEventLoop) {
  start_attached();
  Locked locked;
  ASSERT_EQ(ctdb_fetch_lock_send(db, blob_of("miss"), on_locked, &locked, nullptr), 0);
  EXPECT_EQ(locked.done, 0) << "never from inside the call";
  ASSERT_TRUE(loop_until([&] { return locked.done == 1; }));
  ASSERT_EQ(ctdb_fetch_lock_send(db, blob_of("miss"), on_locked, &locked, nullptr), 0);
  EXPECT_EQ(locked.done, 1) << "a hit waits for service() too";
  EXPECT_TRUE(fd_ready());
  ASSERT_TRUE(loop_until([&] { return locked.done == 2; }));
  EXPECT_EQ(locked.last_error, 0);
  EXPECT_EQ(node->seen().calls, 1u);
}

TEST_F(RecordTest, EventLoopRequestsTakeTurnsOnOneDatabase) {
  start_attached();
  Locked first;
  first.unlock = false;
  Locked others;
  ASSERT_EQ(ctdb_fetch_lock_send(db, blob_of("a"), on_locked, &first, nullptr), 0);
  ASSERT_TRUE(loop_until([&] { return first.keep != nullptr; }));
  for (const char* key : {"a", "b", "c"}) {
    ASSERT_EQ(ctdb_fetch_lock_send(db, blob_of(key), on_locked, &others, nullptr), 0);
  }
  while (ctdb_service(client, 0) > 0) {
  }
  EXPECT_EQ(others.done, 0);
  ASSERT_EQ(ctdb_unlock(first.keep), 0);
  ASSERT_TRUE(loop_until([&] { return others.done == 3; }));
  EXPECT_EQ(others.last_error, 0);
}

TEST_F(RecordTest, DetachAndCancelWithdrawSilently) {
  start_attached([](FakeDaemons&, Peer peer, ByteView) { return peer == Peer::kStore; });
  Locked locked;
  uint32_t id = 0;
  ASSERT_EQ(ctdb_fetch_lock_send(db, blob_of("a"), on_locked, &locked, &id), 0);
  EXPECT_EQ(ctdb_cancel(client, id), 0);
  EXPECT_EQ(ctdb_cancel(client, id), CTDB_ERR_NOT_FOUND);
  ASSERT_EQ(ctdb_fetch_lock_send(db, blob_of("b"), on_locked, &locked, &id), 0);
  ctdb_detach(db);
  EXPECT_EQ(ctdb_cancel(client, id), CTDB_ERR_NOT_FOUND);
  EXPECT_EQ(ctdb_ping(client, CTDB_PNN_CURRENT, kPatience), 0);
  while (ctdb_service(client, 0) > 0) {
  }
  EXPECT_EQ(locked.done, 0);
}

TEST_F(RecordTest, AnswersMayComeInAnyOrder) {
  start_attached([](FakeDaemons& daemons, Peer peer, ByteView packet) {
    if (peer != Peer::kStore) return false;
    daemons.held.push_back(to_bytes(packet));
    if (daemons.held.size() < 3) return true;
    for (int i : {2, 0, 1}) {
      const Bytes& call = daemons.held[static_cast<size_t>(i)];
      daemons.reply_call(read_header(call).reqid, i, parse_req_call(call)->key);
    }
    return true;
  });
  std::string answers[3];
  int i = 0;
  for (const char* key : {"x", "y", "z"}) {
    ASSERT_EQ(ctdb_request_send(db, blob_of(key), CTDB_CALL_NULL, {}, note_answer, &answers[i++], nullptr),
              0);
  }
  ASSERT_TRUE(loop_until([&] { return !answers[0].empty() && !answers[1].empty() && !answers[2].empty(); }));
  EXPECT_EQ(answers[0] + answers[1] + answers[2], "0:x 1:y 2:z ");
}

TEST_F(RecordTest, RequestFetchesLocallyOnAHit) {
  start_attached();
  put("k", "value");
  const uint32_t calls = node->seen().calls;
  ctdb_reply reply;
  ASSERT_EQ(ctdb_request(db, blob_of("k"), 0, {}, 0, &reply), 0);
  EXPECT_EQ(text_of(reply.data), "value");
  ASSERT_EQ(ctdb_request(db, blob_of("k"), CTDB_CALL_FETCH_WITH_HEADER, {}, 0, &reply), 0);
  EXPECT_EQ(reply.data.size, 24u + 5u);
  std::string answer;
  ASSERT_EQ(ctdb_request_send(db, blob_of("k"), 0, {}, note_answer, &answer, nullptr), 0);
  EXPECT_EQ(answer, "");
  ASSERT_TRUE(loop_until([&] { return !answer.empty(); }));
  EXPECT_EQ(answer, "0:value ");
  EXPECT_EQ(node->seen().calls, calls);
}

TEST_F(RecordTest, BlobTravelsWithTheCall) {
  start_attached([](FakeDaemons& daemons, Peer peer, ByteView packet) {
    if (peer != Peer::kStore) return false;
    const ReqCall call = *parse_req_call(packet);
    daemons.check(call.callid == 77);
    daemons.reply_call(read_header(packet).reqid, 5, call.data);
    return true;
  });
  ctdb_reply reply;
  ASSERT_EQ(ctdb_request(db, blob_of("k"), 77, blob_of("argument"), kPatience, &reply), 0);
  EXPECT_EQ(reply.status, 5);
  EXPECT_EQ(text_of(reply.data), "argument");
}

TEST_F(RecordTest, RefusesMoreRequestsThanItsLimit) {
  start_attached([](FakeDaemons&, Peer peer, ByteView) { return peer == Peer::kStore; });
  std::string ignored;
  int error = 0;
  uint32_t sent = 0;
  while (error == 0 && sent <= CTDB_REQUESTS_MAX) {
    error = ctdb_request_send(db, blob_of("k"), CTDB_CALL_NULL, {}, note_answer, &ignored, nullptr);
    if (error == 0) ++sent;
  }
  EXPECT_EQ(error, CTDB_ERR_FULL);
  EXPECT_EQ(sent, CTDB_REQUESTS_MAX);
}

}  // namespace
}  // namespace ctdb::test
