// SPDX-License-Identifier: GPL-3.0-or-later
// db wipe, db backup, db restore: whole databases, on all active nodes, by the steps of the classic tool (wire-protocol §9.2).
#include <poll.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <ctime>
#include <thread>

#include "ctdb-cli/backup_file.h"
#include "ctdb-cli/connection.h"
#include "ctdb-cli/databases.h"
#include "ctdb-cli/text.h"
#include "ctdb-cli/traverse.h"
#include "libctdbipc/wire/reader.h"
#include "libctdbipc/wire/try_again.h"

namespace ctdb::cli {
namespace {

// With this program's number in it: another's records are not for this one.
uint64_t push_srvid() {
  return 0xCE02000000000000u | static_cast<uint32_t>(getpid());
}

// A large database takes longer than an answer.
constexpr int kTimeoutMs = 300000;
// For each node's thaw, whatever has become of the rest.
constexpr int kThawMs = 3000;
// When a recovery comes in between, which is over in less than a second as a rule: whoever asks at once meets the same one.
constexpr int kTriesMax = 5;
constexpr int kBetweenTriesMs = 1000;

Result<std::unique_ptr<Connection>> open(Invocation invocation) {
  if (!invocation.timeout_given) invocation.timeout_ms = kTimeoutMs;
  return Connection::open(invocation);
}

Bytes numbers(std::initializer_list<uint32_t> values) {
  Bytes data;
  Writer w(data);
  for (const uint32_t value : values) w.u32(value);
  return data;
}

// The steps; each has to succeed on all nodes. Nothing is changed before the commit.
class Rewriting {
 public:
  Rewriting(Connection& connection, uint32_t db_id) : connection_(connection), db_id_(db_id) {}
  ~Rewriting() {
    if (!frozen_) return;
    for (const uint32_t node : nodes_) {
      connection_.leave_ms(kThawMs);
      (void)connection_.control(node, Control::DB_THAW, id());
    }
  }
  Rewriting(const Rewriting&) = delete;
  Rewriting& operator=(const Rewriting&) = delete;

  Result<void> begin() {
    const Result<std::vector<NodeAnswer>> nodes = connection_.nodes();
    if (!nodes) return fail(nodes.error());
    for (const NodeAnswer& node : *nodes) {
      if ((node.flags & CTDB_NODE_INACTIVE) == 0) nodes_.push_back(node.pnn);
    }
    if (nodes_.empty()) return fail(ErrorCode::kRefused, "no node takes part in the cluster");
    frozen_ = true;
    for (const auto& [step, data] : {std::pair{Control::DB_FREEZE, id()},
                                     {Control::DB_TRANSACTION_START, with_transaction()},
                                     {Control::WIPE_DATABASE, with_transaction()}}) {
      if (Result<void> done = all(step, data); !done) return done;
    }
    return {};
  }
  Result<void> push(const Backup& backup) {
    Bytes start = numbers({db_id_, 0});
    Writer(start).u64(push_srvid());
    if (Result<void> started = all(Control::DB_PUSH_START, start); !started) return started;
    for (const Bytes& buffer : backup.buffers) {
      for (const uint32_t node : nodes_) {
        if (Result<void> sent = send(node, buffer); !sent) return sent;
      }
    }
    // A control is refused while what was sent before waits for room.
    if (const int code = ctdb_flush(connection_.client(), connection_.left_ms()); code != 0)
      return fail(connection_.error(code, "sending records"));
    for (const uint32_t node : nodes_) {
      const Result<Bytes> count = connection_.control(node, Control::DB_PUSH_CONFIRM, id());
      if (!count) return fail(in_node(node, count.error()));
      if (count->size() != 4 || load<uint32_t>(count->data()) != backup.records)
        return fail(ErrorCode::kRefused, "node " + std::to_string(node) + " did not get all records");
    }
    return {};
  }
  Result<void> commit() { return all(Control::DB_TRANSACTION_COMMIT, with_transaction()); }

 private:
  Bytes id() const { return numbers({db_id_}); }
  Bytes with_transaction() const { return numbers({db_id_, static_cast<uint32_t>(getpid())}); }
  static Error in_node(uint32_t node, Error error) {
    return std::move(error).in("node " + std::to_string(node));
  }
  Result<void> all(Control step, const Bytes& data) {
    for (const uint32_t node : nodes_) {
      const Result<Bytes> done = connection_.control(node, step, data);
      if (!done) return fail(in_node(node, done.error()));
    }
    return {};
  }
  Result<void> send(uint32_t node, const Bytes& buffer) {
    int code = 0;
    while ((code = ctdb_send_message(connection_.client(), node, push_srvid(),
                                     {buffer.data(), buffer.size()})) == CTDB_ERR_FULL &&
           connection_.left_ms() > 0) {
      if (code = ctdb_flush(connection_.client(), connection_.left_ms()); code != 0) break;
    }
    if (code != 0) return fail(connection_.error(code, "sending records"));
    return {};
  }

  Connection& connection_;
  uint32_t db_id_;
  std::vector<uint32_t> nodes_;
  bool frozen_ = false;
};

// Of a database that is everywhere: the one transaction that may be open on it, from before the first step until after the last. So
// none that was begun on what was there is committed on what is there then, and none comes between the parts of a large restore.
class OnlyTransaction {
 public:
  OnlyTransaction() = default;
  ~OnlyTransaction() { ctdb_transaction_cancel(transaction_); }
  OnlyTransaction(const OnlyTransaction&) = delete;
  OnlyTransaction& operator=(const OnlyTransaction&) = delete;

  Result<void> start(Connection& connection, ctdb_db* db, const std::string& name, uint8_t flags) {
    if ((flags & (CTDB_DB_PERSISTENT | CTDB_DB_REPLICATED)) == 0) return {};
    const int code = ctdb_transaction_start(db, connection.left_ms(), &transaction_);
    if (code == 0) return {};
    const char* what = code == CTDB_ERR_TIMEOUT ? ", a program's transaction is open for all that time" : "";
    return fail(connection.error(code, name + what));
  }

 private:
  ctdb_transaction* transaction_ = nullptr;
};

struct Target {
  std::string name;
  uint32_t id = 0;
  uint8_t flags = 0;
  ctdb_db* db = nullptr;
};

// Gives it what is in the backup; nullptr: nothing.
Result<void> rewrite_once(Connection& connection, const Target& target, const Backup* backup) {
  OnlyTransaction only;
  if (Result<void> alone = only.start(connection, target.db, target.name, target.flags); !alone) return alone;
  Rewriting rewriting(connection, target.id);
  if (Result<void> begun = rewriting.begin(); !begun) return begun;
  if (backup != nullptr) {
    if (Result<void> pushed = rewriting.push(*backup); !pushed) return pushed;
  }
  return rewriting.commit();
}

bool was_ended_by_recovery(const std::string& why) {
  return why.find(kTryAgain) != std::string::npos || why.find(kNotFrozen) != std::string::npos;
}

// What a recovery in the middle has ended is begun anew. Whatever else is wrong would be the next time, too.
Result<void> rewrite(Connection& connection, const Target& target, const Backup* backup) {
  using std::chrono::steady_clock, std::chrono::milliseconds;
  const auto again_before = steady_clock::now() + milliseconds(connection.left_ms() - kBetweenTriesMs);
  for (int tries = 1;; ++tries) {
    Result<void> done = rewrite_once(connection, target, backup);
    const bool again = !done && was_ended_by_recovery(done.error().text());
    if (!again || tries == kTriesMax || steady_clock::now() >= again_before) return done;
    std::fprintf(stderr, "%s; once more (%d of %d)\n", done.error().text().c_str(), tries + 1, kTriesMax);
    std::this_thread::sleep_for(milliseconds(kBetweenTriesMs));
  }
}

Outcome told(const std::string& headline, const std::string& name, uint64_t records) {
  Outcome outcome;
  outcome.report.headline.push_back(headline);
  outcome.report.json_field("db", name);
  outcome.report.json_field("records", records);
  return outcome;
}

}  // namespace

Outcome db_wipe(const Invocation& invocation) {
  auto connection = open(invocation);
  if (!connection) return failed(connection.error());
  const Result<Database> database = find_database(**connection, invocation.argument("DB"));
  if (!database) return failed(database.error());
  const Result<ctdb_db*> db = (*connection)->attach(database->name, attach_flags(database->flags));
  if (!db) return failed(db.error());
  const Target target{database->name, database->id, database->flags, *db};
  if (Result<void> done = rewrite(**connection, target, nullptr); !done) return failed(done.error());
  return told(database->name + " is empty", database->name, 0);
}

Outcome db_backup(const Invocation& invocation) {
  const std::string& file = invocation.argument("FILE");
  if (const Result<void> good = may_be_backup(file); !good) return failed(good.error());
  auto connection = open(invocation);
  if (!connection) return failed(connection.error());
  const Result<Database> database = find_database(**connection, invocation.argument("DB"));
  if (!database) return failed(database.error());
  if (database->name.size() > kBackupNameBytesMax)
    return failed(Exit::kFailed, "a backup has no room for the name " + database->name);
  Backup backup;
  backup.name = database->name;
  backup.flags = database->flags;
  backup.time_s = std::time(nullptr);
  const Result<void> done = traverse_database(**connection, database->id, [&](const TraverseRecord& record) {
    Bytes value;
    append_record_header(value, record.header);
    value.insert(value.end(), record.value.begin(), record.value.end());
    backup.add(database->id, record.key, value);
  });
  if (!done) return failed(done.error());
  if (Result<void> written = write_backup(file, backup); !written) return failed(written.error());
  return told(database->name + " is saved in " + file + ", " + std::to_string(backup.records) + " records",
              database->name, backup.records);
}

Outcome db_restore(const Invocation& invocation) {
  const Result<Backup> backup = read_backup(invocation.argument("FILE"));
  if (!backup) return failed(backup.error());
  const std::string name = invocation.optional("DB").value_or(backup->name);
  auto connection = open(invocation);
  if (!connection) return failed(connection.error());
  const Result<ctdb_db*> db = (*connection)->attach(name, attach_flags(backup->flags));
  if (!db) return failed(db.error());
  uint32_t id = 0;
  if (const int code = ctdb_db_id(*db, &id); code != 0) return failed((*connection)->error(code, name));
  const Target target{name, id, static_cast<uint8_t>(backup->flags), *db};
  if (Result<void> done = rewrite(**connection, target, &*backup); !done) return failed(done.error());
  return told(name + " has what it had on " + time_text(backup->time_s * 1000000000) + ", " +
                  std::to_string(backup->records) + " records",
              name, backup->records);
}

}  // namespace ctdb::cli
