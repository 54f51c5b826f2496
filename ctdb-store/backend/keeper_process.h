// SPDX-License-Identifier: GPL-3.0-or-later
// The keeper: a small process beside the store that outlives it and takes the records of this node away from clients when
// the lease in the node page has ended and the store has not done so itself, because it is dead, stopped or stuck
// (ARCHITECTURE.md §5, "Fencing"). KeeperLink (ctdb-store/keeper_link.h) forks it and talks to it.
//
// Invariants:
//  1. Whoever listens on the keeper's socket is the only keeper of the node. It is on duty while it holds the page's lock,
//     and it takes that lock only after it holds every wire the router has.
//  2. A wire ends when the keeper and the router have both let go of it. The keeper lets go when it dies (clients see that
//     in the page first), when it is given a newer wire to the same node, and when it ends itself.
//  3. It ends itself only when there is no store and no file says dmaster = self.
#ifndef CTDB_STORE_BACKEND_KEEPER_PROCESS_H_
#define CTDB_STORE_BACKEND_KEEPER_PROCESS_H_

#include <atomic>
#include <cstdint>
#include <string>

#include "libctdbipc/ring/node_page.h"

namespace ctdb {

struct KeeperOptions {
  std::string socket_path;
  std::string volatile_directory;
  uint32_t pnn = 0;
  int tdb_flags = 0;
};

// Runs in a forked child, never returns; ends at once if another keeper listens. `store`: the connected socket to the store
// that forked it. Every other descriptor but standard error is closed.
[[noreturn]] void run_keeper(const KeeperOptions& options, NodePage& page, int store);

// Under the file's all-record lock: newcomers wait from now on, who holds a chain finishes; then every header that names
// `pnn` loses it. Nothing is changed when the store's epoch is not `epoch` any more. false: try again. `told`: why it failed
// stands in the log already. `has_lock` is set when the lock is there, before the epoch is looked at.
bool fence_file(const std::string& path, int tdb_flags, uint32_t pnn, const NodePage& page, uint64_t epoch,
                bool told = false, std::atomic<bool>* has_lock = nullptr);

}  // namespace ctdb

#endif  // CTDB_STORE_BACKEND_KEEPER_PROCESS_H_
