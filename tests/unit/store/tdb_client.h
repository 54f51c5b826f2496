// SPDX-License-Identifier: GPL-3.0-or-later
// A second process with a tdb file open (tdb_client_process), driven line by line.
#ifndef CTDB_TESTS_UNIT_STORE_TDB_CLIENT_H_
#define CTDB_TESTS_UNIT_STORE_TDB_CLIENT_H_

#include <sys/types.h>

#include <cstdio>
#include <string>

namespace ctdb {

class TdbClient {
 public:
  TdbClient(const std::string& path, int tdb_flags);
  ~TdbClient();
  TdbClient(const TdbClient&) = delete;
  TdbClient& operator=(const TdbClient&) = delete;

  bool opened() const { return opened_; }
  // "ok", "failed", "none", "value <hex>"; "dead" when the process is gone.
  std::string ask(const std::string& line);
  // Sends without waiting for the answer; answer() fetches it later.
  void start(const std::string& line);
  std::string answer();
  void kill_it();  // SIGKILL, and waits for its end
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = -1;
  FILE* to_ = nullptr;
  FILE* from_ = nullptr;
  bool opened_ = false;
};

std::string hex(const std::string& text);

}  // namespace ctdb

#endif  // CTDB_TESTS_UNIT_STORE_TDB_CLIENT_H_
