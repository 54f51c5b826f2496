// SPDX-License-Identifier: GPL-3.0-or-later
// A command's connection to its node, over the public C API: what every command that asks somebody starts with. One
// deadline holds for all it does. Errors: kDisconnected (nobody there), kTimeout, others (it was refused or failed).
#ifndef CTDB_CLI_CONNECTION_H_
#define CTDB_CLI_CONNECTION_H_

#include <chrono>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "ctdb-cli/answers.h"
#include "ctdb-cli/command.h"
#include "libctdbipc/base/bytes.h"
#include "libctdbipc/base/result.h"
#include "libctdbipc/include/ctdb.h"
#include "libctdbipc/wire/operations.h"

namespace ctdb::cli {

// An error as a command's end: the exit status follows from its code.
Outcome failed(const Error& error);

class Connection {
 public:
  static Result<std::unique_ptr<Connection>> open(const Invocation& invocation);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Asks a node and returns the data of the answer; a negative status is an error with the daemon's words.
  Result<Bytes> control(uint32_t node, Control opcode, ByteView data);
  // All nodes with their states, as this node's router sees them.
  Result<std::vector<NodeAnswer>> nodes();
  // Asks every node that can be reached, all at once; `take` gets each answer, in the order of the nodes, false: it is malformed. Returns
  // what went wrong with the others, "" if nothing. One that has not answered when half of the time that is left is over is not
  // asked again on this connection, so that one that hangs leaves time for what comes next, and does not speak for the others.
  // kDisconnected and the like: not even this node's router says who there is.
  Result<std::string> ask_all(Control opcode, const std::function<bool(uint32_t node, ByteView answer)>& take,
                              ByteView data = {});
  // flags: CTDB_ATTACH_…; 0: as many copies as the database has.
  Result<ctdb_db*> attach(const std::string& name, uint32_t flags = 0);
  // Runs ctdb_service() as packets arrive until `done` says so.
  Result<void> service_until(const std::function<bool()>& done);

  // The deadline is so far away at least: for what has to be done at the end, also when the time is up.
  void leave_ms(int ms);
  // 0 when the deadline has passed.
  int left_ms() const;
  ctdb_client* client() { return client_; }
  // What a negative result of the C API means.
  Error error(int code, const std::string& what) const;

 private:
  using TimePoint = std::chrono::steady_clock::time_point;

  Connection(ctdb_client* client, int timeout_ms);
  Result<void> service_until(const std::function<bool()>& done, TimePoint deadline);

  ctdb_client* client_;
  TimePoint deadline_;
  std::set<uint32_t> silent_;  // nodes that have let a question to all go unanswered
};

}  // namespace ctdb::cli

#endif  // CTDB_CLI_CONNECTION_H_
