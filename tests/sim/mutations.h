// SPDX-License-Identifier: GPL-3.0-or-later
// Broken worlds: each mutation takes away one rule the cores rely on or keep, by changing what travels between them, what
// is stored, or how they are set up. The cores carry no test hooks. A run with a mutation must be caught by a checker
// (mutation_test.cc); World's processes and the network ask here.
#ifndef CTDB_TESTS_SIM_MUTATIONS_H_
#define CTDB_TESTS_SIM_MUTATIONS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string_view>
#include <vector>

#include "ctdb-recoveryd/core/cluster_node.h"
#include "libctdbipc/base/bytes.h"
#include "libctdbipc/base/random.h"
#include "libctdbipc/wire/own_messages.h"
#include "tests/sim/network.h"

namespace ctdb::sim {

enum class Mutation : uint8_t {
  kNone,
  // Generations and copies.
  kRestampGenerations,  // record packets of an older generation pass as ones of the present generation
  kKeepOldRecords,      // a store that missed generations does not discard its records
  kWrongRsnOrder,       // the lowest rsn wins where the owner is lost
  kPromoteLoser,        // the lmaster's assignments name another holder than the winner
  kForgetClaims,        // one holder's claims do not reach the lmaster
  kForgetAssignments,   // batches of assignments lack one
  kLossesUntold,        // a store does not tell what it has discarded of its node's
  kFilesLostOnRestart,  // a store that takes its files up again finds them empty
  kMembersDiffer,       // stores are told different members: they disagree on who is lmaster
  // Lease, quorum, decisions.
  kIgnoreSuspend,       // a store does not hear that its node is no member, in whatever way
  kEndlessLease,        // a node serves until it is told to stop
  kLeaseFromArrival,    // the lease counts from the newest answer, also from one the leader has not got
  kHastyLeader,         // the leader does not wait for the end of a lease
  kNoMajority,          // any group of nodes may go on alone
  kLoseVotes,           // recoveryd's durable state is lost with the process
  kVoteCountedTwice,    // a vote counts as another node's as well
  kSilenceClaimed,      // a voter says that it has followed nobody for long
  kVoteUnasked,         // a refused vote counts as given
  kVotersByFile,        // whose votes count is what the nodes file says when recoveryd starts
  kDecisionNotKept,     // recoveryd says that the decided generation is on its disk, and it is not
  kVotersAreMembers,    // who only votes is a member to the stores, so it is lmaster of records
  kWitnessForgets,      // what a witness has on its disk is lost when its recoveryd is started anew
  kReportCountedTwice,  // a member that says it is prepared says so for another one as well
  kAnswerCountedTwice,  // an answer to a heartbeat counts as one of a node that is silent as well
  kExclusionNotTold,    // a node does not hear that the leader goes on without it
  kLeaseSleeps,         // the clock of the lease stands still while the machine does
  kSilenceBans,         // a node that is not reached is banned
  kDemandIgnored,       // an operator's demand for a recovery is not heard
  kSessionsForgotten,   // link sessions that a store remembers for its next recoveryd are those of now
  kPreparedForgotten,   // a store does not know what the one before it was prepared for
  kLeftoversForgotten,  // nor what that one has discarded and could not remove yet
  kOpenForEver,         // a store says that it is open as it was last, whatever it is doing
  kTakenInRecovery,     // when a recovery begins records are taken away from clients until it ends
  // The cluster lock.
  kRegisterNotRead,     // who holds the mutex does not see what others have written into the register
  kRegisterNotWritten,  // nothing is ever found in it
  kLockIsEnough,        // who holds the mutex leads: the terms of others in the register are not looked at
  // Fencing.
  kStoreIgnoresPage,  // the store serves past the end of its lease, whatever the keeper does
  kKeeperSleeps,      // the keeper does not fence
  kServingDenied,     // a node says that it stopped before its records are taken away
  kClientsNotCut,     // classic clients keep their connections where nobody can take the records away
  kLinksAreProof,     // a node whose link goes down is taken for dead
  kResetsAreProof,    // a node whose link is reset is
  kWiresEndInOrder,   // a router that lives lets go of a keeper wire as if it had died
  kNativeUnchecked,   // native clients do not look at the node page
  // Links.
  kHideShortResets,   // a link that comes back within 50 ms is not reported as reset
  kIgnoreSessions,    // all sessions of a link have the same number
  kReorderLane,       // packets of one lane overtake each other
  kDuplicatePackets,  // record packets arrive twice
  // Migration.
  kLostGrant,       // a record that is granted does not arrive
  kLostCall,        // a call does not arrive
  kGrantElsewhere,  // a record is granted to another node than asked for it
  kOwnerKeeps,      // who gives a record away goes on as its owner
  kRsnGoesBack,     // a record is granted with its first rsn
  kOldData,         // a record is granted with the data of an earlier grant
  // Copies.
  kCopyNotAwaited,  // a copy counts as held when it is sent, and some are lost
  kOldCopies,       // a copy that is held is an earlier one
  // Read-only copies.
  kRevokeNotAwaited,      // the end of a read-only copy counts as told when it is sent, and some are lost
  kRevokeIgnored,         // who says that its copy has come to its end lets clients read it further
  kDelegationsForgotten,  // nobody tells who becomes the owner in a recovery of read-only copies that are left
  // Deleted records.
  kForgetNotAwaited,  // the location master removes a record before the others are asked, and some never are
  kForgetInOneStep,   // copies are removed while others are not empty yet
  kRefusalsIgnored,   // who says that it cannot forget a record now is taken to have done so
  // Commits.
  kSyncsLost,  // a sync of the log of commits is answered, and nothing is on the disk
  // Clients.
  kNoChainLock,    // a client works without the chain lock
  kNoHeaderCheck,  // a client works on a record that is not its node's
  kFunctionAgain,  // a function whose store died is put to the next one
  kDamageUnseen,   // what a client leaves that dies while it makes room in a file is not looked at
  kCount
};

std::optional<Mutation> mutation_by_name(std::string_view name);
std::string_view mutation_name(Mutation mutation);

// Networks that do not keep what they promise.
void mutate_world(Mutation mutation, NetworkOptions& network);
// A register that does not keep what it promises.
class SharedLock;
void mutate_lock(Mutation mutation, SharedLock& lock);
// How recoveryd starts: its options and its durable state.
void mutate_recoveryd(Mutation mutation, RecoverydOptions& options, Bytes& durable);
// What recoveryd is about to put on its disk, where `old` is now.
void mutate_durable(Mutation mutation, ByteView old, Bytes& bytes);

// What the processes of one node get and send. One object a node: some mutations remember things.
class Mutator {
 public:
  Mutator(Mutation mutation, uint32_t pnn, uint32_t nodes) : mutation_(mutation), pnn_(pnn), nodes_(nodes) {}

  bool active() const { return mutation_ != Mutation::kNone; }
  bool is(Mutation mutation) const { return mutation_ == mutation; }
  // What recoveryd gets from its router; `more`: what it gets behind it. false: it does not get it.
  bool recoveryd_input(Bytes& packet, std::vector<Bytes>& more);
  // What recoveryd sends. false: it does not send it.
  bool recoveryd_output(Bytes& packet);
  // What a store gets from its router. false: it does not get it.
  bool store_input(Bytes& packet, uint32_t store_generation, uint32_t store_newest, Random& random);
  // What a store sends. false: it does not send it.
  bool store_output(Bytes& packet, Random& random);

 private:
  void remembered(Bytes& packet) const;
  void as_another(ByteView packet, std::vector<Bytes>& more) const;
  void as_silent(ByteView packet, std::vector<Bytes>& more);
  bool migration_output(Bytes& packet, Random& random);
  void forgotten_input(Bytes& packet) const;
  void old_data(Bytes& packet);
  void old_copy(Bytes& packet);
  // The first data that were sent under this key, or nothing when these are.
  const Bytes* first_data(ByteView key, ByteView data);

  const Mutation mutation_;
  const uint32_t pnn_, nodes_;
  std::map<uint32_t, uint64_t> sessions_;            // of links, as recoveryd was told last
  OpenNote note_;                                    // of the last generation that the store was told to open
  uint64_t answered_ = 0;                            // newest HEARTBEAT_REPLY sent
  std::map<uint32_t, Bytes> answers_;                // by node: its last
  std::vector<std::pair<Bytes, Bytes>> first_data_;  // by key: the data of the first grant
};

}  // namespace ctdb::sim

#endif  // CTDB_TESTS_SIM_MUTATIONS_H_
