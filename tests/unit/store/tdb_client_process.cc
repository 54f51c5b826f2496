// SPDX-License-Identifier: GPL-3.0-or-later
// What a local client such as smbd does with a database file, as a program: it opens the tdb with the flags
// it was given and obeys one command a line, answering one line each. Started by TdbClient (tdb_client.h):
// libtdb cannot open one file twice in one process, and tests want to kill it.
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <iostream>
#include <sstream>
#include <string>

#include "ctdb-store/backend/tdb_api.h"

namespace {

using ctdb::as_bytes;
using ctdb::tdb_data;

std::string fetch(tdb_context* tdb, const std::string& key) {
  const TDB_DATA value = tdb_fetch(tdb, tdb_data(as_bytes(key)));
  if (value.dptr == nullptr) return "none";
  std::string text = "value ";
  for (size_t i = 0; i < value.dsize; ++i) {
    char hex[3];
    std::snprintf(hex, sizeof hex, "%02x", value.dptr[i]);
    text += hex;
  }
  free(value.dptr);
  return text;
}

std::string obey(tdb_context* tdb, const std::string& command, const std::string& key,
                 const std::string& value) {
  const TDB_DATA k = tdb_data(as_bytes(key));
  const auto done = [](int status) { return std::string(status == 0 ? "ok" : "failed"); };
  if (command == "lock") return done(tdb_chainlock(tdb, k));
  if (command == "trylock") return done(tdb_chainlock_nonblock(tdb, k));
  if (command == "unlock") return done(tdb_chainunlock(tdb, k));
  if (command == "store") return done(tdb_store(tdb, k, tdb_data(as_bytes(value)), 0));
  if (command == "delete") return done(tdb_delete(tdb, k));
  if (command == "seqnum") return "value " + std::to_string(tdb_get_seqnum(tdb));
  if (command == "fetch") return fetch(tdb, key);
  return "unknown";
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  tdb_runtime_check_for_robust_mutexes();
  tdb_context* tdb = tdb_open(argv[1], 0, std::stoi(argv[2]), O_RDWR, 0);
  std::cout << (tdb != nullptr ? "ok" : std::string("failed ") + std::strerror(errno)) << std::endl;
  if (tdb == nullptr) return 1;
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string command, key, value;
    words >> command >> key >> value;
    std::cout << obey(tdb, command, key, value) << std::endl;
  }
  tdb_close(tdb);
  return 0;
}
