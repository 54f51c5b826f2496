// SPDX-License-Identifier: GPL-3.0-or-later
// A small cluster for the tests of recoveryd's core: real ClusterNodes, wires with a delay, and stores that only keep
// book of what they were told. Time is virtual, one seed decides everything. It checks on the way that
//   - a term has one leader,
//   - a generation is opened with one set of members, and only by stores that were prepared for it,
//   - a node that is left out has stopped serving before, or its lease is over, or it is dead,
//   - an order to a store never goes back to an older generation.
#ifndef CTDB_TESTS_UNIT_RECOVERYD_WORLD_H_
#define CTDB_TESTS_UNIT_RECOVERYD_WORLD_H_

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <set>
#include <string>
#include <vector>

#include "ctdb-recoveryd/core/cluster_node.h"

namespace ctdb::test {

inline constexpr TimeNs kWireDelay = 100 * kMicrosecond;

struct FakeStore {
  bool up = false;
  uint64_t instance = 0;
  uint32_t entered = CTDB_INVALID_GENERATION;  // newest STORE_RECOVER
  uint32_t base = CTDB_INVALID_GENERATION;     // of it
  std::vector<uint32_t> members;               // of it
  size_t voters = 0, voters_in = 0;            // of it, and how many of those are members
  uint32_t prepared = CTDB_INVALID_GENERATION;
  uint32_t opened = CTDB_INVALID_GENERATION;
  OpenNote note;                                     // as it was opened
  bool everybody = false;                            // the same
  uint32_t left_prepared = CTDB_INVALID_GENERATION;  // the one before was, and its node page says so
  bool suspended = true;
  bool serving = false;    // local clients have records: since it was opened, until it was suspended
  bool discarded = false;  // the last suspension said so
  std::string reason;
  bool broken = false;              // every recovery fails
  bool slow = false;                // no recovery ends; it and those that wait for it say so
  bool mute = false;                // it says nothing of that
  std::set<uint32_t> miscounts_to;  // whom it sends wrong counts
  bool lacks_transactions = false;  // it never gets all of them from the others
  bool deaf = false;                // does not answer STORE_QUERY
  bool hangs = false;               // its loop does not turn
  bool unkept = false;              // there is no keeper
  int clients_cut = 0;              // how often all classic clients of this node were
};

class World {
 public:
  explicit World(uint32_t nodes, uint64_t seed = 1);
  World(uint32_t nodes, uint64_t seed, const std::function<void(RecoverydOptions&)>& adjust);
  ~World();

  // ---- time ----
  TimeNs now() const { return now_; }
  void run(TimeNs duration);
  // Runs until `done` or `limit` passed; true when done.
  bool until(const std::function<bool()>& done, TimeNs limit = 20 * kSecond);
  void soon(std::function<void()> action) { later(0, std::move(action)); }

  // ---- what happens ----
  void start(uint32_t pnn);  // router, store and recoveryd, links to all others that run
  void start_all();
  void kill(uint32_t pnn);  // the whole node, links gone; what it made durable stays
  void kill_recoveryd(uint32_t pnn);
  void forget(uint32_t pnn) { nodes_[pnn].durable.clear(); }  // the state file is lost
  void start_recoveryd(uint32_t pnn);
  void kill_store(uint32_t pnn);  // it has forgotten nothing it could find in its files
  void start_store(uint32_t pnn);
  void take_lease_back(uint32_t pnn) { nodes_[pnn].lease = 0; }  // as a keeper does that goes on duty
  void cut(uint32_t a, uint32_t b);                              // the link goes down at both ends
  void join(uint32_t a, uint32_t b);
  void reset(uint32_t a, uint32_t b);  // down and up in a moment
  void isolate(uint32_t pnn);
  void rejoin(uint32_t pnn);
  void silence(uint32_t from, uint32_t to, bool on);  // packets vanish, the link stays up
  void delay(uint32_t from, uint32_t to, TimeNs by) { wire(from, to).delay = by; }
  // Its nodes file, as its router reads it when it starts and when this is called. All begin with a file of all nodes. There
  // are links between nodes that have each other in their files; a removed one keeps its links while it has a vote.
  void set_nodes(uint32_t pnn, const std::vector<uint32_t>& numbers);
  void set_nodes(uint32_t pnn, NodeList list);
  static NodeList list_of(const std::vector<uint32_t>& numbers);

  // ---- what an operator or a client does; returns the status, and the data in `reply_data` ----
  int32_t control(uint32_t pnn, Control opcode, ByteView data = {});
  Bytes reply_data;
  void packet(uint32_t pnn, RecoverydLane lane, uint32_t endpoint, ByteView packet);
  // Operation of ours as if it came from `from`.
  void forge(uint32_t to, uint32_t from, Operation operation, const Bytes& payload);
  // Messages (REQ_MESSAGE) a node's recoveryd has sent: srvid, destination, data.
  struct Told {
    uint32_t from = 0, to = 0;
    uint64_t srvid = 0;
    Bytes data;
  };
  std::vector<Told> told;

  // ---- what can be seen ----
  ClusterNode& node(uint32_t pnn);
  FakeStore& store(uint32_t pnn) { return nodes_[pnn].store; }
  const ClusterState& state(uint32_t pnn) const { return nodes_[pnn].state; }  // last CLUSTER_STATE
  std::vector<ClusterState> states(uint32_t pnn) const { return nodes_[pnn].states; }
  bool running(uint32_t pnn) const { return nodes_[pnn].core != nullptr; }
  // Every one of them is open in the same generation, whose members are exactly they, and agrees on a leader.
  bool open_together(const std::vector<uint32_t>& members) const;
  bool open_all() const;
  uint32_t generation(uint32_t pnn) const;  // open now
  bool recovering(uint32_t than) const;     // some store has entered a generation newer than that
  uint32_t leader() const;                  // the only one; CTDB_UNKNOWN_PNN: none or two
  uint64_t packets_between_recoveryds() const { return wire_packets_; }
  const std::map<uint32_t, std::vector<uint32_t>>& opened() const { return opened_; }
  TimeNs lease(uint32_t pnn) const { return nodes_[pnn].lease; }
  std::set<uint32_t> full_disks;  // of these nodes: persist() fails
  std::vector<std::string> log;

  // Called for every operation of ours on its way; false: it is lost.
  std::function<bool(uint32_t from, uint32_t to, Operation operation)> on_wire;

 private:
  struct Output;
  struct Node {
    std::unique_ptr<Output> output;
    std::unique_ptr<Random> random;
    std::unique_ptr<ClusterNode> core;
    bool router = false;
    FakeStore store;
    Bytes durable;
    NodeList nodes_file;
    TimeNs lease = 0;  // in the node page
    ClusterState state;
    std::vector<ClusterState> states;
    uint64_t recoveryd_life = 0;
    bool has_said = false;  // the router knows the state that recoveryd has told
  };
  struct Wire {
    bool up = false;
    uint64_t session = 0;
    bool silent = false;
    TimeNs delay = kWireDelay;
    TimeNs last = 0;  // arrival of the newest packet: first in, first out
  };
  struct Event {
    TimeNs at;
    uint64_t order;
    std::function<void()> action;
    bool operator<(const Event& other) const { return at != other.at ? at > other.at : order > other.order; }
  };

  Wire& wire(uint32_t from, uint32_t to) { return wires_[{from, to}]; }
  void later(TimeNs delay, std::function<void()> action);
  void deliver(uint32_t pnn, RecoverydLane lane, uint32_t endpoint, ByteView packet);
  void own(uint32_t pnn, Operation operation, const Bytes& payload);
  void from_core(uint32_t pnn, RecoverydLane lane, uint32_t endpoint, ByteView packet);
  void data_from_core(uint32_t pnn, uint32_t endpoint, const Header& header, ByteView packet);
  void over_wire(uint32_t from, const Header& header, ByteView packet);
  void to_store(uint32_t pnn, const Header& header, ByteView packet);
  void store_recover(uint32_t pnn, const StoreRecover& order);
  void store_open(uint32_t pnn, const StoreOpen& order);
  void tell_logs_are_equal(uint32_t pnn, uint32_t generation);
  void store_hello(uint32_t pnn, uint64_t asked = 0);
  void finish_recoveries();
  bool helps(uint32_t pnn, uint32_t other) const;
  void tell_who_is_missing(uint32_t pnn, uint32_t generation);
  void find_wrong_counts(uint32_t pnn, uint32_t generation);
  void tell_link(uint32_t pnn, uint32_t peer, bool gone = false);
  bool removed(uint32_t by, uint32_t pnn) const;
  void drop_removed(uint32_t pnn);
  bool listed(uint32_t by, uint32_t pnn) const;
  void set_link(uint32_t a, uint32_t b, bool up, bool gone = false);
  void check_leaders();
  void check_fences(const std::vector<uint32_t>& members);

  TimeNs now_ = 1000 * kSecond;
  uint64_t order_ = 0;
  uint64_t sessions_ = 0;
  uint64_t wire_packets_ = 0;
  Random random_;
  std::function<void(RecoverydOptions&)> adjust_;
  std::priority_queue<Event> events_;
  std::map<std::pair<uint32_t, uint32_t>, Wire> wires_;
  std::vector<Node> nodes_;
  std::map<uint64_t, uint32_t> leaders_;              // term -> pnn
  std::map<uint32_t, std::vector<uint32_t>> opened_;  // generation -> members
  std::optional<int32_t> reply_status_;
};

}  // namespace ctdb::test

#endif  // CTDB_TESTS_UNIT_RECOVERYD_WORLD_H_
