// SPDX-License-Identifier: GPL-3.0-or-later
// ctdb-transact: adds one to a counter in a persistent database, in transactions, and tells what became of each.
//   ctdb-transact --setup PATH | --socket PATH  --db NAME --key KEY [--count N] [--hold 1] [--events 1]
// --setup takes the C API; --socket the classic socket with the lock of the ctdb tool's library (client-semantics §7.2). The counter
// is decimal text; none counts as 0. Prints "+ VALUE" for an increment that was acknowledged and "? VALUE" for one of which
// nobody knows, "- WHY" for one that was not made; it ends after N acknowledged ones (0: when its standard input ends). Restarts of daemons are ridden out; gives up when nothing succeeds for
// two minutes. --hold 1: with the first transaction open it prints "open" and goes on when its standard input ends. --events 1: with the functions
// for event loops.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "libctdbipc/wire/reader.h"
#include "libctdbipc/wire/rec_buffer.h"
#include "tests/clients/counting.h"

namespace ctdb {
namespace {

constexpr char kSequenceKey[] = "__db_sequence_number__";  // with its NUL

enum class Outcome { kDone, kUnknown, kFailed };

class Counter {
 public:
  virtual ~Counter() = default;
  // "" or what went wrong.
  virtual std::string open() = 0;
  virtual Outcome add(uint64_t* value, std::string* why) = 0;
  void hold() { hold_.wanted(); }

 protected:
  // Called with the transaction open.
  void opened() { hold_.here("open"); }

 private:
  HoldOnce hold_;
};

class NativeCounter : public Counter {
 public:
  NativeCounter(const std::string& setup, const std::string& database, std::string key, bool events)
      : connection_(setup, database, CTDB_ATTACH_PERSISTENT), key_(std::move(key)), events_(events) {}

  std::string open() override { return connection_.open(); }

  Outcome add(uint64_t* value, std::string* why) override {
    const int error = transaction(value);
    if (error == 0) return Outcome::kDone;
    *why = connection_.text(error);
    return error == CTDB_ERR_UNKNOWN ? Outcome::kUnknown : Outcome::kFailed;
  }

 private:
  struct End {
    bool is_there = false;
    int error = 0;
    ctdb_transaction* transaction = nullptr;
  };

  int transaction(uint64_t* value) {
    const ctdb_blob key{key_.data(), key_.size()};
    ctdb_transaction* transaction = nullptr;
    int error = start(&transaction);
    if (error != 0) return error;
    opened();
    ctdb_blob old{};
    error = ctdb_transaction_fetch(transaction, key, &old);
    *value =
        std::strtoull(std::string(static_cast<const char*>(old.data), old.size).c_str(), nullptr, 10) + 1;
    const std::string fresh = std::to_string(*value);
    if (error == 0) error = ctdb_transaction_store(transaction, key, {fresh.data(), fresh.size()});
    if (error == 0) return commit(transaction);
    ctdb_transaction_cancel(transaction);
    return error;
  }

  int start(ctdb_transaction** transaction) {
    if (!events_) return ctdb_transaction_start(connection_.db(), kCallTimeoutMs, transaction);
    const auto done = [](ctdb_client*, int error, ctdb_transaction* begun, void* data) {
      *static_cast<End*>(data) = {true, error, begun};
    };
    End end;
    const int error = ctdb_transaction_start_send(connection_.db(), done, &end, nullptr);
    if (error == 0) wait_for(end);
    *transaction = end.transaction;
    return error == 0 ? end.error : error;
  }
  int commit(ctdb_transaction* transaction) {
    if (!events_) return ctdb_transaction_commit(transaction, kCallTimeoutMs);
    const auto done = [](ctdb_client*, int error, void* data) {
      *static_cast<End*>(data) = {true, error, nullptr};
    };
    End end;
    const int error = ctdb_transaction_commit_send(transaction, done, &end, nullptr);
    if (error == 0) wait_for(end);
    return error == 0 ? end.error : error;
  }
  // A request ends with its connection, so this does.
  void wait_for(const End& end) const {
    while (!end.is_there) (void)ctdb_wait(connection_.client(), -1);
  }

  NativeConnection connection_;
  const std::string key_;
  const bool events_;
};

// The library of the ctdb tool: the lock is a list of entries in g_lock.tdb; who waits looks again every millisecond.
class ClassicCounter : public Counter {
 public:
  ClassicCounter(std::string socket, std::string database, std::string key)
      : socket_(std::move(socket)), database_(std::move(database)), key_(std::move(key)) {}

  std::string open() override {
    client_.reset();
    Result<std::unique_ptr<ClassicClient>> client = ClassicClient::connect(socket_);
    if (!client) return client.error().text();
    client_ = std::move(*client);
    Bytes name = to_bytes(as_bytes(database_));
    name.push_back(0);
    Result<ClassicClient::Reply> made =
        client_->control(CTDB_CURRENT_NODE, Control::DB_ATTACH_PERSISTENT, 0, name);
    if (!made) return made.error().text();
    if (made->status != 0) return made->text;
    for (const auto& [which, db_name] : {std::pair{&db_, database_}, {&locks_, std::string("g_lock.tdb")}}) {
      Result<ClassicClient::Database*> db = client_->attach(db_name);
      if (!db) return db.error().text();
      *which = *db;
    }
    char text[32];
    std::snprintf(text, sizeof text, "transaction_db_0x%08x", db_->id);
    lock_key_ = to_bytes(as_bytes(text));
    lock_key_.push_back(0);
    return "";
  }

  Outcome add(uint64_t* value, std::string* why) override {
    if (!client_->connected()) return *why = "disconnected", Outcome::kFailed;
    if (Result<void> locked = take_lock(); !locked) return *why = locked.error().text(), Outcome::kFailed;
    opened();
    const std::string old(as_text(data_of(as_bytes(key_))));
    const uint64_t old_rsn = rsn_;
    *value = std::strtoull(old.c_str(), nullptr, 10) + 1;
    Bytes buffer = begin_rec_buffer(db_->id);
    add_change(buffer, as_bytes(key_), old_rsn, as_bytes(std::to_string(*value)));
    const ByteView sequence_key(reinterpret_cast<const uint8_t*>(kSequenceKey), sizeof kSequenceKey);
    const ByteView data = data_of(sequence_key);
    uint8_t number[8];
    store(number, (data.size() == 8 ? load<uint64_t>(data.data()) : 0) + 1);
    add_change(buffer, sequence_key, rsn_, number);
    Result<ClassicClient::Reply> reply =
        client_->control(CTDB_CURRENT_NODE, Control::TRANS3_COMMIT, 0, buffer);
    if (!reply) return *why = reply.error().text(), Outcome::kUnknown;
    if (Result<void> free = drop_lock(); !free) client_.reset(), client_ = nullptr;
    if (reply->status == 0) return Outcome::kDone;
    *why = reply->text;
    return reply->status == 2 ? Outcome::kUnknown : Outcome::kFailed;
  }

 private:
  ByteView data_of(ByteView key) {
    rsn_ = 0;
    if (db_->file->fetch(key, db_->value) != LocalFile::Found::kYes) return {};
    const std::optional<RecordHeader> header = read_record_header(db_->value);
    if (!header) return {};
    rsn_ = header->rsn;
    return ByteView(db_->value).subspan(CTDB_RECORD_HEADER_SIZE);
  }
  void add_change(Bytes& buffer, ByteView key, uint64_t old_rsn, ByteView data) const {
    Bytes value;
    append_record_header(value, {old_rsn + 1, client_->pnn(), 0});
    value.insert(value.end(), data.begin(), data.end());
    add_to_rec_buffer(buffer, key, value);
  }
  Bytes entry() const {
    Bytes bytes;
    Writer w(bytes);
    w.u64(1);  // for writing
    w.u64(static_cast<uint64_t>(getpid()));
    w.u32(0);
    w.u32(client_->pnn());
    w.u64(0x7A3);
    return bytes;
  }
  Result<void> take_lock() {
    for (;;) {
      if (Result<void> got = client_->fetch_lock(*locks_, lock_key_); !got) return got;
      const Bytes list = to_bytes(ByteView(locks_->value).subspan(CTDB_RECORD_HEADER_SIZE));
      bool taken = false;
      for (size_t at = 0; at + 32 <= list.size() && !taken; at += 32) {
        uint8_t pid[4];
        store(pid, static_cast<uint32_t>(load<uint64_t>(list.data() + at + 8)));
        const auto pnn = load<uint32_t>(list.data() + at + 20);
        const bool mine = ByteView(list).subspan(at, 32).size() == 32 &&
                          Bytes(list.begin() + static_cast<ptrdiff_t>(at),
                                list.begin() + static_cast<ptrdiff_t>(at) + 32) == entry();
        Result<ClassicClient::Reply> lives = client_->control(pnn, Control::PROCESS_EXISTS, 0, pid);
        if (!lives) return client_->unlock(*locks_), fail(std::move(lives.error()));
        taken = lives->status == 0 && !mine;
      }
      Result<void> stored = taken ? Result<void>() : client_->store(*locks_, entry());
      client_->unlock(*locks_);
      if (!stored || !taken) return stored;
      usleep(1000);  // as that library does
    }
  }
  Result<void> drop_lock() {
    if (Result<void> got = client_->fetch_lock(*locks_, lock_key_); !got) return got;
    Result<void> removed = client_->remove(*locks_);
    client_->unlock(*locks_);
    return removed;
  }

  std::string socket_, database_, key_;
  std::unique_ptr<ClassicClient> client_;
  ClassicClient::Database *db_ = nullptr, *locks_ = nullptr;
  Bytes lock_key_;
  uint64_t rsn_ = 0;  // of what was read last
};

int run(Counter& counter, uint64_t count) {
  Patience patience;
  bool is_open = false;
  for (uint64_t done = 0; count == 0 ? !input_ended() : done < count;) {
    std::string why = is_open ? "" : counter.open();
    uint64_t value = 0;
    const Outcome outcome = why.empty() ? counter.add(&value, &why) : Outcome::kFailed;
    is_open = outcome == Outcome::kDone;
    if (outcome == Outcome::kFailed) {
      std::printf("- %s\n", why.c_str());
    } else {
      std::printf("%c %llu\n", is_open ? '+' : '?', static_cast<unsigned long long>(value));
    }
    std::fflush(stdout);
    if (is_open) {
      patience.succeeded();
      ++done;
    } else if (!patience.try_again()) {
      std::fprintf(stderr, "ctdb-transact: after %llu: %s\n", static_cast<unsigned long long>(done),
                   why.c_str());
      return 1;
    }
  }
  return 0;
}

int main_of(int argc, char** argv) {
  const std::optional<CountingArguments> given = counting_arguments(argc, argv, {"--events"});
  if (!given) {
    std::fprintf(stderr,
                 "usage: ctdb-transact --setup PATH | --socket PATH  --db NAME --key KEY [--count N] [--hold "
                 "1] [--events 1]\n");
    return 2;
  }
  std::unique_ptr<Counter> counter;
  if (given->socket.empty()) {
    counter = std::make_unique<NativeCounter>(given->setup, given->database, given->key,
                                              given->more.contains("--events"));
  } else {
    counter = std::make_unique<ClassicCounter>(given->socket, given->database, given->key);
  }
  if (given->hold) counter->hold();
  return run(*counter, given->count);
}

}  // namespace
}  // namespace ctdb

int main(int argc, char** argv) {
  return ctdb::main_of(argc, argv);
}
