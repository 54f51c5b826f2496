// SPDX-License-Identifier: GPL-3.0-or-later
// The two ways a benchmark row talks to a node: ClassicClient on the unix socket, and the C API.
#include <cstdio>
#include <cstdlib>

#include "libctdbipc/include/ctdb.h"
#include "libctdbipc/wire/reader.h"
#include "tests/bench/bench_client.h"
#include "tests/clients/classic_client.h"

namespace ctdb::bench {

void give_up(const std::string& what) {
  std::fprintf(stderr, "ctdb-bench: %s\n", what.c_str());
  std::exit(1);
}

namespace {

uint64_t number_in(ByteView data) {
  return data.size() < 8 ? 0 : load<uint64_t>(data.data());
}

constexpr uint64_t kTraverseSrvid = 0xAE00000000000003ull;

Bytes traverse_start(uint32_t database) {
  Bytes payload;
  Writer writer(payload);
  writer.u32(database);
  writer.u32(1);
  writer.u64(kTraverseSrvid);
  return payload;
}

// Length, request id, length of the key, length of the value, header included: both are 0 at the end, and a value without
// a header is our word for "not everything".
constexpr size_t kElementFixed = 16;
bool is_record(ByteView element) {
  return element.size() > kElementFixed && load<uint32_t>(element.data() + 12) >= CTDB_RECORD_HEADER_SIZE;
}
bool is_end(ByteView element) {
  return element.size() <= kElementFixed;
}

Bytes vacuum_all(uint32_t database) {
  Bytes payload;
  Writer writer(payload);
  writer.u32(database);
  writer.u8(1);
  return payload;
}

template <typename T>
T must(Result<T> result) {
  if (!result) give_up(result.error().text());
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

class Classic : public BenchClient {
 public:
  explicit Classic(const std::string& socket) : client_(must(ClassicClient::connect(socket))) {}

  void ping(uint32_t node) override {
    if (must(client_->control(node, Control::PING, 0, {})).status < 0) give_up("ping was refused");
  }
  void attach(const std::string& database, uint32_t) override { db_ = must(client_->attach(database)); }
  void attach_for_readers(const std::string& database) override {
    attach(database, 1);
    uint8_t id[4];
    store(id, db_->id);
    if (must(client_->control(CTDB_CURRENT_NODE, Control::SET_DB_READONLY, 0, id)).status != 0)
      give_up("read-only copies were refused");
  }
  void increment(ByteView key, size_t size) override {
    must(client_->fetch_lock(*db_, key));
    uint8_t bytes[kValueBytesMax] = {};
    store(bytes, number_in(ByteView(db_->value).subspan(CTDB_RECORD_HEADER_SIZE)) + 1);
    must(client_->store(*db_, ByteView(bytes).first(size)));
    client_->unlock(*db_);
  }
  void remove(ByteView key) override {
    must(client_->fetch_lock(*db_, key));
    must(client_->remove(*db_));
    client_->unlock(*db_);
  }
  uint64_t traverse() override {
    // ctdbd sends to a service registered twice twice.
    if (!std::exchange(traverses_, true)) listen(kTraverseSrvid);
    must(client_->control(CTDB_CURRENT_NODE, Control::TRAVERSE_START, 0, traverse_start(db_->id)));
    uint64_t records = 0;
    for (;;) {
      const ClassicClient::Message message = must(client_->receive());
      if (is_end(message.data)) return records;
      if (is_record(message.data)) ++records;
    }
  }
  void vacuum(uint32_t node) override {
    must(client_->control(node, Control::DB_VACUUM, 0, vacuum_all(db_->id)));
  }
  void add(ByteView key) override { increment(key, 8); }
  uint64_t migrations() const override { return client_->calls(); }
  uint64_t read_counter(ByteView key) override { return number_in(must(client_->read(*db_, key))); }
  void listen(uint64_t srvid) override { must(client_->listen(srvid)); }
  void send(uint32_t node, uint64_t srvid, ByteView data) override { must(client_->send(node, srvid, data)); }
  uint64_t receive() override {
    must(client_->receive_some());
    uint64_t count = 0;
    for (; client_->waiting() > 0; ++count) must(client_->receive());
    return count;
  }

 private:
  std::unique_ptr<ClassicClient> client_;
  ClassicClient::Database* db_ = nullptr;
  bool traverses_ = false;
};

class Native : public BenchClient {
 public:
  Native(const std::string& setup_socket, bool spins) {
    if (ctdb_connect(setup_socket.c_str(), kTimeoutMs, &client_) != 0) give_up(ctdb_error_text(nullptr));
    if (spins) check(ctdb_set_spin(client_, CTDB_SPIN_ADAPTIVE));
  }
  ~Native() override { ctdb_disconnect(client_); }

  void ping(uint32_t node) override { check(ctdb_ping(client_, node, kTimeoutMs)); }
  void attach(const std::string& database, uint32_t copies) override {
    const uint32_t flags = copies > 1 ? CTDB_ATTACH_COPIES(copies) : 0;
    check(ctdb_attach(client_, database.c_str(), flags, kTimeoutMs, &db_));
  }
  void attach_for_readers(const std::string& database) override {
    check(ctdb_attach(client_, database.c_str(), CTDB_ATTACH_READ_COPIES, kTimeoutMs, &db_));
  }
  void increment(ByteView key, size_t size) override {
    ctdb_record* record = nullptr;
    check(ctdb_fetch_lock(db_, {key.data(), key.size()}, kTimeoutMs, &record));
    const ctdb_blob old = ctdb_record_data(record);
    uint8_t bytes[kValueBytesMax] = {};
    ctdb::store(bytes, number_in({static_cast<const uint8_t*>(old.data), old.size}) + 1);
    check(ctdb_store(record, {bytes, size}));
    check(ctdb_unlock(record));
  }
  void remove(ByteView key) override {
    ctdb_record* record = nullptr;
    check(ctdb_fetch_lock(db_, {key.data(), key.size()}, kTimeoutMs, &record));
    check(ctdb_delete(record));
    check(ctdb_unlock(record));
  }
  uint64_t traverse() override {
    struct Progress {
      uint64_t records = 0;
      bool over = false;
    } progress;
    const auto count = [](ctdb_client*, uint64_t, ctdb_blob data, void* at) {
      const ByteView element(static_cast<const uint8_t*>(data.data), data.size);
      Progress& seen = *static_cast<Progress*>(at);
      if (is_record(element)) ++seen.records;
      seen.over = seen.over || is_end(element);
    };
    check(ctdb_register(client_, kTraverseSrvid, count, &progress, kTimeoutMs));
    control(CTDB_CURRENT_NODE, Control::TRAVERSE_START, traverse_start(database_id()));
    while (!progress.over) check(ctdb_wait(client_, kTimeoutMs));
    check(ctdb_deregister(client_, kTraverseSrvid, kTimeoutMs));
    return progress.records;
  }
  void vacuum(uint32_t node) override { control(node, Control::DB_VACUUM, vacuum_all(database_id())); }
  void add(ByteView key) override { check(ctdb_add(db_, {key.data(), key.size()}, 1, kTimeoutMs, nullptr)); }
  uint64_t migrations() const override {
    ctdb_stats stats;
    check(ctdb_get_stats(client_, &stats, sizeof stats));
    return stats.calls;
  }
  uint64_t read_counter(ByteView key) override {
    ctdb_blob value;
    check(ctdb_read(db_, {key.data(), key.size()}, kTimeoutMs, &value));
    return number_in({static_cast<const uint8_t*>(value.data), value.size});
  }
  void listen(uint64_t srvid) override {
    const auto count = [](ctdb_client*, uint64_t, ctdb_blob, void* received) {
      ++*static_cast<uint64_t*>(received);
    };
    check(ctdb_register(client_, srvid, count, &received_, kTimeoutMs));
  }
  void send(uint32_t node, uint64_t srvid, ByteView data) override {
    int error = 0;
    while ((error = ctdb_send_message(client_, node, srvid, {data.data(), data.size()})) == CTDB_ERR_FULL) {
      check(ctdb_flush(client_, kTimeoutMs));
    }
    check(error);
  }
  uint64_t receive() override {
    while (received_ == 0) {
      const int handled = ctdb_wait(client_, kTimeoutMs);
      check(handled);
      if (handled == 0) give_up("no message arrived");
    }
    return std::exchange(received_, 0);
  }

 private:
  static constexpr int kTimeoutMs = 60000;
  void check(int result) const {
    if (result < 0) give_up(std::string(ctdb_strerror(result)) + ": " + ctdb_error_text(client_));
  }

  uint32_t database_id() const {
    uint32_t id = 0;
    check(ctdb_db_id(db_, &id));
    return id;
  }
  void control(uint32_t node, Control opcode, ByteView data) {
    ctdb_reply reply;
    const ctdb_control_request request{node, static_cast<uint32_t>(opcode), 0, 0, {data.data(), data.size()}};
    check(ctdb_control(client_, &request, kTimeoutMs, &reply));
    if (reply.status < 0) give_up(std::string("a control was refused: ") + reply.text);
  }

  ctdb_client* client_ = nullptr;
  ctdb_db* db_ = nullptr;
  uint64_t received_ = 0;
};

}  // namespace

std::unique_ptr<BenchClient> open_classic(const std::string& socket) {
  return std::make_unique<Classic>(socket);
}
std::unique_ptr<BenchClient> open_native(const std::string& setup_socket, bool spins) {
  return std::make_unique<Native>(setup_socket, spins);
}

}  // namespace ctdb::bench
