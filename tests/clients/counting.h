// SPDX-License-Identifier: GPL-3.0-or-later
// What the counting clients have in common (ctdb-increment, ctdb-transact): their arguments, connecting either way, holding still
// in the middle, and trying again while daemons are restarted.
#ifndef CTDB_TESTS_CLIENTS_COUNTING_H_
#define CTDB_TESTS_CLIENTS_COUNTING_H_

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "libctdbipc/include/ctdb.h"
#include "tests/clients/classic_client.h"

namespace ctdb {

inline constexpr int kCallTimeoutMs = 120000;

struct CountingArguments {
  std::string setup, socket;  // one of them is given
  std::string database, key;
  uint64_t count = 1;
  bool hold = false;
  std::map<std::string, std::string> more;  // by option: "--copies"
};
// Options with a value each; `more` are those of this program alone. nullopt: they make no sense.
std::optional<CountingArguments> counting_arguments(int argc, char** argv,
                                                    const std::vector<std::string>& more);

// The C API's client and database. Both functions return "" or what went wrong, and can be called again.
class NativeConnection {
 public:
  NativeConnection(std::string setup, std::string database, uint32_t flags)
      : setup_(std::move(setup)), database_(std::move(database)), flags_(flags) {}
  ~NativeConnection() { ctdb_disconnect(client_); }
  std::string open();
  std::string text(int error) const;
  ctdb_db* db() const { return db_; }
  ctdb_client* client() const { return client_; }

 private:
  const std::string setup_, database_;
  const uint32_t flags_;
  ctdb_client* client_ = nullptr;
  ctdb_db* db_ = nullptr;
};

// The same through the classic socket.
class ClassicConnection {
 public:
  ClassicConnection(std::string socket, std::string database)
      : socket_(std::move(socket)), database_(std::move(database)) {}
  std::string open();
  // The record is here and locked until client().unlock(); its value is in db().
  std::string fetch_lock(const std::string& key);
  ClassicClient& client() const { return *client_; }
  ClassicClient::Database& db() const { return *db_; }

 private:
  const std::string socket_, database_;
  std::unique_ptr<ClassicClient> client_;
  ClassicClient::Database* db_ = nullptr;
};

// Once: says `what` on standard output and goes on when standard input ends.
class HoldOnce {
 public:
  void wanted() { wanted_ = true; }
  void here(const char* what);

 private:
  bool wanted_ = false;
};

bool input_ended();

// CLOCK_MONOTONIC: the same for all processes of the machine.
int64_t monotonic_ns();

// How long to go on without success.
class Patience {
 public:
  void succeeded() { last_success_ = std::chrono::steady_clock::now(); }
  // After a failure. false: it was the last one.
  bool try_again();

 private:
  std::chrono::steady_clock::time_point last_success_ = std::chrono::steady_clock::now();
};

}  // namespace ctdb

#endif  // CTDB_TESTS_CLIENTS_COUNTING_H_
