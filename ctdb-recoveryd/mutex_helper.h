// SPDX-License-Identifier: GPL-3.0-or-later
// A cluster-mutex helper, as the classic daemon runs them (fcntl, etcd, RADOS, …): a program that takes the mutex, says so with
// one character on its standard output, and holds it for as long as it lives. Used by the lock process.
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
  // To be watched while it runs.
  int output() const { return output_.get(); }
  struct News {
    LockState state = LockState::kFailed;
    std::string why;  // unless it is held
  };
  // When output() is readable. nullopt: nothing that matters.
  std::optional<News> on_readable();
  bool holds() const { return holds_; }
  // SIGTERM, and SIGKILL when that does not help; returns when it is dead.
  void end();

 private:
  News first_word(char word);

  std::vector<std::string> command_;
  pid_t pid_ = 0;
  UniqueFd output_;
  bool spoken_ = false;
  bool holds_ = false;
};

}  // namespace ctdb

#endif  // CTDB_RECOVERYD_MUTEX_HELPER_H_
