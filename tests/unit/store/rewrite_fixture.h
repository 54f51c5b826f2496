// SPDX-License-Identifier: GPL-3.0-or-later
// Databases wiped and restored by the ctdb tool, step by step on every node: what the tests share.
#ifndef TESTS_UNIT_STORE_REWRITE_FIXTURE_H_
#define TESTS_UNIT_STORE_REWRITE_FIXTURE_H_

#include <gtest/gtest.h>

#include "libctdbipc/wire/rec_buffer.h"
#include "tests/unit/store/store_world.h"

namespace ctdb::test {

inline constexpr uint64_t kSrvid = 0xCE02000000000000u;
inline constexpr uint32_t kTool = 700;  // endpoint on node 0
inline constexpr uint32_t kTransaction = 10;
inline constexpr char kPersistent[] = "pers.tdb";

class Rewrite : public ::testing::Test {
 protected:
  Rewrite() : w(3) {
    StoreOptions options;
    options.allow_client_db_attach = false;  // or nothing could be detached
    w.start(1, CTDB_INVALID_GENERATION, options);
    w.recover(10, CTDB_INVALID_GENERATION, {0, 1, 2});
    w.attach(0);
    w.run();
  }
  void put(uint32_t pnn, std::string_view key, std::string_view data) {
    w.call(pnn, 5, 1, key);
    w.pass(5 * kMillisecond);
    ASSERT_TRUE(w.answered(pnn, 5, 1));
    ASSERT_TRUE(w.write(pnn, key, data));
  }
  std::string get(uint32_t pnn, std::string_view key) {
    w.call(pnn, 6, 2, key, CTDB_FUNC_FETCH);
    w.pass(20 * kMillisecond);
    const auto reply = w.answer(pnn, 6, 2);
    return reply ? std::string(as_text(reply->data)) : "no answer";
  }
  Bytes numbers(std::initializer_list<uint32_t> values) {
    Bytes data;
    Writer writer(data);
    for (const uint32_t value : values) writer.u32(value);
    return data;
  }
  // 99: no answer.
  int32_t step(uint32_t pnn, Control control, const Bytes& data) {
    w.control(pnn, kTool, 3, control, data);
    w.pass(5 * kMillisecond);
    const auto reply = w.control_answer(pnn, kTool, 3);
    error = reply ? std::string(reply->error) : "";
    return reply ? reply->status : 99;
  }
  void everywhere(Control control, const Bytes& data, int32_t expected = 0) {
    for (uint32_t pnn = 0; pnn < w.size(); ++pnn) {
      if (w.node(pnn).store == nullptr) continue;
      EXPECT_EQ(step(pnn, control, data), expected) << pnn;
    }
  }
  void begin() {
    everywhere(Control::DB_FREEZE, numbers({id}));
    everywhere(Control::DB_TRANSACTION_START, numbers({id, kTransaction}));
    everywhere(Control::WIPE_DATABASE, numbers({id, kTransaction}));
  }
  // Another database from here on, of the kind that is everywhere.
  void use_persistent() {
    w.control(0, 900, 1, Control::DB_ATTACH_PERSISTENT, with_nul(kPersistent));
    w.run();
    id = database_id(kPersistent);
  }
  std::string persistent(uint32_t pnn, const std::string& key) {
    const auto value = w.node(pnn).files.database(kPersistent)->fetch(as_bytes(key));
    return value ? std::string(as_text(ByteView(*value).subspan(CTDB_RECORD_HEADER_SIZE))) : "";
  }
  size_t persistent_records(uint32_t pnn) { return w.node(pnn).files.database(kPersistent)->size(); }
  void put_persistent(const std::string& key) {
    begin();
    push({{key, "x"}});
    commit_and_thaw();
    w.pass(kSecond);
  }
  // So many records that they are several entries of the log.
  static constexpr size_t kLarge = 20;
  void begin_large() {
    begin();
    push({});
    for (size_t i = 0; i < kLarge; ++i) more({{"k" + std::to_string(i), std::string(100, 'l')}});
  }
  static StoreOptions small_entries() {
    StoreOptions options;
    options.entry_bytes = 500;
    return options;
  }
  void use_small_entries() {
    for (uint32_t pnn = 0; pnn < 3; ++pnn) w.start(pnn, CTDB_INVALID_GENERATION, small_entries());
    w.recover(20, CTDB_INVALID_GENERATION, {0, 1, 2});
    use_persistent();
  }
  void crash(uint32_t pnn) {
    w.stop(pnn);
    w.node(pnn).disk.crash();
    w.start(pnn, CTDB_INVALID_GENERATION, small_entries());
  }
  // A commit that waits for "k", which a client of node 1 has locked.
  void commit_that_waits() {
    put(1, "k", "v");
    put(1, "free", "v");
    ASSERT_TRUE(w.db(1).lock(as_bytes("k"), 55));
    begin();
    EXPECT_EQ(step(1, Control::DB_TRANSACTION_COMMIT, numbers({id, kTransaction})), 99);
  }
  void unlock_k() {
    w.db(1).unlock(as_bytes("k"), 55);
    w.serve_workers();
    w.pass(kSecond);
  }
  void push(const std::vector<std::pair<std::string, std::string>>& records) {
    Bytes start = numbers({id, 0, 0, 0});
    store(start.data() + 8, kSrvid);
    everywhere(Control::DB_PUSH_START, start);
    more(records);
  }
  void more(const std::vector<std::pair<std::string, std::string>>& records) {
    Bytes buffer = begin_rec_buffer(77);  // the tool says nothing sensible there
    for (const auto& [key, data] : records) {
      Bytes value;
      append_record_header(value, {3, 0, CTDB_RECORD_RO_HAVE_READONLY});
      value.insert(value.end(), data.begin(), data.end());
      add_to_rec_buffer(buffer, as_bytes(key), value);
    }
    message(buffer);
  }
  void message(const Bytes& data) {
    for (uint32_t pnn = 0; pnn < w.size(); ++pnn) {
      if (w.node(pnn).store == nullptr) continue;
      Bytes packet;
      build(packet, {0, 0, 0, pnn, 0, 0}, ReqMessage{kSrvid, data});
      w.deliver(pnn, packet);
    }
  }
  void commit_and_thaw() {
    everywhere(Control::DB_TRANSACTION_COMMIT, numbers({id, kTransaction}));
    everywhere(Control::DB_THAW, numbers({id}));
  }
  World w;
  uint32_t id = kDbId;
  std::string error;  // of the last step
};

}  // namespace ctdb::test

#endif  // TESTS_UNIT_STORE_REWRITE_FIXTURE_H_
