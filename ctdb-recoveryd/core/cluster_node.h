// SPDX-License-Identifier: GPL-3.0-or-later
// One node's share in the cluster's membership: the whole core of ctdb-recoveryd. The shell and the simulator
// are its two users: they hand in packets and the time and implement RecoverydOutput. No descriptor, no
// clock, no thread.
//
// What it promises (ARCHITECTURE §5 has the reasons):
//  1. At most one leader per term, also when nodes are killed and come back: votes are on disk before they
//  are told.
//  2. A generation is opened by members only, once, after all its members were prepared and a majority has it
//  on
//     disk as decided. Generations grow for ever: (term, attempt) packed into 32 bits.
//  3. A node that may be serving is left out of a new generation only when it has said that it stopped, when its lease
//     must have ended, or when it is proved to be gone.
//  4. Malformed and stale packets change nothing, and are counted; but for word of an attempt that was given up while it was on its
//     way, which is no fault.
#ifndef CTDB_RECOVERYD_CORE_CLUSTER_NODE_H_
#define CTDB_RECOVERYD_CORE_CLUSTER_NODE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "libctdbipc/base/bytes.h"
#include "libctdbipc/base/random.h"
#include "libctdbipc/base/time.h"
#include "libctdbipc/wire/own_messages.h"

namespace ctdb {

// The two channels to the router: operations 0x1000–0x103f on the control lane, controls and messages on the
// other.
enum class RecoverydLane : uint8_t { kData = 0, kControl = 1 };

enum class RecoverydLog : uint8_t { kError, kWarning, kNotice, kInfo };

// What is heard of the cluster lock.
enum class LockState : uint8_t { kHeld, kElsewhere, kFailed, kLost };

// What an access to the register of the cluster lock came to.
struct RegisterAnswer {
  struct Slot {
    uint32_t pnn = 0;
    Bytes bytes;  // as a node wrote them last
  };
  uint64_t ticket = 0;
  std::string fault;        // why nothing is known; empty: all went well
  std::vector<Slot> slots;  // those that were ever written, read after the write was durable
};

class RecoverydOutput {
 public:
  virtual ~RecoverydOutput() = default;
  // `packet` is a loan for the call; ARCHITECTURE §2 says what `endpoint` means. Never called while the
  // router is down.
  virtual void to_router(RecoverydLane lane, uint32_t endpoint, ByteView packet) = 0;
  // Replaces the node's durable state (a few hundred bytes at most) and returns when it would survive a crash
  // of the process and of the machine. false: it could not; the node then neither votes nor decides.
  virtual bool persist(ByteView bytes) = 0;
  // ---- the node page (libctdbipc/ring/node_page.h): what holds although router or store are dead or stopped ----
  // The lease as it was last set, also by an earlier life of this process; 0: revoked or none.
  virtual TimeNs serve_until() = 0;
  // false: it was not `before` any more. The keeper has taken it back, and nothing has changed.
  virtual bool set_serve_until(TimeNs before, TimeNs when) = 0;
  // No file of this node says dmaster = self: store or keeper have seen to it.
  virtual bool records_taken() = 0;
  // The keeper is taking them away: who has no chain lock yet gets none.
  virtual bool being_fenced() = 0;
  // When the store's loop was last seen turning.
  virtual TimeNs store_beat() = 0;
  // Nanoseconds since 1970; for UPTIME only, never for decisions.
  virtual int64_t wall_clock_ns() = 0;
  // ---- the cluster lock; only with lock_quorum ----
  // on_lock() tells what becomes of it. Letting it go ends all of that.
  virtual void want_lock(bool wanted) = 0;
  // Writes this node's slot of the register, unless `slot` is empty, makes it durable, and then reads all slots;
  // on_register() gets the answer, or nothing when it hangs. Accesses of one node happen in the order they were asked for.
  virtual void access_register(uint64_t ticket, ByteView slot) = 0;
  virtual void log(RecoverydLog level, const std::string& text) = 0;
};

struct RecoverydTiming {
  TimeNs heartbeat = 200 * kMillisecond;  // news is told at once, whatever this is
  // A follower suspects a leader that is linked but says nothing. Its lease is then lease - heartbeat old at most: enough is left
  // of it for an election, so that a silent leader costs no node its records.
  TimeNs leader_silence = 700 * kMillisecond;
  TimeNs backoff_min = 10 * kMillisecond;  // before a campaign, random
  TimeNs backoff_max = 80 * kMillisecond;
  TimeNs first_start = 300 * kMillisecond;  // where nothing was ever decided, links to all are waited for
  TimeNs vote_timeout = 150 * kMillisecond;
  TimeNs lock_timeout = 10 * kSecond;  // a helper that says nothing is given up after so long
  // A helper of somebody else's may leave its place in a queue behind each time it does not get the lock (etcd's for 9 s): when
  // the first attempts have failed, those that follow are so far apart, for a node with others before it as many times that.
  TimeNs helper_rests = 12 * kSecond;
  TimeNs gather = 100 * kMillisecond;     // a new leader waits this long for all linked nodes to answer
  TimeNs link_grace = 40 * kMillisecond;  // a cut that ends sooner costs nobody its membership
  // A leader that is in the way of a larger set of members than any with it leads no more and lets others be elected for so
  // long; what it supposed of nodes that it does not reach may be wrong, so not soon again.
  TimeNs stands_back = 500 * kMillisecond;
  TimeNs stands_back_again = 30 * kSecond;
  TimeNs suspend_grace = 20 * kMillisecond;  // links to a majority gone this long: the store is suspended
  TimeNs store_grace = 2 * kSecond;          // a store that comes back sooner keeps its records
  // A node without word from the leader for `lease` stops serving by itself; others count on that after member_silence
  // without an answer of it. The difference is what its keeper has to take the records away.
  TimeNs lease = 1200 * kMillisecond;
  TimeNs member_silence = 1600 * kMillisecond;
  TimeNs store_hangs = 1 * kSecond;       // its loop has not turned for so long
  TimeNs fence_check = 5 * kMillisecond;  // while records are being taken away; doubles up to 20 times that
  TimeNs nobody_fences =
      250 * kMillisecond;  // so long after the lease its clients are cut off, if nobody fences them
  // A node that has been out for so long, by no operator's will, ends the connections of its classic clients; those that connect
  // later after as long again. kNever: they stay.
  TimeNs client_grace = 120 * kSecond;
  TimeNs store_query = 500 * kMillisecond;  // STORE_QUERY is repeated until the store answers
  TimeNs recovery = 30 * kSecond;           // a member that is not prepared by then is left out for a while
  // How long a node whose store failed a recovery is left out: twice as long each time, up to bench_max; a node that has been
  // well for that long begins anew.
  TimeNs bench = 10 * kSecond;
  TimeNs bench_max = 300 * kSecond;
};

struct RecoverydOptions {
  uint32_t pnn = 0;
  NodeList nodes;               // the nodes file as it is at the start; the router tells of changes
  bool majority_quorum = true;  // false: "quorum = none", or by lock
  bool lock_quorum = false;     // "quorum = lock": who holds the cluster lock leads
  bool leader_capability = true;
  bool lmaster_capability = true;
  bool start_as_stopped = false;
  bool start_as_disabled = false;
  std::string cluster_lock;   // as configured; for GET_RECLOCK_FILE
  std::string lock_register;  // the file that decides with lock_quorum
  RecoverydTiming timing;
};

struct RecoverydCounts {
  uint64_t elections = 0;    // campaigns this node has started
  uint64_t recoveries = 0;   // generations opened here
  TimeNs last_recovery = 0;  // duration of the last one, from RECOVERY_BEGIN to the opening
  uint64_t refused = 0;      // packets refused: malformed, stale, not allowed
};

// How far the cluster is from losing its quorum.
struct QuorumView {
  size_t voters = 0;
  size_t reachable = 0;  // of them, this node included
  size_t needed = 0;     // 1 where no majority decides
};

class ClusterNode {
 public:
  // `durable` is what persist() was last given, empty the first time; unreadable bytes are reported and count
  // as empty. `random` must outlive the object.
  ClusterNode(RecoverydOptions options, Random& random, RecoverydOutput& output, ByteView durable,
              TimeNs now);
  ~ClusterNode();
  ClusterNode(const ClusterNode&) = delete;
  ClusterNode& operator=(const ClusterNode&) = delete;

  // ---- events; none may be called from inside a RecoverydOutput callback ----
  void on_router_up(TimeNs now);  // both channels are open; the router tells LINK_STATE and DAEMON_STATE next
  void on_router_down(TimeNs now);
  void on_packet(RecoverydLane lane, uint32_t endpoint, ByteView packet, TimeNs now);
  void on_lock(LockState state, const std::string& why, TimeNs now);
  void on_register(const RegisterAnswer& answer, TimeNs now);
  void tick(TimeNs now);         // call when now >= next_deadline()
  TimeNs next_deadline() const;  // kNever: nothing to wait for

  // ---- what the shell and checkers ask ----
  const ClusterState& state() const;  // as last sent to the router
  const RecoverydCounts& counts() const;
  QuorumView quorum() const;
  bool is_leader() const;
  // Generation this node's store is open in now, else CTDB_INVALID_GENERATION.
  uint32_t open_generation() const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

// How generations are numbered: unique and growing across terms without asking anybody.
inline constexpr uint64_t kTermMax = (1u << 24) - 1;
// Terms never go back and end at kTermMax: a word about a term that nobody ever had must not make it true. A node follows the
// terms of others by up to kTermsAheadMax, and what it has followed by grows back slowly: elections use up less, a node that was
// away for years is not so far behind, and who means ill needs weeks, in which the log says so. One that knows of no term
// follows to any.
inline constexpr uint64_t kTermsAheadMax = 1u << 16;
inline constexpr uint64_t kTermsAheadPerSecond = 10;
inline constexpr uint32_t kAttemptsPerTermMax = 255;
inline constexpr uint32_t make_generation(uint64_t term, uint32_t attempt) {
  return static_cast<uint32_t>(term << 8 | attempt);
}
inline constexpr uint64_t term_of_generation(uint32_t generation) {
  return generation >> 8;
}

}  // namespace ctdb

#endif  // CTDB_RECOVERYD_CORE_CLUSTER_NODE_H_
