// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/sim/points.h"

#include <algorithm>
#include <charconv>
#include <iterator>

#include "ctdb-recoveryd/core/durable_state.h"
#include "libctdbipc/wire/own_messages.h"

namespace ctdb::sim {
namespace {

constexpr PointRow kRows[] = {
    {Point::kVoteAsked, "vote-asked", false},
    {Point::kVoteGiven, "vote-given", false},
    {Point::kLeaderElected, "leader-elected", false},
    {Point::kHeartbeat, "heartbeat", false},
    {Point::kLeaseRenewed, "lease-renewed", false},
    {Point::kRecoveryBegun, "recovery-begun", true},
    {Point::kStoreTold, "store-told", true},
    {Point::kDatabasesSent, "databases-sent", true},
    {Point::kClaimsSent, "claims-sent", true},
    {Point::kClaimsEnded, "claims-ended", true},
    {Point::kAssigned, "assigned", true},
    {Point::kAssignEnded, "assign-ended", true},
    {Point::kPrepared, "prepared", true},
    {Point::kDecidedOnDisk, "decided-on-disk", true},
    {Point::kCommitted, "committed", true},
    {Point::kStoreOpened, "store-opened", true},
    {Point::kStoreSuspended, "store-suspended", false},
    {Point::kStoreStarted, "store-started", false},
    {Point::kLinkUp, "link-up", false},
    {Point::kLinkDown, "link-down", false},
    {Point::kCallSent, "call-sent", false},
    {Point::kCallRedirected, "call-redirected", false},
    {Point::kMasterAsked, "master-asked", false},
    {Point::kGranted, "granted", false},
    {Point::kGrantArrived, "grant-arrived", false},
    {Point::kClientAsks, "client-asks", false},
    {Point::kClientLocks, "client-locks", false},
    {Point::kClientChanges, "client-changes", false},
    {Point::kClientDeletes, "client-deletes", false},
    {Point::kChainTaken, "chain-taken", false},
    {Point::kTraverse, "traverse", false},
    {Point::kForgetAsked, "forget-asked", false},
    {Point::kForgetAnswered, "forget-answered", false},
    {Point::kCopySent, "copy-sent", false},
    {Point::kCopyHeld, "copy-held", false},
};
static_assert(std::size(kRows) == kPointCount);

// What a packet that is sent says by its operation alone.
std::optional<Point> point_of(Operation operation) {
  switch (operation) {
    case Operation::HEARTBEAT:
      return Point::kHeartbeat;
    case Operation::RECOVERY_BEGIN:
      return Point::kRecoveryBegun;
    case Operation::STORE_RECOVER:
      return Point::kStoreTold;
    case Operation::RECORD_DATABASES:
      return Point::kDatabasesSent;
    case Operation::RECORD_CLAIMS:
      return Point::kClaimsSent;
    case Operation::RECORD_CLAIMS_END:
      return Point::kClaimsEnded;
    case Operation::RECORD_ASSIGN:
      return Point::kAssigned;
    case Operation::RECORD_ASSIGN_END:
      return Point::kAssignEnded;
    case Operation::RECORD_FORGET:
      return Point::kForgetAsked;
    case Operation::RECORD_FORGOTTEN:
      return Point::kForgetAnswered;
    case Operation::RECORD_COPY:
      return Point::kCopySent;
    case Operation::RECORD_COPIED:
      return Point::kCopyHeld;
    case Operation::RECOVERY_REPORT:
      return Point::kPrepared;
    case Operation::RECOVERY_COMMIT:
      return Point::kCommitted;
    case Operation::STORE_SUSPEND:
      return Point::kStoreSuspended;
    case Operation::REQ_DMASTER:
      return Point::kMasterAsked;
    case Operation::REPLY_DMASTER:
      return Point::kGranted;
    default:
      return std::nullopt;
  }
}

// The generation a packet of a recovery is about.
uint32_t generation_of(Operation operation, const Header& header, ByteView packet) {
  const ByteView payload = own_payload(packet);
  if (operation == Operation::RECOVERY_BEGIN || operation == Operation::STORE_RECOVER) {
    const std::optional<RecoveryBegin> begin = RecoveryBegin::decode(payload);
    return begin ? begin->generation : 0;
  }
  if (operation == Operation::RECOVERY_REPORT) {
    const std::optional<RecoveryReport> report = RecoveryReport::decode(payload);
    return report ? report->generation : 0;
  }
  if (operation == Operation::RECOVERY_COMMIT || operation == Operation::STORE_OPEN) {
    const std::optional<RecoveryCommit> commit = RecoveryCommit::decode(payload);
    return commit ? commit->generation : 0;
  }
  return header.generation;
}

bool says_that_logs_are_equal(ByteView packet) {
  const std::optional<RecoveryReport> report = RecoveryReport::decode(own_payload(packet));
  return report && report->ok && !report->about.empty();
}

std::optional<uint64_t> number(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

const PointRow& point_row(Point point) {
  return kRows[static_cast<size_t>(point)];
}

std::optional<Point> point_by_name(std::string_view name) {
  for (const PointRow& row : kRows) {
    if (row.name == name) return row.point;
  }
  return std::nullopt;
}

std::string Moment::text() const {
  std::string out(point_row(point).name);
  if (k != 0) out += "[" + std::to_string(k) + "]";
  if (number != 1) out += "#" + std::to_string(number);
  return out;
}

std::optional<Moment> Moment::parse(std::string_view text) {
  Moment moment;
  if (const size_t hash = text.find('#'); hash != std::string_view::npos) {
    const std::optional<uint64_t> value = sim::number(text.substr(hash + 1));
    if (!value || *value == 0) return std::nullopt;
    moment.number = *value;
    text = text.substr(0, hash);
  }
  if (const size_t bracket = text.find('['); bracket != std::string_view::npos) {
    if (text.back() != ']') return std::nullopt;
    const std::optional<uint64_t> value = sim::number(text.substr(bracket + 1, text.size() - bracket - 2));
    if (!value || *value == 0 || *value >= Points::kOrdinals) return std::nullopt;
    moment.k = static_cast<uint32_t>(*value);
    text = text.substr(0, bracket);
  }
  const std::optional<Point> point = point_by_name(text);
  if (!point || (moment.k != 0 && !point_row(*point).by_generation)) return std::nullopt;
  moment.point = *point;
  return moment;
}

void Points::reach(Point point, uint32_t node, uint32_t generation) {
  Tally& tally = tally_[static_cast<size_t>(point)];
  if (generation != tally.generation) {
    tally.generation = generation;
    tally.ordinal = 0;
  }
  ++tally.count;
  tally.node = node;
  uint32_t k = 0;
  if (point_row(point).by_generation) {
    k = std::min(++tally.ordinal, kOrdinals - 1);
    ++tally.by_ordinal[k];
  }
  if (observer_) observer_(point, k, node);
}

uint64_t Points::count(Point point, uint32_t k) const {
  const Tally& tally = tally_[static_cast<size_t>(point)];
  return k == 0 ? tally.count : tally.by_ordinal[k];
}

void Points::sent(uint32_t node, ByteView packet) {
  const Header header = read_header(packet);
  const Operation operation = static_cast<Operation>(header.operation);
  if (operation == Operation::REQ_CALL) {
    const std::optional<ReqCall> call = parse_req_call(packet);
    if (call) reach(call->hopcount == 0 ? Point::kCallSent : Point::kCallRedirected, node);
  } else if (operation == Operation::VOTE_REQUEST) {
    const std::optional<VoteRequest> request = VoteRequest::decode(own_payload(packet));
    if (request && !request->trial) reach(Point::kVoteAsked, node);
  } else if (operation == Operation::VOTE_REPLY) {
    const std::optional<VoteReply> reply = VoteReply::decode(own_payload(packet));
    if (reply && reply->granted && !reply->trial) reach(Point::kVoteGiven, node);
  } else if (operation == Operation::REQ_CONTROL) {
    const std::optional<ReqControl> control = parse_req_control(packet);
    if (control && (control->opcode == static_cast<uint32_t>(Control::TRAVERSE_ALL) ||
                    control->opcode == static_cast<uint32_t>(Control::TRAVERSE_ALL_EXT))) {
      reach(Point::kTraverse, node);
    }
  } else if (operation == Operation::RECOVERY_REPORT && says_that_logs_are_equal(packet)) {
    return;  // it is open already
  } else if (const std::optional<Point> point = point_of(operation)) {
    const bool counted = point_row(*point).by_generation;
    reach(*point, node, counted ? generation_of(operation, header, packet) : 0);
    if (operation != Operation::HEARTBEAT) return;
    const std::optional<Heartbeat> heartbeat = Heartbeat::decode(own_payload(packet));
    if (!heartbeat || heartbeat->term <= term_) return;
    term_ = heartbeat->term;
    reach(Point::kLeaderElected, node);
  }
}

void Points::handled(uint32_t node, ByteView packet) {
  const Header header = read_header(packet);
  const Operation operation = static_cast<Operation>(header.operation);
  if (operation == Operation::HEARTBEAT) reach(Point::kLeaseRenewed, node);
  if (operation == Operation::REPLY_DMASTER) reach(Point::kGrantArrived, node);
  if (operation == Operation::STORE_OPEN) {
    reach(Point::kStoreOpened, node, generation_of(operation, header, packet));
  }
}

void Points::persisted(uint32_t node, ByteView bytes) {
  const std::optional<DurableState> state = DurableState::decode(bytes);
  if (!state || node >= decided_.size() || state->decided_generation == CTDB_INVALID_GENERATION) return;
  if (state->decided_generation <= decided_[node]) return;
  decided_[node] = state->decided_generation;
  reach(Point::kDecidedOnDisk, node, state->decided_generation);
}

}  // namespace ctdb::sim
