// SPDX-License-Identifier: GPL-3.0-or-later
// A cluster-mutex helper, as the classic daemon runs them (fcntl, etcd, RADOS, …): a program that takes the mutex, says so with
// one character on its standard output, and holds it for as long as it lives. Used by the lock process.
//
// It may be a script that has another program do the work: what it has started is its own process group, and ends with it. Whoever
// uses this becomes the parent of what such a script leaves behind.
#ifndef CTDB_RECOVERYD_MUTEX_HELPER_H_
#define CTDB_RECOVERYD_MUTEX_HELPER_H_

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "ctdb-recoveryd/core/cluster_node.h"
#include "libctdbipc/base/result.h"
#include "libctdbipc/base/unique_fd.h"

namespace ctdb {

class MutexHelper {
 public:
  // `command`: the program and its arguments.
  explicit MutexHelper(std::vector<std::string> command) : command_(std::move(command)) {}
  ~MutexHelper() { end(); }

  Result<void> start();
  bool running() const { return pid_ > 0; }
  // To be watched while it runs: what it says, and its end. (A child of it may keep its output open.)
  int output() const { return output_.get(); }
  int process() const { return process_.get(); }
  struct News {
    LockState state = LockState::kFailed;
    std::string why;  // unless it is held
  };
  // When one of them is readable. nullopt: nothing that matters.
  std::optional<News> on_readable();
  bool holds() const { return holds_; }
  // SIGTERM, and SIGKILL when that does not help; returns when it is dead, with all that it has started.
  void end();

 private:
  bool has_ended() const;
  News first_word(char word);

  std::vector<std::string> command_;
  pid_t pid_ = 0;
  UniqueFd output_, process_;
  bool spoken_ = false;
  bool holds_ = false;
};

}  // namespace ctdb

#endif  // CTDB_RECOVERYD_MUTEX_HELPER_H_
