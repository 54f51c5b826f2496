// SPDX-License-Identifier: GPL-3.0-or-later
// Named points: the steps of the protocol at which faults are aimed (reliability §3.2). A point is reached when a daemon
// sends a packet, or handles one, or a client does something; World tells this class, faults and scenarios ask it.
//
// Points of a recovery count within their generation as well: claims-ended[2] is the second RECORD_CLAIMS_END of a
// generation, so that "k of n have ended their claims" has a name.
#ifndef CTDB_TESTS_SIM_POINTS_H_
#define CTDB_TESTS_SIM_POINTS_H_

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "libctdbipc/base/bytes.h"

namespace ctdb::sim {

enum class Point : uint8_t {
  kVoteAsked,       // a candidate asks for votes that bind
  kVoteGiven,       // a binding vote is on its way
  kLeaderElected,   // the first heartbeat of a term
  kHeartbeat,       // a leader sends one
  kLeaseRenewed,    // a member gets one
  kRecoveryBegun,   // the leader tells the k-th member of the generation
  kStoreTold,       // the k-th store is told to recover
  kDatabasesSent,   // a store tells its databases
  kClaimsSent,      // the k-th batch of claims
  kClaimsEnded,     // the k-th RECORD_CLAIMS_END: n stores send n each
  kAssigned,        // a batch of assignments
  kAssignEnded,     // the k-th RECORD_ASSIGN_END
  kPrepared,        // the k-th member reports
  kDecidedOnDisk,   // the generation is decided on the k-th disk
  kCommitted,       // the leader tells the k-th member
  kStoreOpened,     // the k-th store opens it
  kStoreSuspended,  // a store is told that its node is no member
  kStoreStarted,    // a store has its files
  kLinkUp,
  kLinkDown,
  kCallSent,        // a store asks for a record
  kCallRedirected,  // somebody sends the question on
  kMasterAsked,     // the owner gives a record away: REQ_DMASTER
  kGranted,         // REPLY_DMASTER is on its way
  kGrantArrived,    // the requester's store has it
  kClientAsks,      // a local client needs a record
  kClientLocks,     // it has the chain lock of a record that is here
  kClientChanges,   // it has written, and still has the lock
  kClientDeletes,
  kChainTaken,      // a lock worker of the store has got a chain that a client had
  kTraverse,        // a store asks the others for their records, for a traverse
  kForgetAsked,     // a location master asks another node to forget deleted records
  kForgetAnswered,  // and that answers
  kCopySent,        // the owner sends a copy
  kCopyHeld,        // and another node says that it has it
  kCount
};
inline constexpr size_t kPointCount = static_cast<size_t>(Point::kCount);
inline constexpr size_t kPointsWithoutCopies = static_cast<size_t>(Point::kCopySent);

struct PointRow {
  Point point;
  std::string_view name;
  bool by_generation;
};
const PointRow& point_row(Point point);
std::optional<Point> point_by_name(std::string_view name);

// The n-th time that a point is reached, or that it is reached as the k-th of a generation.
struct Moment {
  Point point = Point::kHeartbeat;
  uint32_t k = 0;  // 0: any
  uint64_t number = 1;

  std::string text() const;  // claims-ended[2]#3
  static std::optional<Moment> parse(std::string_view text);
};

class Points {
 public:
  static constexpr uint32_t kOrdinals = 32;
  using Observer = std::function<void(Point point, uint32_t k, uint32_t node)>;
  void set_observer(Observer observer) { observer_ = std::move(observer); }

  void reach(Point point, uint32_t node, uint32_t generation = 0);
  // A packet that a daemon of `node` hands to its router.
  void sent(uint32_t node, ByteView packet);
  // A packet that a store or a recoveryd of `node` handles.
  void handled(uint32_t node, ByteView packet);
  // What recoveryd of `node` has put on its disk.
  void persisted(uint32_t node, ByteView bytes);

  uint64_t count(Point point) const { return tally_[static_cast<size_t>(point)].count; }
  // k = 0: all.
  uint64_t count(Point point, uint32_t k) const;
  uint32_t last_node(Point point) const { return tally_[static_cast<size_t>(point)].node; }

 private:
  struct Tally {
    uint64_t count = 0;
    uint32_t node = 0;
    uint32_t generation = 0;
    uint32_t ordinal = 0;
    std::array<uint32_t, kOrdinals> by_ordinal = {};
  };
  std::array<Tally, kPointCount> tally_ = {};
  std::array<uint32_t, 64> decided_ = {};  // by node: newest generation on its disk
  uint64_t term_ = 0;
  Observer observer_;
};

}  // namespace ctdb::sim

#endif  // CTDB_TESTS_SIM_POINTS_H_
