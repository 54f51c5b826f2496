// SPDX-License-Identifier: LGPL-3.0-or-later
// Payloads of the operations that are ours (0x1000 and up): links between routers, router and local daemons,
// membership and recovery. Each struct has encode() (the payload, to be wrapped by build_own) and a static
// decode() that returns nullopt for anything truncated or contradictory; what is behind it is not looked at (later_release.h).
// Which process sends what to whom: ARCHITECTURE.md, "Own operations".
#ifndef LIBCTDBIPC_WIRE_OWN_MESSAGES_H_
#define LIBCTDBIPC_WIRE_OWN_MESSAGES_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libctdbipc/base/bytes.h"
#include "libctdbipc/wire/node_list.h"
#include "libctdbipc/wire/packet.h"
#include "libctdbipc/wire/tunables.h"

namespace ctdb {

inline constexpr uint32_t kLinkVersionMin = 1;
inline constexpr uint32_t kLinkVersionMax = 2;

// Hello.features: this connection becomes the record stream of the link that `session` names (ARCHITECTURE.md §3).
inline constexpr uint64_t kHelloRecordStream = 1;
// The same for the link's keeper wire (§5).
inline constexpr uint64_t kHelloKeeperWire = 2;

// A random number that nobody has used before, and what proves that its maker knows the cluster's key. All zeros: no key.
using HelloNonce = std::array<uint8_t, 16>;
using Proof = std::array<uint8_t, 32>;

// First packet in each direction of a link; Header.srcnode is the sender's node id, destnode whom it believes to
// have reached.
struct Hello {
  uint32_t version_min = kLinkVersionMin;
  uint32_t version_max = kLinkVersionMax;
  uint64_t features = 0;
  uint64_t boot_id = 0;  // random, one per start of the router
  uint64_t session = 0;  // counts up with every connection of the sender
  std::string cluster_name;
  HelloNonce nonce{};
  Proof proof{};  // over both node ids, this HELLO and the one it answers
  Bytes encode() const;
  static std::optional<Hello> decode(ByteView payload);
};

// The opener's last word where there is a key: it has seen the answer to its HELLO, so it is no recording.
struct HelloProof {
  Proof proof{};
  Bytes encode() const;
  static std::optional<HelloProof> decode(ByteView payload);
};

struct HelloRefused {
  std::string reason;  // for the log of the other side
  Bytes encode() const;
  static std::optional<HelloRefused> decode(ByteView payload);
};

struct LinkPing {
  uint64_t sent_ns = 0;  // echoed in the LINK_PONG
  Bytes encode() const;
  static std::optional<LinkPing> decode(ByteView payload);
};

// Router -> recoveryd: a link came up or went down. A reset that re-connects at once is a down and an up.
struct LinkState {
  uint32_t pnn = 0;
  bool up = false;
  uint64_t session = 0;
  bool gone =
      false;  // down, and the node's router and keeper are proved to be dead (ARCHITECTURE.md §5, "Fencing")
  Bytes encode() const;
  static std::optional<LinkState> decode(ByteView payload);
};

enum class DaemonRole : uint32_t { kClient = 0, kStore = 1, kRecoveryd = 2 };

// Router -> recoveryd: a daemon of this node connected or is gone.
struct DaemonState {
  DaemonRole role = DaemonRole::kStore;
  bool up = false;
  uint64_t instance = 0;  // counts up with every connection
  Bytes encode() const;
  static std::optional<DaemonState> decode(ByteView payload);
};

// Recoveryd -> its router (and, through the router, remembered for controls): what the cluster looks like.
struct ClusterState {
  uint32_t generation = CTDB_INVALID_GENERATION;
  uint32_t recovery_mode = CTDB_RECOVERY_ACTIVE;
  uint32_t runstate = CTDB_RUNSTATE_INIT;
  uint32_t leader = CTDB_UNKNOWN_PNN;
  uint64_t term = 0;
  // node_flags[pnn]: the flags each node says of itself; the router adds DISCONNECTED from its links.
  std::vector<uint32_t> node_flags;
  std::vector<uint32_t> members;  // active nodes of `generation`, ascending (the vnnmap)
  std::string reason;             // why not healthy, for people; empty when all is well
  std::vector<uint32_t> voters;   // whose votes count, ascending (ARCHITECTURE.md §5, "Who votes")
  Bytes encode() const;
  static std::optional<ClusterState> decode(ByteView payload);
};

// Router -> store: the tunables of this node, all of them, in the order of tunables.def. When the store connects and at
// every change.
struct TunablesMessage {
  std::vector<uint32_t> values;  // kTunables
  uint32_t operator[](Tunable which) const { return values[static_cast<size_t>(which)]; }
  Bytes encode() const;
  static std::optional<TunablesMessage> decode(ByteView payload);
};

// Why a message to one node did not get there.
enum class MessageFault : uint32_t { kNone = 0, kUnknownNode = 1, kNoLink = 2, kLinkLost = 3, kNobody = 4 };

// Router -> native client that sent the message; Header.reqid is the message's own reqid.
struct MessageFailed {
  MessageFault reason = MessageFault::kNone;
  uint32_t node = 0;  // as addressed
  uint64_t srvid = 0;
  Bytes encode() const;
  static std::optional<MessageFailed> decode(ByteView payload);
};

// Router -> store: the client with this endpoint id has disconnected.
struct ClientGone {
  uint32_t endpoint = 0;
  Bytes encode() const;
  static std::optional<ClientGone> decode(ByteView payload);
};

// ---- membership and election, recoveryd to recoveryd on the control lane ----

struct VoteRequest {
  uint64_t term = 0;
  uint32_t generation = 0;  // newest decided generation the candidate knows; one that knows less gets no vote
  bool trial = false;  // "would you vote for me?": binds nobody, so a node that is cut off moves no terms
  uint64_t nodes = 0;  // digest of the candidate's nodes file: counts while no generation has been decided
  Bytes encode() const;
  static std::optional<VoteRequest> decode(ByteView payload);
};

struct VoteReply {
  uint64_t term = 0;  // of the request when granted, else the voter's own
  bool granted = false;
  bool trial = false;
  // A leader that the voter hears and the candidate is not; CTDB_UNKNOWN_PNN: none. So that a node whose link to the leader
  // alone is cut can say why it is out.
  uint32_t leader = CTDB_UNKNOWN_PNN;
  // For so many ns the voter has followed no leader and voted for no candidate before: leases that an earlier leader
  // gave count from before that.
  uint64_t silent = 0;
  Bytes encode() const;
  static std::optional<VoteReply> decode(ByteView payload);
};

// A node that is left out for a while because its store failed, or was so not long ago: the next time is longer.
struct LeftOut {
  uint32_t pnn = 0;
  uint64_t lasts = 0;  // ns; this time
  uint64_t left = 0;   // ns of that; 0: it is over
  uint64_t over = 0;   // for so many ns
  std::string reason;  // for people
};

// Leader -> everyone it has a link to. state.generation, members and voters are the newest decided generation: the
// receiver keeps them on disk before it answers. state.leader unknown: the sender resigns. state.runstate is
// ignored, state.reason says why the receiver is not wanted.
struct Heartbeat {
  uint64_t term = 0;
  uint64_t sequence = 0;
  uint64_t acked = 0;  // newest sequence the receiver's answers have named: its lease counts from that answer
  uint64_t late =
      0;  // and from so many ns before it: the majority had not followed the leader any longer then
  bool wanted = true;  // false: the receiver is to be no member; it suspends its store and says so
  ClusterState state;
  std::vector<LeftOut> left_out = {};  // so that the next leader knows
  Bytes encode() const;
  static std::optional<Heartbeat> decode(ByteView payload);
};

struct HeartbeatReply {
  uint64_t term = 0;
  uint64_t sequence = 0;
  uint32_t flags = 0;  // the sender's own node flags (STOPPED, BANNED, DISABLED, UNHEALTHY)
  uint32_t capabilities = CTDB_CAPABILITIES_DEFAULT;
  bool store_up = false;
  uint64_t store_instance = 0;                             // changes when its store was restarted
  uint32_t open_generation = CTDB_INVALID_GENERATION;      // newest generation its store was opened in
  uint32_t prepared_generation = CTDB_INVALID_GENERATION;  // newest one its store reported as recovered
  std::vector<uint32_t> reachable;                         // pnns it has a link to, itself included
  // For each reachable pnn, in the same order, the session number of that link as this node counts it: a change
  // is a reset that must be recovered from.
  std::vector<uint64_t> sessions;
  bool wants_recovery = false;  // asked for by an operator, or a link session or its store changed
  uint32_t decided_generation = CTDB_INVALID_GENERATION;  // newest one it has on disk as decided
  uint32_t begun_generation = CTDB_INVALID_GENERATION;    // newest RECOVERY_BEGIN its recoveryd has seen
  bool serving = false;  // its lease stands: local clients may work on records
  bool stopped = false;  // it does not, and no file there says any more that the node owns records
  bool open = false;     // its store is open in open_generation and not recovering
  bool operator==(const HeartbeatReply&) const = default;
  Bytes encode() const;
  static std::optional<HeartbeatReply> decode(ByteView payload);
};

// What a nodes file says. Router -> own recoveryd, first when it connects and at every change; and between recoveryds when
// their link comes up or their own has changed, so that both sides of a difference can name it. All but the nodes is for
// recoveryds.
struct NodeListMessage {
  bool asks = false;                                      // the receiver is to tell its own
  bool open = false;                                      // the sender is in an open generation
  uint32_t decided_generation = CTDB_INVALID_GENERATION;  // the newest one the sender has on disk
  std::string quorum_rule;                                // for people; the same words mean the same rule
  NodeList nodes;
  Bytes encode() const;
  static std::optional<NodeListMessage> decode(ByteView payload);
};

// ---- recovery ----

// Leader -> members. Also the payload of STORE_RECOVER (recoveryd -> own store).
struct RecoveryBegin {
  uint64_t term = 0;
  uint32_t generation = 0;  // the one being made; ordered by (term, generation attempt)
  // The newest decided generation. A store whose newest generation, opened or reported as recovered, is smaller
  // discards its copies before it contributes (design §6: the order of copies is (epoch, generation, rsn), never
  // rsn alone); generations compare as numbers. CTDB_INVALID_GENERATION: none was ever decided, nothing to discard
  // that anybody could have seen.
  uint32_t base_generation = CTDB_INVALID_GENERATION;
  std::vector<uint32_t> members;  // ascending; the new lmaster placement follows from it
  std::vector<uint32_t> voters;   // from this generation on; for recoveryds
  // Of the base generation, ascending; empty where the leader knows only that it exists. A store that was started anew in it
  // learns who the lmasters were.
  std::vector<uint32_t> base_members;
  Bytes encode() const;
  static std::optional<RecoveryBegin> decode(ByteView payload);
};
using StoreRecover = RecoveryBegin;

// The steps of a store's part in a recovery, in order (ARCHITECTURE §5).
enum class RecoveryStep : uint8_t {
  kDiscarded,   // what is older than the base is gone
  kClaimed,     // every copy was told to its lmaster
  kAllClaimed,  // the claims of all members are here
  kDecided,     // every key of this lmaster has an owner
  kTidied,      // entries without a copy are gone
  kPrepared,    // the decisions of all members are here
  kCount,
};
const char* recovery_step_name(RecoveryStep step);

// One database in a store's part of a recovery.
struct RecoveredDatabase {
  uint32_t db_id = 0;
  uint64_t claimed = 0, decided = 0, assigned = 0;
  uint64_t from_ns = 0, to_ns = 0;  // first and last work on it, since the store began
};

struct RecoveryStatistics {
  uint64_t records_sent = 0;      // claims this store streamed to lmasters
  uint64_t records_decided = 0;   // keys this store decided as lmaster
  uint64_t records_assigned = 0;  // keys whose owner was lost and a copy was promoted
  uint64_t bytes_sent = 0;
  std::array<uint64_t, static_cast<size_t>(RecoveryStep::kCount)>
      step_ns{};  // when it was done, since the store began
  std::vector<RecoveredDatabase> databases;
};

// Store -> its recoveryd (STORE_RECOVERED), member recoveryd -> leader (RECOVERY_REPORT).
struct StoreRecovered {
  uint32_t generation = 0;
  bool ok = true;
  RecoveryStatistics statistics;
  std::string error;
  // Not ok, with an error: whose packets it is about, empty: the store's own fault. Not ok, without one: not prepared yet, and who keeps it
  // waiting, itself included while its part is not done; told again and again. Ok: it is open, and the logs of these, all members, are equal.
  std::vector<uint32_t> about = {};  // ascending
  bool all_claimed = false;          // it has everybody's claims: what it waits for are assignments
  Bytes encode() const;
  static std::optional<StoreRecovered> decode(ByteView payload);
};
using RecoveryReport = StoreRecovered;

// Leader -> members: the generation is open.
struct RecoveryCommit {
  uint64_t term = 0;
  uint32_t generation = 0;
  Bytes encode() const;
  static std::optional<RecoveryCommit> decode(ByteView payload);
};

// What a store remembers for its recoveryd as long as it is open in a generation: one that is started anew compares it with what
// is so now, and so knows whether anything was lost while there was none.
struct OpenNote {
  uint32_t leader = CTDB_UNKNOWN_PNN;  // that opened it
  uint64_t store_instance = 0;         // as the router counts
  std::vector<uint32_t> members;       // ascending; empty: nothing is remembered
  std::vector<uint64_t> sessions;  // of the links to members when the generation was begun, in the same order
  bool operator==(const OpenNote&) const = default;
};

// Recoveryd -> own store: the generation is open.
struct StoreOpen {
  uint64_t term = 0;
  uint32_t generation = 0;
  OpenNote note = {};
  // All nodes there are that may hold records are members. (The last field; an older release does not say it.)
  bool everybody = false;
  Bytes encode() const;
  static std::optional<StoreOpen> decode(ByteView payload);
};

// Recoveryd -> own store: this node is not a member any more. The store stops serving calls and takes its records
// away from local clients (no header in its files says dmaster = self afterwards).
struct StoreSuspend {
  bool discard = false;  // true: stopped or banned, contents are invalid from now on
  std::string reason;
  Bytes encode() const;
  static std::optional<StoreSuspend> decode(ByteView payload);
};

// Recoveryd -> own store, when it starts and until the store answers.
struct StoreQuery {
  uint64_t number = 0;  // of the life that asks
  Bytes encode() const;
  static std::optional<StoreQuery> decode(ByteView payload);
};

// Store -> recoveryd after it connected and when asked with STORE_QUERY: what it still has.
struct StoreHello {
  uint32_t open_generation = CTDB_INVALID_GENERATION;  // INVALID: its files are empty
  uint32_t prepared_generation = CTDB_INVALID_GENERATION;
  uint32_t databases = 0;
  uint64_t asked = 0;  // the number of the question; 0: nobody asked
  OpenNote note = {};  // while it is open in open_generation
  Bytes encode() const;
  static std::optional<StoreHello> decode(ByteView payload);
};

// ---- our own controls ----

// EDIT_NODES_FILE: a node is added to or removed from the nodes file of the node that is asked, which does not read it anew by
// that. Refused unless its file and the list it works with have this digest.
struct EditNodes {
  bool write = false;  // false: would it be possible?
  bool add = true;
  uint32_t pnn = 0;
  std::string address;  // of a node that is added
  bool witness = false;
  uint64_t digest = 0;
  Bytes encode() const;
  static std::optional<EditNodes> decode(ByteView payload);
};

// One member in the leader's record of a recovery.
struct RecoveryMember {
  uint32_t pnn = 0;
  uint64_t reported_ns = 0;  // when its report was here, since the leader began
  RecoveryStatistics statistics;
};
// GET_LAST_RECOVERY: how the last recovery went that this node has led. Times are nanoseconds since it began.
struct RecoveryRecord {
  uint32_t generation = CTDB_INVALID_GENERATION;  // INVALID: it has led none
  uint32_t base_generation = CTDB_INVALID_GENERATION;
  uint32_t leader = CTDB_UNKNOWN_PNN;
  int64_t began_wall_ns = 0;  // since 1970
  std::string reason;
  uint32_t given_up = 0;    // attempts before it
  uint64_t decided_ns = 0;  // all prepared, a majority has it on disk
  uint64_t opened_ns = 0;
  std::vector<RecoveryMember> members;
  std::vector<uint32_t> left;  // members of the base generation that are none of this one, ascending
  Bytes encode() const;
  static std::optional<RecoveryRecord> decode(ByteView payload);
};

// A chain that the store waits for because somebody on its node holds it.
struct LockWait {
  uint32_t db_id = 0;
  Bytes key;                // of the first record that waits
  uint32_t holder_pid = 0;  // 0: let go just now
  std::string holder;       // its program
  uint64_t waited_ns = 0;
  uint32_t records = 0;  // behind that chain
};
// GET_LOCK_WAITS.
struct LockWaits {
  std::vector<LockWait> waits;
  Bytes encode() const;
  static std::optional<LockWaits> decode(ByteView payload);
};

// ---- store to store during a recovery, data lane. All carry the generation being made; others are dropped. ----

struct DatabaseEntry {
  std::string name;
  uint8_t flags = 0;   // CTDB_DB_*
  uint8_t copies = 1;  // on how many nodes a record is, the owner's included
};
// A place in the log of commits (libctdbipc/wire/commit_messages.h). Two logs that have an entry of one position have the
// same entries up to it.
struct LogPosition {
  uint32_t generation = 0;  // in which the entry was made; 0: before the first
  uint64_t number = 0;
  auto operator<=>(const LogPosition&) const = default;
};

// A volatile database that somebody has detached.
struct DetachedEntry {
  std::string name;
  // Whoever was open in an earlier generation last has it from before; it is over. Who was open in this one or a later one has one that was
  // attached anew.
  uint32_t generation = 0;
  auto operator<=>(const DetachedEntry&) const = default;
};

// To every member, first: databases the sender has, so that all have the same before claims arrive.
struct RecordDatabases {
  uint32_t generation = 0;
  std::vector<DatabaseEntry> databases;
  LogPosition log_end;  // of the sender's commit log
  bool log_trusted =
      true;  // its databases have all that log speaks of; false: it was being brought up to date
  // What follows is of later releases (later_release.h).
  bool knows_detached = true;    // false: it says nothing about it, and would not obey
  uint32_t open_generation = 0;  // in which the sender was open last; CTDB_INVALID_GENERATION: in none
  std::vector<DetachedEntry> detached = {};
  Bytes encode() const;
  static std::optional<RecordDatabases> decode(ByteView payload);
};

// One record a store holds, told to the key's lmaster.
struct RecordClaim {
  Bytes key;
  uint64_t rsn = 0;
  uint32_t dmaster = 0;
  uint32_t flags = 0;
  uint32_t data_size = 0;  // 0 = empty record or lmaster's pointer, else: it has data
};
struct RecordClaims {
  uint32_t generation = 0;
  uint32_t db_id = 0;
  std::vector<RecordClaim> claims;
  Bytes encode() const;
  static std::optional<RecordClaims> decode(ByteView payload);
};

// RECORD_CLAIMS_END and RECORD_ASSIGN_END: how many batches went before it on this link.
struct RecordEnd {
  uint32_t generation = 0;
  uint64_t batches = 0;
  // In RECORD_CLAIMS_END: the sender came without valid records, so what it owned has fallen back to older copies.
  bool empty_handed = false;
  // In RECORD_CLAIMS_END: it was started anew in the base generation, so as a location master it does not know who owned what.
  bool forgetful = false;
  Bytes encode() const;
  static std::optional<RecordEnd> decode(ByteView payload);
};

// Lmaster -> holder: who owns the key from now on. dmaster = the receiver: promote your copy.
// Otherwise: your copy is not the owner's, point it there.
struct RecordAssignment {
  Bytes key;
  uint64_t rsn = 0;  // of the winning copy
  uint32_t dmaster = 0;
  bool older = false;      // the record's owner is lost, what it changed last is not in that copy
  bool delegated = false;  // other members have read-only copies of it
};
struct RecordAssign {
  uint32_t generation = 0;
  uint32_t db_id = 0;
  std::vector<RecordAssignment> assignments;
  Bytes encode() const;
  static std::optional<RecordAssign> decode(ByteView payload);
};

// ---- store to store in an open generation: copies of records (ARCHITECTURE §4). The header's reqid joins question and
// answer. Views are loans of the payload. ----

// Owner -> another node: keep this. The header of the copy names the sender as dmaster.
struct RecordCopy {
  uint32_t db_id = 0;
  uint64_t rsn = 0;
  uint32_t flags = 0;
  ByteView key, data;  // data empty: a deletion
  Bytes encode() const;
  static std::optional<RecordCopy> decode(ByteView payload);
};
// It is in the file.
struct RecordCopied {
  uint32_t db_id = 0;
  ByteView key;
  Bytes encode() const;
  static std::optional<RecordCopied> decode(ByteView payload);
};

// ---- the same: deleted records that are forgotten (ARCHITECTURE §4, "Deleted records") ----

enum class ForgetStep : uint32_t {
  kEmpty = 1,   // a copy becomes an empty one of this rsn
  kRemove = 2,  // no copy is left
};
struct ForgetRecord {
  uint64_t rsn = 0;  // older than the owner's; no older copy than this one is of any use
  ByteView key;
};
// Location master that owns the records and has found them deleted -> every other member.
struct RecordForget {
  uint32_t db_id = 0;
  ForgetStep step = ForgetStep::kEmpty;
  std::vector<ForgetRecord> records;
  Bytes encode() const;
  static std::optional<RecordForget> decode(ByteView payload);
};
enum class ForgetResult : uint8_t {
  kNotDone = 0,  // not now: try again later
  kEmptied = 1,  // there is an empty copy
  kNothing = 2,  // there is none
};
struct RecordForgotten {
  uint32_t db_id = 0;
  ForgetStep step = ForgetStep::kEmpty;
  Bytes results;  // a ForgetResult for each record of the question, in its order
  Bytes encode() const;
  static std::optional<RecordForgotten> decode(ByteView payload);
};

}  // namespace ctdb

#endif  // LIBCTDBIPC_WIRE_OWN_MESSAGES_H_
