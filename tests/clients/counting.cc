// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/clients/counting.h"

#include <poll.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <utility>

namespace ctdb {
namespace {

constexpr std::chrono::seconds kPatience(120);
// A daemon that is gone needs time to come back.
constexpr std::chrono::milliseconds kBetweenTries(20);

}  // namespace

std::optional<CountingArguments> counting_arguments(int argc, char** argv,
                                                    const std::vector<std::string>& more) {
  CountingArguments arguments;
  for (int i = 1; i < argc; i += 2) {
    const std::string word = argv[i];
    if (i + 1 == argc) return std::nullopt;
    const std::string value = argv[i + 1];
    if (word == "--setup") {
      arguments.setup = value;
    } else if (word == "--socket") {
      arguments.socket = value;
    } else if (word == "--db") {
      arguments.database = value;
    } else if (word == "--key") {
      arguments.key = value;
    } else if (word == "--count") {
      arguments.count = std::strtoull(value.c_str(), nullptr, 10);
    } else if (word == "--hold") {
      arguments.hold = value == "1";
    } else if (std::ranges::find(more, word) != more.end()) {
      arguments.more[word] = value;
    } else {
      return std::nullopt;
    }
  }
  const bool one_way = arguments.setup.empty() != arguments.socket.empty();
  if (!one_way || arguments.database.empty() || arguments.key.empty()) return std::nullopt;
  return arguments;
}

std::string NativeConnection::open() {
  ctdb_disconnect(client_);
  client_ = nullptr;
  int error = ctdb_connect(setup_.c_str(), kCallTimeoutMs, &client_);
  if (error == 0) error = ctdb_attach(client_, database_.c_str(), flags_, kCallTimeoutMs, &db_);
  return error == 0 ? "" : text(error);
}

std::string NativeConnection::text(int error) const {
  return std::string(ctdb_strerror(error)) + ": " + ctdb_error_text(client_);
}

std::string ClassicConnection::open() {
  client_.reset();
  Result<std::unique_ptr<ClassicClient>> client = ClassicClient::connect(socket_);
  if (!client) return client.error().text();
  client_ = std::move(*client);
  Result<ClassicClient::Database*> db = client_->attach(database_);
  if (!db) return db.error().text();
  db_ = *db;
  return "";
}

std::string ClassicConnection::fetch_lock(const std::string& key) {
  if (!client_->connected()) return "the daemon has ended the connection";
  const Result<void> got = client_->fetch_lock(*db_, as_bytes(key));
  return got ? "" : got.error().text();
}

void HoldOnce::here(const char* what) {
  if (!std::exchange(wanted_, false)) return;
  std::printf("%s\n", what);
  std::fflush(stdout);
  char byte;
  while (::read(STDIN_FILENO, &byte, 1) > 0) {
  }
}

bool input_ended() {
  pollfd input{STDIN_FILENO, POLLIN, 0};
  return ::poll(&input, 1, 0) > 0;
}

int64_t monotonic_ns() {
  timespec at{};
  clock_gettime(CLOCK_MONOTONIC, &at);
  return int64_t{at.tv_sec} * 1000000000 + at.tv_nsec;
}

bool Patience::try_again() {
  if (std::chrono::steady_clock::now() - last_success_ > kPatience) return false;
  std::this_thread::sleep_for(kBetweenTries);
  return true;
}

}  // namespace ctdb
