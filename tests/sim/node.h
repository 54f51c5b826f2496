// SPDX-License-Identifier: GPL-3.0-or-later
// One node of the simulated cluster: its three daemons, its disk, its clients, and how they are joined again when one of
// them comes back. World owns it.
#ifndef CTDB_TESTS_SIM_NODE_H_
#define CTDB_TESTS_SIM_NODE_H_

#include <memory>
#include <vector>

#include "ctdb-store/backend/memory_disk.h"
#include "ctdb-store/backend/memory_file.h"
#include "libctdbipc/ring/node_page.h"
#include "tests/sim/client.h"
#include "tests/sim/keeper_process.h"
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

  static std::string address_of(uint32_t pnn) { return "10.0.0." + std::to_string(pnn + 1); }
  uint32_t pnn() const { return pnn_; }
  World& world() { return world_; }

  // ---- processes ----
  void start_all();
  void kill_router(bool power_lost = false);
  void kill_store();
  void kill_recoveryd();
  void kill_keeper();
  // All daemons and the keeper at once; clients live on.
  void kill_daemons(bool keeper_first);
  // Power lost: everything dies, volatile files are empty when the store returns, recoveryd's state is kept. A machine
  // needs some time to boot: until then nothing starts.
  void kill_all();
  static constexpr TimeNs kBootTime = 2500 * kMillisecond;
  // How far the clock of the lease is behind: by nothing, unless a mutation has it stand still in pauses.
  TimeNs slept() const { return slept_; }
  void woken_up();
  // Everything here stands still for so long; Faults stops it, calls woken_up(), and lets it go on.
  void pause(TimeNs for_time) { pauses_.push_back({world_now(), world_now() + for_time}); }
  bool paused() const { return world_now() < paused_until(); }
  TimeNs paused_until() const { return pauses_.empty() ? 0 : pauses_.back().until; }
  void start_router();
  void start_store();
  void start_recoveryd();
  // The daemons that are dead are started, the stopped ones go on.
  void repair();
  // Its clients are as they should be, there are room and descriptors, whatever the daemons and recoveryd's disk are. A machine that is
  // paused goes on.
  void repair_all_but_daemons();
  // Whether the router can open and accept connections: of peers, daemons and clients.
  void set_descriptors_left(bool left);
  void router_changed();  // it has died, started, stopped or gone on

  // ---- fencing ----
  // By the node page, the processes and the files, not by what daemons believe: clients here may hold records. One that
  // came back after its files were lost has none until a generation with it is open, whatever lease it has been given for
  // attempts.
  bool may_serve();
  // A keeper that is not on duty (yet) holds no wires, and native clients do not rely on it.
  bool router_and_keeper_dead() const { return !router.alive() && !keeper.on_duty(); }
  // The router or the keeper was killed, or the keeper is on duty (again), or there is a new lease. While both were dead the wires
  // ended: from then on the old lease is void, also when one of them is back, until a keeper on duty has dealt with it.
  void note_deaths() { proved_gone_ = proved_gone_ || router_and_keeper_dead(); }
  void note_duty() { proved_gone_ = false; }
  TimeNs lease_over_at() const;
  // The lease that lasted until `lease` was taken back now.
  void note_revoked(TimeNs lease) { revoked_at_ = std::min(lease, world_now()); }
  void note_excluded();
  // A classic client works on although the node is out: has it an excuse?
  bool excused(TimeNs locked_at, bool cut_off);

  MemoryDatabase* database();

  RouterProcess router;
  std::unique_ptr<NodePage> page;
  KeeperProcess keeper;
  StoreProcess store;
  RecoverydProcess recoveryd;
  MemoryFiles files;
  MemoryDisk disk;
  LockTable locks;
  Mutator mutator;
  Bytes durable;        // what recoveryd has on disk
  NodeList nodes_file;  // a router reads it when it starts or is told to
  std::vector<std::unique_ptr<Client>> clients;

 private:
  MemoryDatabase* database_ = nullptr;  // once it is there it stays
  bool may_get_records() const;
  bool owns_records();
  bool booted() const;
  TimeNs world_now() const;
  void end_pause();
  bool before_the_keepers_turn(TimeNs locked_at) const;

  struct Pause {
    TimeNs from;
    TimeNs until;
    bool over = false;
  };
  std::vector<Pause> pauses_;  // a few in a run
  TimeNs boots_at_ = 0;
  TimeNs slept_ = 0;
  TimeNs revoked_at_ = 0;
  bool proved_gone_ = false;
  TimeNs excluded_lease_ = 0;      // when the lease was over with which the node was left out
  bool excluded_paused_ = false;   // it was left out while the whole machine stood still
  bool excluded_as_dead_ = false;  // it was left out because router and keeper were dead
};

}  // namespace ctdb::sim

#endif  // CTDB_TESTS_SIM_NODE_H_
