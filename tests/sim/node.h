// SPDX-License-Identifier: GPL-3.0-or-later
// One node of the simulated cluster: its three daemons, its disk, its clients, and how they are joined again when one of
// them comes back. World owns it.
#ifndef CTDB_TESTS_SIM_NODE_H_
#define CTDB_TESTS_SIM_NODE_H_

#include <memory>
#include <vector>

#include "ctdb-store/backend/memory_file.h"
#include "tests/sim/client.h"
#include "tests/sim/lock_table.h"
#include "tests/sim/mutations.h"
#include "tests/sim/recoveryd_process.h"
#include "tests/sim/router_process.h"
#include "tests/sim/store_process.h"

namespace ctdb::sim {

class World;

class Node {
 private:
  World& world_;  // first: the processes ask for it while they are built
  const uint32_t pnn_;

 public:
  Node(World& world, uint32_t pnn);

  uint32_t pnn() const { return pnn_; }
  World& world() { return world_; }

  // ---- processes ----
  void start_all();
  void kill_router(bool power_lost = false);
  void kill_store();
  void kill_recoveryd();
  // Power lost: everything dies, volatile files are empty when the store returns, recoveryd's state is kept. A machine
  // needs some time to boot: until then nothing starts.
  void kill_all();
  static constexpr TimeNs kBootTime = 2500 * kMillisecond;
  void start_router();
  void start_store();
  void start_recoveryd();
  // The daemons that are dead are started, the stopped ones go on.
  void repair();
  // Whether the router can open and accept connections: of peers, daemons and clients.
  void set_descriptors_left(bool left);
  void daemons_changed();  // one has died, started, stopped or gone on

  MemoryDatabase* database();

  RouterProcess router;
  StoreProcess store;
  RecoverydProcess recoveryd;
  MemoryFiles files;
  LockTable locks;
  Mutator mutator;
  Bytes durable;  // what recoveryd has on disk
  std::vector<std::unique_ptr<Client>> clients;

 private:
  bool booted() const;
  TimeNs boots_at_ = 0;
};

}  // namespace ctdb::sim

#endif  // CTDB_TESTS_SIM_NODE_H_
