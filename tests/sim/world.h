// SPDX-License-Identifier: GPL-3.0-or-later
// One simulated cluster: virtual time, the network, the nodes with their daemons and clients, the checkers. Built from
// options and one seed; the same seed gives the same run. simulation.h drives it, faults.h breaks it.
#ifndef CTDB_TESTS_SIM_WORLD_H_
#define CTDB_TESTS_SIM_WORLD_H_

#include <algorithm>
#include <functional>
#include <memory>
#include <vector>

#include "libctdbipc/base/random.h"
#include "tests/sim/checkers/checkers.h"
#include "tests/sim/cluster_lock.h"
#include "tests/sim/event_queue.h"
#include "tests/sim/mutations.h"
#include "tests/sim/network.h"
#include "tests/sim/points.h"
#include "tests/sim/trace.h"

namespace ctdb::sim {

class Node;

struct WorldOptions {
  uint64_t seed = 1;
  uint32_t nodes = 3;
  uint32_t clients_per_node = 3;
  uint32_t keys = 6;
  uint32_t chains = 4;                // chain locks of a file
  uint32_t copies = 1;                // of a record
  bool lock = false;                  // quorum by cluster lock instead of a majority
  bool witness = false;               // the last node votes and holds no records
  TimeNs vacuum = 50 * kMillisecond;  // how long deleted records rest; 0: they stay
  bool transactions = false;          // clients work on a persistent database, too
  bool functions = false;             // native clients raise counters with functions on records
  bool delegations = false;  // the database has read-only copies, and clients read more than they change
  TimeNs think_time = 4 * kMillisecond;
  bool clients_pinned = false;  // a client stays with one key
  bool clients_local = false;   // it mostly uses keys that are its node's own
  bool clients_brisk = false;   // none keeps a lock longer than 3 ms, of its own will
  bool print_trace = false;
  Mutation mutation = Mutation::kNone;
  NetworkOptions network;
};

class World : private NetworkEvents, private Lives::Watcher {
 public:
  explicit World(WorldOptions options);
  ~World() override;

  // Starts all nodes.
  void start();
  // Runs until `until`, or a violation, or `done` (asked after every event).
  void run(TimeNs until, const std::function<bool()>& done = {});

  const WorldOptions& options() const { return options_; }
  TimeNs now() const { return queue.now(); }
  Node& node(uint32_t pnn) { return *nodes_[pnn]; }
  uint32_t node_count() const { return options_.nodes; }
  bool is_witness(uint32_t pnn) const { return options_.witness && pnn + 1 == options_.nodes; }
  // How many hold records: those with the lowest numbers.
  uint32_t record_nodes() const { return options_.nodes - (options_.witness ? 1 : 0); }
  NodeEntry nodes_file_line(uint32_t pnn) const;
  // Who leads, as far as anybody knows; node 0 when nobody does.
  uint32_t leader() const;
  // From the processes: packets a daemon sends.
  void sent(uint32_t node, ByteView packet);
  // Everything broken is repaired: network open, all processes running, all nodes active; but for one node, if `spared` is one: its
  // daemons, the disk of its recoveryd and its links stay as they are. Who keeps a chain for ever, or has no room for records, may keep
  // others waiting, and of two that do not reach each other either is left out: so clients and files are repaired, and a node that is
  // cut off from some is cut off from all.
  void heal(uint32_t spared = CTDB_UNKNOWN_PNN);
  // No client begins another operation.
  void stop_clients();
  bool clients_idle() const;

  const Bytes& key_bytes(uint32_t key) const { return key_bytes_[key]; }
  static const char* database_name() { return "sim.tdb"; }
  static const char* persistent_name() { return "pers.tdb"; }
  static const char* counters_name() { return "counters.tdb"; }
  // Fewer nodes were lost with what they had than there are copies of it.
  bool nothing_may_be_lost() const {
    const size_t copies = std::min<size_t>(options_.copies, checkers.lives.fewest_members());
    return checkers.copies.losses() < copies && !checkers.lives.anything_discarded();
  }

  EventQueue queue;
  Random random;
  Trace trace;
  Checkers checkers;
  Points points;
  Network network;
  SharedLock cluster_lock;

 private:
  void link_changed(uint32_t node, uint32_t peer, bool up, uint64_t session) override;
  void link_renewed(uint32_t node, uint32_t peer, uint64_t session) override;
  void link_packet(uint32_t node, uint32_t peer, Bytes packet) override;
  void gone(uint32_t node, uint32_t peer) override;
  bool keeper_reachable(uint32_t node) override;
  bool may_serve(uint32_t node) override;
  void wrongly_excluded(uint32_t node) override;
  void life_ended(uint32_t node) override;
  const Bytes* value_on(uint32_t node, uint32_t key);
  std::optional<RecordHeader> header_on(uint32_t node, uint32_t key);
  std::optional<Bytes> data_on(uint32_t node, uint32_t key);

  const WorldOptions options_;
  std::vector<Bytes> key_bytes_;
  std::vector<std::unique_ptr<Node>> nodes_;
  TimeNs last_time_ = -1;
  uint64_t steps_then_ = 0;
};

}  // namespace ctdb::sim

#endif  // CTDB_TESTS_SIM_WORLD_H_
