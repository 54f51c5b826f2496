// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/sim/mutations.h"

#include <algorithm>
#include <iterator>

#include "ctdb-recoveryd/core/durable_state.h"
#include "libctdbipc/wire/own_messages.h"
#include "tests/sim/cluster_lock.h"

namespace ctdb::sim {
namespace {

constexpr std::string_view kNames[] = {
    "none",
    "restamp-generations",
    "keep-old-records",
    "wrong-rsn-order",
    "promote-loser",
    "forget-claims",
    "forget-assignments",
    "losses-untold",
    "files-lost-on-restart",
    "members-differ",
    "ignore-suspend",
    "endless-lease",
    "lease-from-arrival",
    "hasty-leader",
    "no-majority",
    "lose-votes",
    "vote-counted-twice",
    "silence-claimed",
    "vote-unasked",
    "voters-by-file",
    "decision-not-kept",
    "voters-are-members",
    "witness-forgets",
    "report-counted-twice",
    "answer-counted-twice",
    "exclusion-not-told",
    "lease-sleeps",
    "silence-bans",
    "demand-ignored",
    "sessions-forgotten",
    "prepared-forgotten",
    "leftovers-forgotten",
    "open-for-ever",
    "taken-in-recovery",
    "register-not-read",
    "register-not-written",
    "lock-is-enough",
    "store-ignores-page",
    "keeper-sleeps",
    "serving-denied",
    "clients-not-cut",
    "links-are-proof",
    "resets-are-proof",
    "wires-end-in-order",
    "native-unchecked",
    "hide-short-resets",
    "ignore-sessions",
    "reorder-lane",
    "duplicate-packets",
    "lost-grant",
    "lost-call",
    "grant-elsewhere",
    "owner-keeps",
    "rsn-goes-back",
    "old-data",
    "copy-not-awaited",
    "old-copies",
    "revoke-not-awaited",
    "revoke-ignored",
    "delegations-forgotten",
    "forget-not-awaited",
    "forget-in-one-step",
    "refusals-ignored",
    "syncs-lost",
    "no-chain-lock",
    "no-header-check",
    "function-again",
    "damage-unseen",
};
static_assert(std::size(kNames) == static_cast<size_t>(Mutation::kCount));

bool is_record_packet(Operation operation) {
  return operation == Operation::REQ_DMASTER || operation == Operation::REPLY_DMASTER ||
         operation == Operation::REQ_CALL;
}

Operation operation_of(ByteView packet) {
  return static_cast<Operation>(read_header(packet).operation);
}

// Decodes the payload of an own operation, lets `change` alter it, and puts it back.
template <typename Message, typename Change>
void alter(Bytes& packet, Change change) {
  std::optional<Message> message = Message::decode(own_payload(packet));
  if (!message) return;
  change(*message);
  build_own(packet, read_header(packet), message->encode());
}

}  // namespace

std::optional<Mutation> mutation_by_name(std::string_view name) {
  const auto* found = std::find(std::begin(kNames), std::end(kNames), name);
  if (found == std::end(kNames)) return std::nullopt;
  return static_cast<Mutation>(found - std::begin(kNames));
}

std::string_view mutation_name(Mutation mutation) {
  return kNames[static_cast<size_t>(mutation)];
}

// ---- set-up ----

void mutate_world(Mutation mutation, NetworkOptions& network) {
  if (mutation == Mutation::kHideShortResets) network.hide_resets_shorter_than = 300 * kMillisecond;
  network.reorder = mutation == Mutation::kReorderLane;
  network.duplicate = mutation == Mutation::kDuplicatePackets;
  network.links_are_proof = mutation == Mutation::kLinksAreProof;
  network.resets_are_proof = mutation == Mutation::kResetsAreProof;
  network.wires_end_in_order = mutation == Mutation::kWiresEndInOrder;
}

void mutate_lock(Mutation mutation, SharedLock& lock) {
  lock.shows_own_slot_only = mutation == Mutation::kRegisterNotRead;
  lock.forgets_writes = mutation == Mutation::kRegisterNotWritten;
  lock.hides_terms = mutation == Mutation::kLockIsEnough;
}

void mutate_recoveryd(Mutation mutation, RecoverydOptions& options, Bytes& durable) {
  if (mutation == Mutation::kLoseVotes) durable.clear();
  if (mutation == Mutation::kWitnessForgets && is_witness(options.nodes, options.pnn)) durable.clear();
  if (mutation == Mutation::kEndlessLease) options.timing.lease = 3600 * kSecond;
  if (mutation == Mutation::kHastyLeader) options.timing.member_silence = 200 * kMillisecond;
  if (mutation == Mutation::kVotersByFile) {
    if (std::optional<DurableState> kept = DurableState::decode(durable)) {
      kept->voters.clear();
      std::erase_if(kept->decided_members, [&](uint32_t pnn) { return !in_list(options.nodes, pnn); });
      durable = kept->encode();
    }
  }
  if (mutation == Mutation::kNoMajority) options.majority_quorum = false;
}

void mutate_durable(Mutation mutation, ByteView old, Bytes& bytes) {
  if (mutation != Mutation::kDecisionNotKept) return;
  std::optional<DurableState> next = DurableState::decode(bytes);
  if (!next) return;
  const DurableState kept = DurableState::decode(old).value_or(DurableState());
  next->decided_generation = kept.decided_generation;
  next->decided_members = kept.decided_members;
  bytes = next->encode();
}

// ---- recoveryd ----

bool Mutator::recoveryd_input(Bytes& packet, std::vector<Bytes>& more) {
  const Operation operation = operation_of(packet);
  if (mutation_ == Mutation::kDemandIgnored && operation == Operation::REQ_CONTROL) {
    const std::optional<ReqControl> request = parse_req_control(packet);
    return !request || request->opcode != static_cast<uint32_t>(Control::SET_RECMODE);
  }
  if (operation == Operation::LINK_STATE) {
    if (const auto link = LinkState::decode(own_payload(packet))) sessions_[link->pnn] = link->session;
  }
  if (operation == Operation::STORE_HELLO) remembered(packet);
  if (mutation_ == Mutation::kIgnoreSessions && operation == Operation::LINK_STATE) {
    alter<LinkState>(packet, [](LinkState& link) { link.session = 1; });
  }
  if (mutation_ == Mutation::kLeaseFromArrival && operation == Operation::HEARTBEAT) {
    alter<Heartbeat>(packet, [this](Heartbeat& beat) { beat.acked = std::max(beat.acked, answered_); });
  }
  if (mutation_ == Mutation::kExclusionNotTold && operation == Operation::HEARTBEAT) {
    alter<Heartbeat>(packet, [](Heartbeat& beat) { beat.wanted = true; });
  }
  if ((mutation_ == Mutation::kReportCountedTwice && operation == Operation::RECOVERY_REPORT) ||
      (mutation_ == Mutation::kVoteCountedTwice && operation == Operation::VOTE_REPLY)) {
    as_another(packet, more);
  }
  if (mutation_ == Mutation::kAnswerCountedTwice && operation == Operation::HEARTBEAT_REPLY)
    as_silent(packet, more);
  if (operation != Operation::VOTE_REPLY) return true;
  if (mutation_ == Mutation::kSilenceClaimed) {
    alter<VoteReply>(packet, [](VoteReply& reply) { reply.silent = 3600 * kSecond; });
  }
  if (mutation_ == Mutation::kVoteUnasked) {
    alter<VoteReply>(packet, [](VoteReply& reply) { reply.granted = true; });
  }
  return true;
}

void Mutator::remembered(Bytes& packet) const {
  if (mutation_ != Mutation::kSessionsForgotten && mutation_ != Mutation::kOpenForEver) return;
  alter<StoreHello>(packet, [this](StoreHello& hello) {
    if (mutation_ == Mutation::kOpenForEver) hello.note = note_;
    if (mutation_ != Mutation::kSessionsForgotten) return;
    for (size_t i = 0; i < hello.note.members.size(); ++i) {
      const auto known = sessions_.find(hello.note.members[i]);
      if (known != sessions_.end()) hello.note.sessions[i] = known->second;
    }
  });
}

void Mutator::as_another(ByteView packet, std::vector<Bytes>& more) const {
  const uint32_t sender = read_header(packet).srcnode;
  for (uint32_t other = 0; other < nodes_; ++other) {
    if (other == sender || other == pnn_) continue;
    more.push_back(to_bytes(packet));
    set_srcnode(more.back(), other);
    return;
  }
}

// What the silent node said last, as an answer to the heartbeat that this one has answered.
void Mutator::as_silent(ByteView packet, std::vector<Bytes>& more) {
  constexpr uint64_t kSilent = 3;  // heartbeats
  const uint32_t sender = read_header(packet).srcnode;
  const std::optional<HeartbeatReply> answer = HeartbeatReply::decode(own_payload(packet));
  if (!answer) return;
  answers_[sender] = to_bytes(packet);
  for (auto& [node, last] : answers_) {
    const std::optional<HeartbeatReply> old = HeartbeatReply::decode(own_payload(last));
    if (old->term != answer->term || old->sequence + kSilent > answer->sequence) continue;
    more.push_back(last);
    alter<HeartbeatReply>(more.back(), [&](HeartbeatReply& reply) { reply.sequence = answer->sequence; });
    return;
  }
}

bool Mutator::recoveryd_output(Bytes& packet) {
  const Operation operation = operation_of(packet);
  if (operation == Operation::CUT_CLIENTS) return mutation_ != Mutation::kClientsNotCut;
  if (operation != Operation::HEARTBEAT_REPLY) return true;
  alter<HeartbeatReply>(packet, [this](HeartbeatReply& reply) {
    answered_ = reply.sequence;
    if (mutation_ == Mutation::kServingDenied) reply.stopped = !reply.serving;
  });
  return true;
}

// ---- store ----

bool Mutator::store_input(Bytes& packet, uint32_t store_generation, uint32_t store_newest, Random& random) {
  const Header header = read_header(packet);
  const Operation operation = static_cast<Operation>(header.operation);
  if (operation == Operation::STORE_OPEN) {
    if (const auto open = StoreOpen::decode(own_payload(packet))) note_ = open->note;
  }
  switch (mutation_) {
    case Mutation::kRestampGenerations:
      if (is_record_packet(operation) && header.generation < store_generation) {
        set_generation(packet, store_generation);
      }
      return true;
    case Mutation::kKeepOldRecords:
      if (operation != Operation::STORE_RECOVER) return true;
      alter<StoreRecover>(packet, [store_newest](StoreRecover& recover) {
        recover.base_generation = std::min(recover.base_generation, store_newest);
      });
      return true;
    case Mutation::kMembersDiffer:
      if (operation != Operation::STORE_RECOVER) return true;
      alter<StoreRecover>(packet, [this, &random](StoreRecover& recover) {
        if (random.one_in(3) && recover.members.size() > 1 && recover.members.back() != pnn_) {
          recover.members.pop_back();
        }
      });
      return true;
    case Mutation::kVotersAreMembers:
      if (operation != Operation::STORE_RECOVER) return true;
      alter<StoreRecover>(packet, [](StoreRecover& recover) { recover.members = recover.voters; });
      return true;
    case Mutation::kIgnoreSuspend:
      return operation != Operation::STORE_SUSPEND;
    case Mutation::kForgetInOneStep:
    case Mutation::kRefusalsIgnored:
      if (operation == Operation::RECORD_FORGOTTEN) forgotten_input(packet);
      return true;
    default:
      return true;
  }
}

void Mutator::forgotten_input(Bytes& packet) const {
  alter<RecordForgotten>(packet, [this](RecordForgotten& answer) {
    if (mutation_ == Mutation::kForgetInOneStep) {
      answer.step = ForgetStep::kEmpty;
      return;
    }
    for (uint8_t& result : answer.results) {
      if (result == static_cast<uint8_t>(ForgetResult::kNotDone))
        result = static_cast<uint8_t>(ForgetResult::kNothing);
    }
  });
}

bool Mutator::store_output(Bytes& packet, Random& random) {
  switch (operation_of(packet)) {
    case Operation::RECORD_ASSIGN:
      if (mutation_ == Mutation::kDelegationsForgotten) {
        alter<RecordAssign>(packet, [](RecordAssign& assign) {
          for (RecordAssignment& one : assign.assignments) one.delegated = false;
        });
      }
      if (mutation_ == Mutation::kForgetAssignments) {
        alter<RecordAssign>(packet, [](RecordAssign& assign) { assign.assignments.pop_back(); });
      }
      if (mutation_ != Mutation::kPromoteLoser) return true;
      alter<RecordAssign>(packet, [this, &random](RecordAssign& assign) {
        for (RecordAssignment& one : assign.assignments) {
          one.dmaster = static_cast<uint32_t>(random.below(nodes_));
        }
      });
      return true;
    case Operation::RECORD_CLAIMS:
      if (mutation_ == Mutation::kForgetClaims && random.one_in(3)) return false;
      if (mutation_ != Mutation::kWrongRsnOrder) return true;
      alter<RecordClaims>(packet, [](RecordClaims& claims) {
        for (RecordClaim& claim : claims.claims) {
          if (claim.data_size > 0) claim.rsn = (1u << 30) - claim.rsn;
        }
      });
      return true;
    case Operation::REQ_CALL:
      return mutation_ != Mutation::kLostCall || !random.one_in(100);
    case Operation::REPLY_DMASTER:
      return migration_output(packet, random);
    case Operation::RECORD_FORGET:
      if (mutation_ == Mutation::kForgetInOneStep)
        alter<RecordForget>(packet, [](RecordForget& question) { question.step = ForgetStep::kRemove; });
      return mutation_ != Mutation::kForgetNotAwaited || !random.one_in(4);
    case Operation::RECORD_COPY:
      if (mutation_ == Mutation::kOldCopies) old_copy(packet);
      return (mutation_ != Mutation::kCopyNotAwaited && mutation_ != Mutation::kRevokeNotAwaited) ||
             !random.one_in(4);
    default:
      return true;
  }
}

bool Mutator::migration_output(Bytes& packet, Random& random) {
  if (mutation_ == Mutation::kLostGrant) return !random.one_in(100);
  if (mutation_ == Mutation::kGrantElsewhere && random.one_in(50)) {
    set_destnode(packet, (read_header(packet).destnode + 1) % nodes_);
  }
  if (mutation_ == Mutation::kRsnGoesBack && random.one_in(50)) {
    if (std::optional<ReplyDmaster> reply = parse_reply_dmaster(packet)) {
      reply->rsn = 1;
      Bytes changed;
      build(changed, read_header(packet), *reply);
      packet = changed;
    }
  }
  if (mutation_ == Mutation::kOldData) old_data(packet);
  return true;
}

const Bytes* Mutator::first_data(ByteView key_view, ByteView data) {
  const Bytes key = to_bytes(key_view);
  const auto found = std::find_if(first_data_.begin(), first_data_.end(),
                                  [&key](const auto& entry) { return entry.first == key; });
  if (found != first_data_.end()) return &found->second;
  first_data_.emplace_back(key, to_bytes(data));
  return nullptr;
}

void Mutator::old_data(Bytes& packet) {
  std::optional<ReplyDmaster> reply = parse_reply_dmaster(packet);
  if (!reply || reply->data.empty()) return;
  const Bytes* first = first_data(reply->key, reply->data);
  if (first == nullptr) return;
  reply->data = *first;
  Bytes changed;
  build(changed, read_header(packet), *reply);
  packet = changed;
}

void Mutator::old_copy(Bytes& packet) {
  std::optional<RecordCopy> copy = RecordCopy::decode(own_payload(packet));
  if (!copy || copy->data.empty()) return;
  const Bytes* first = first_data(copy->key, copy->data);
  if (first == nullptr) return;
  copy->data = *first;
  Bytes changed;
  build_own(changed, read_header(packet), copy->encode());
  packet = changed;
}

}  // namespace ctdb::sim
