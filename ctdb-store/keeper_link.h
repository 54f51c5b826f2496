// SPDX-License-Identifier: GPL-3.0-or-later
// The store's side of the keeper (backend/keeper_process.h): finds the one that an earlier store left on duty, or forks one,
// at start-up and again whenever it dies. Used by the store's shell from its loop.
#ifndef CTDB_STORE_KEEPER_LINK_H_
#define CTDB_STORE_KEEPER_LINK_H_

#include <sys/types.h>

#include <functional>
#include <vector>

#include "ctdb-store/backend/keeper_process.h"
#include "libctdbipc/base/unique_fd.h"
#include "libctdbipc/runtime/event_loop.h"

namespace ctdb {

class KeeperLink {
 public:
  // `on_new`: the keeper has died and another is there, which holds no wires yet. `page` outlives the link.
  KeeperLink(EventLoop& loop, NodePage& page, KeeperOptions options, std::function<void()> on_new);
  ~KeeperLink();
  KeeperLink(const KeeperLink&) = delete;
  KeeperLink& operator=(const KeeperLink&) = delete;

  // Forks if it must: call it while the process is small.
  Result<void> start();
  // false: there is no keeper at the moment. When it returns true the keeper has the wire, even if this process dies now.
  bool hold(uint32_t pnn, UniqueFd wire);
  // It has all wires of this life of the router now: it goes on duty.
  void ready(uint32_t router);

 private:
  Result<void> fork_one();
  Result<void> adopt(UniqueFd socket);
  void on_readable();
  void lost();
  void let_go();
  void reap();
  void replace();
  void replace_later();

  EventLoop& loop_;
  NodePage& page_;
  const KeeperOptions options_;
  const std::function<void()> on_new_;
  UniqueFd socket_;
  pid_t child_ = 0;            // 0: it is no child of ours
  std::vector<pid_t> former_;  // children that may not have ended yet
  TimeNs made_at_ = 0;
  EventLoop::TimerId retry_timer_ = 0;
};

}  // namespace ctdb

#endif  // CTDB_STORE_KEEPER_LINK_H_
