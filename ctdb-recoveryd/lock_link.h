// SPDX-License-Identifier: GPL-3.0-or-later
// Recoveryd's end of the socket to its lock process (lock_main.cc), which it starts when the lock is first wanted and again when it has
// died. Used by the shell, in the event loop; never blocks.
#ifndef CTDB_RECOVERYD_LOCK_LINK_H_
#define CTDB_RECOVERYD_LOCK_LINK_H_

#include <sys/types.h>

#include <functional>

#include "ctdb-recoveryd/core/cluster_node.h"
#include "ctdb-recoveryd/lock_messages.h"
#include "libctdbipc/base/unique_fd.h"
#include "libctdbipc/runtime/config.h"
#include "libctdbipc/runtime/event_loop.h"

namespace ctdb {

class LockLink {
 public:
  struct Listener {
    std::function<void(LockState state, const std::string& why)> on_lock;
    std::function<void(const RegisterAnswer& answer)> on_register;
  };
  // `config` and `loop` must outlive it. The listener is called from the loop, never from inside a call.
  LockLink(const Config& config, EventLoop& loop, Listener listener)
      : config_(config), loop_(loop), listener_(std::move(listener)) {}
  ~LockLink();

  void want(bool wanted);
  void access(uint64_t ticket, ByteView slot);

 private:
  Result<void> start();
  void send(const LockMessage& message);
  void on_readable();
  void handle(const LockMessage& message);
  void gone(const std::string& why);

  const Config& config_;
  EventLoop& loop_;
  Listener listener_;
  UniqueFd socket_;
  pid_t pid_ = 0;
  uint64_t wish_ = 0;
  bool wanted_ = false;
  RegisterAnswer answer_;  // as far as it has come
};

}  // namespace ctdb

#endif  // CTDB_RECOVERYD_LOCK_LINK_H_
