// SPDX-License-Identifier: GPL-3.0-or-later
// Composes the parts: checks where a packet may come from, hands it to the part it is for, then lets time and
// consequences do their work (work()) and tells the router what changed (publish()).
#include "ctdb-recoveryd/core/cluster_node.h"

#include <algorithm>

#include "ctdb-recoveryd/core/context.h"
#include "ctdb-recoveryd/core/controls.h"
#include "ctdb-recoveryd/core/election.h"
#include "ctdb-recoveryd/core/leader.h"
#include "ctdb-recoveryd/core/member.h"
#include "ctdb-recoveryd/core/node_state.h"
#include "ctdb-recoveryd/core/nodes_files.h"
#include "libctdbipc/base/assert.h"
#include "libctdbipc/base/limits.h"
#include "libctdbipc/wire/reader.h"

namespace ctdb {

struct ClusterNode::Parts {
  Parts(RecoverydOptions options, Random& random, RecoverydOutput& output, ByteView durable, TimeNs now)
      : c(std::move(options), random, output, now),
        node(first_state(c)),
        files(c),
        election(c),
        member(c),
        leader(c, election, member, node, files),
        controls(c, node, member, leader) {
    CTDB_ASSERT(in_list(c.nodes, c.pnn()));
    take_durable(durable);
    member.start();
  }

  static NodeState first_state(const Context& context) {
    const RecoverydOptions& o = context.options;
    // Where no majority decides it would only keep others from going on.
    if (context.witness(o.pnn)) return NodeState::of_witness(o.majority_quorum && !o.lock_quorum);
    return {o.start_as_stopped, o.start_as_disabled, o.leader_capability, o.lmaster_capability};
  }
  bool may_lead() const { return c.router_up && node.may_lead() && files.rule_prevails(); }
  void take_durable(ByteView bytes);
  void after_event();
  void work();
  void publish();
  void announce();
  ClusterState view() const;
  bool left_behind() const;
  std::string reason() const;
  std::string why_out() const;  // a remark while it is in
  std::string why_no_leader() const;
  std::string remark() const;
  std::string no_quorum(size_t linked) const;
  std::string witness_remark() const;

  void control_packet(const Header& header, ByteView packet);
  void own_packet(const Header& header, ByteView payload);
  void peer_packet(const Header& header, ByteView payload);
  void link_state(const LinkState& link);
  void last_life(const ClusterState& state);
  void nodes_changed(const NodeList& list);
  void learn_from_store(uint32_t generation);
  void store_recovered(const StoreRecovered& report);
  void heartbeat(uint32_t from, const Heartbeat& beat);
  bool believable(uint32_t from, const Heartbeat& beat) const;
  bool learn_decided(const Heartbeat& beat);
  void heartbeat_reply(uint32_t from, const HeartbeatReply& reply);
  void recovery_begin(uint32_t from, const RecoveryBegin& begin);
  void recovery_commit(uint32_t from, const RecoveryCommit& commit);
  void message(ByteView packet);

  // Hands a decoded payload to `handle`; what does not decode is refused.
  template <typename T, typename F>
  void with(ByteView payload, F handle) {
    if (const std::optional<T> decoded = T::decode(payload)) return handle(*decoded);
    c.refuse("malformed");
  }

  Context c;
  NodeState node;
  NodesFiles files;
  Election election;
  Member member;
  Leader leader;
  Controls controls;
  bool was_leading = false;
  bool first_router = true;  // it has not lost one yet
  // The newest heartbeat that was followed.
  struct Newest {
    uint32_t from = CTDB_UNKNOWN_PNN;
    uint64_t term = 0;
    uint64_t sequence = 0;
    bool older_than(uint32_t sender, const Heartbeat& beat) const {
      return sender != from || beat.term != term || beat.sequence > sequence;
    }
  };
  Newest newest;
  uint64_t last_sequence = 0;         // of the leader's heartbeats
  bool wanted = true;                 // as the leader says, until another one does
  std::string told_reason;            // by it: why this node is not, or else who is out
  std::vector<uint32_t> heard_flags;  // node flags as the leader tells them
  ClusterState published;
  Bytes published_bytes;  // the same, as it was sent
  bool have_published = false;
};

void ClusterNode::Parts::take_durable(ByteView bytes) {
  if (bytes.empty()) return;
  std::optional<DurableState> state = DurableState::decode(bytes);
  if (state) return c.remember(std::move(*state));
  c.log(RecoverydLog::kError,
        "the saved state of recoveryd is unreadable; this node starts without votes and history");
}

// ---- packets ----

void ClusterNode::Parts::control_packet(const Header& header, ByteView packet) {
  const ByteView payload = own_payload(packet);
  if (header.srcnode == c.pnn()) return own_packet(header, payload);
  // A link that went down takes with it what came over it and was not read yet.
  if (!c.known(header.srcnode) || !c.linked(header.srcnode))
    return c.refuse("no node of this cluster that is linked");
  peer_packet(header, payload);
}

void ClusterNode::Parts::own_packet(const Header& header, ByteView payload) {
  switch (static_cast<Operation>(header.operation)) {
    case Operation::LINK_STATE:
      return with<LinkState>(payload, [this](const LinkState& m) { link_state(m); });
    case Operation::DAEMON_STATE:
      return with<DaemonState>(payload, [this](const DaemonState& m) {
        if (m.role == DaemonRole::kStore) member.on_store(m.up, m.instance);
      });
    case Operation::NODE_LIST:
      return with<NodeListMessage>(payload, [this](const NodeListMessage& m) { nodes_changed(m.nodes); });
    case Operation::CLUSTER_STATE:
      return with<ClusterState>(payload, [this](const ClusterState& m) { last_life(m); });
    case Operation::STORE_HELLO:
      return with<StoreHello>(payload, [this](const StoreHello& m) {
        member.on_store_hello(m);
        learn_from_store(m.open_generation);
        if (member.store_ready()) node.store_ready();
        if (member.open()) node.opened();
      });
    case Operation::STORE_SUSPENDED:
      return member.on_store_suspended();
    case Operation::STORE_RECOVERED:
      return with<StoreRecovered>(payload, [this](const StoreRecovered& m) { store_recovered(m); });
    default:
      return c.refuse("no daemon of this node says that to recoveryd");
  }
}

void ClusterNode::Parts::peer_packet(const Header& header, ByteView payload) {
  const uint32_t from = header.srcnode;
  if (files.other_rule(from) && header.operation != static_cast<uint32_t>(Operation::NODE_LIST))
    return c.refuse("another quorum rule prevails");
  switch (static_cast<Operation>(header.operation)) {
    case Operation::VOTE_REQUEST:
      return with<VoteRequest>(payload, [&](const VoteRequest& m) { election.on_vote_request(from, m); });
    case Operation::VOTE_REPLY:
      return with<VoteReply>(payload, [&](const VoteReply& m) { election.on_vote_reply(from, m); });
    case Operation::HEARTBEAT:
      return with<Heartbeat>(payload, [&](const Heartbeat& m) { heartbeat(from, m); });
    case Operation::HEARTBEAT_REPLY:
      return with<HeartbeatReply>(payload, [&](const HeartbeatReply& m) { heartbeat_reply(from, m); });
    case Operation::RECOVERY_BEGIN:
      return with<RecoveryBegin>(payload, [&](const RecoveryBegin& m) { recovery_begin(from, m); });
    case Operation::RECOVERY_COMMIT:
      return with<RecoveryCommit>(payload, [&](const RecoveryCommit& m) { recovery_commit(from, m); });
    case Operation::NODE_LIST:
      return with<NodeListMessage>(payload, [&](const NodeListMessage& m) {
        files.on_list(from, m);
        if (election.leading()) leader.on_nodes();
      });
    case Operation::RECOVERY_REPORT:
      return with<RecoveryReport>(payload, [&](const RecoveryReport& m) {
        if (!election.leading()) return c.refuse("it reports to a leader, and this node is none");
        leader.on_report(from, m);
      });
    default:
      return c.refuse("no node says that to recoveryd");
  }
}

void ClusterNode::Parts::link_state(const LinkState& link) {
  // That of a node which has just been removed goes down.
  if (link.pnn >= c.lines() || link.pnn == c.pnn() || (link.up && !c.known(link.pnn)))
    return c.refuse("a link to no node of this cluster");
  c.links[link.pnn] = {link.up, link.session, link.gone && !link.up, c.durable.decided_generation};
  c.announce = true;
  files.on_link(link.pnn, link.up);
  if (election.leading()) leader.on_link(link.pnn, link.up);
}

// What the last recoveryd of this node had told the router. One that has outlived a router knows better.
void ClusterNode::Parts::last_life(const ClusterState& state) {
  if (!first_router || c.pnn() >= state.node_flags.size()) return;
  node.take_over(state.node_flags[c.pnn()]);
  c.announce = true;
}

void ClusterNode::Parts::nodes_changed(const NodeList& list) {
  if (!in_list(list, c.pnn())) return c.refuse("a nodes file without this node");
  if (list == c.nodes) return;
  const std::vector<uint32_t> before = c.voters.numbers();
  c.set_nodes(list);
  files.tell_all();
  if (c.voters.numbers() != before) election.start_over();
  leader.on_nodes();
}

// The state file was lost but the store remembers: that generation had been decided, and this node may have voted or
// led in its term, so it must not do so again.
void ClusterNode::Parts::learn_from_store(uint32_t generation) {
  const uint32_t known = c.durable.decided_generation;
  if (generation == CTDB_INVALID_GENERATION || (known != CTDB_INVALID_GENERATION && generation <= known))
    return;
  DurableState next = c.durable;
  next.decided_generation = generation;
  next.decided_members.clear();
  next.voters = c.voters.numbers();
  if (c.save(next)) election.adopt_term(term_of_generation(generation) + 1);
}

void ClusterNode::Parts::store_recovered(const StoreRecovered& report) {
  const uint32_t to = member.on_store_recovered(report);
  if (to == CTDB_UNKNOWN_PNN) return;
  if (to != c.pnn()) return c.send(to, Operation::RECOVERY_REPORT, report.encode());
  if (election.leading()) leader.on_report(to, report);
}

bool ClusterNode::Parts::believable(uint32_t from, const Heartbeat& beat) const {
  const ClusterState& state = beat.state;
  if (state.leader != from && state.leader != CTDB_UNKNOWN_PNN) return false;
  if (state.voters.empty() || !is_part(state.voters, state.voters) || state.voters.back() >= kNodesMax)
    return false;
  if (!is_part(state.members, state.voters)) return false;
  if (state.leader == from && !contains(state.voters, from)) return false;
  return state.generation == CTDB_INVALID_GENERATION || term_of_generation(state.generation) <= beat.term;
}

// The decided generation goes to disk before the answer tells the leader that it is there.
bool ClusterNode::Parts::learn_decided(const Heartbeat& beat) {
  const uint32_t known = c.durable.decided_generation;
  const uint32_t told = beat.state.generation;
  if (told == CTDB_INVALID_GENERATION || (known != CTDB_INVALID_GENERATION && told < known)) return true;
  const bool same = beat.state.members == c.durable.decided_members && beat.state.voters == c.durable.voters;
  if (told == known && (beat.state.members.empty() || same)) return true;
  DurableState next = c.durable;
  next.decided_generation = told;
  next.decided_members = beat.state.members;
  next.voters = beat.state.voters;
  return c.save(next);
}

void ClusterNode::Parts::heartbeat(uint32_t from, const Heartbeat& beat) {
  if (!believable(from, beat)) return c.refuse("it contradicts itself");
  if (!election.plausible(beat.term)) return c.refuse("a term that nobody can have reached");
  if (!newest.older_than(from, beat)) return c.refuse("it came before, or a newer one did");
  if (!election.accept_leader(from, beat.term)) {
    c.refuse("who sends it is not the leader");
    // So that a leader of the past learns that it is one.
    HeartbeatReply reply;
    reply.term = election.term();
    return c.send(from, Operation::HEARTBEAT_REPLY, reply.encode());
  }
  newest = {from, beat.term, beat.sequence};
  c.bench.learn(beat.left_out, c.lines(), c.now);
  if (beat.state.leader == CTDB_UNKNOWN_PNN) return election.forget_leader();
  if (!learn_decided(beat)) return;
  wanted = beat.wanted;
  told_reason = beat.state.reason;
  if (wanted) member.acked(beat.acked, static_cast<TimeNs>(beat.late));
  if (!beat.state.node_flags.empty()) heard_flags = beat.state.node_flags;
  last_sequence = beat.sequence;
  c.announce = true;
}

void ClusterNode::Parts::heartbeat_reply(uint32_t from, const HeartbeatReply& reply) {
  if (reply.term > election.term()) return election.saw_term(reply.term);
  // A node whose nodes file is newer may reach some that are not known here.
  const auto known = [](uint32_t pnn) { return pnn < kNodesMax; };
  if (!election.leading() || reply.term != election.term() ||
      !std::all_of(reply.reachable.begin(), reply.reachable.end(), known)) {
    return c.refuse("it answers no heartbeat of this leader");
  }
  leader.on_reply(from, reply);
}

void ClusterNode::Parts::recovery_begin(uint32_t from, const RecoveryBegin& begin) {
  if (begin.term != election.term() || election.leader() != from || node.inactive() ||
      !member.on_begin(from, begin)) {
    c.refuse("it is not from the leader, or cannot be");
  }
}

void ClusterNode::Parts::recovery_commit(uint32_t from, const RecoveryCommit& commit) {
  if (commit.term != election.term() || election.leader() != from || !member.on_commit(commit))
    return c.refuse("it is not from the leader, or for nothing that was prepared");
  node.opened();
}

// What tools ask of recovery daemons by message (wire-protocol §10). Everything else of that range needs no
// answer.
void ClusterNode::Parts::message(ByteView packet) {
  const std::optional<ReqMessage> request = parse_req_message(packet);
  if (!request) return c.refuse("malformed");
  const bool for_leader = request->srvid == CTDB_SRVID_TAKEOVER_RUN;
  const bool wants_text = request->srvid == CTDB_SRVID_MEM_DUMP;
  if (!for_leader && !wants_text && request->srvid != CTDB_SRVID_DISABLE_TAKEOVER_RUNS &&
      request->srvid != CTDB_SRVID_DISABLE_RECOVERIES) {
    return;
  }
  if (for_leader && !election.leading()) return;
  Reader reader(request->data);
  const uint32_t pnn = reader.u32();
  reader.skip(4);
  const uint64_t srvid = reader.u64();
  if (!reader.ok() || !c.known(pnn)) return c.refuse("malformed, or about no node of this cluster");
  if (srvid == 0) return;
  Bytes answer(4), built;
  store(answer.data(), c.pnn());
  if (wants_text) {  // the tool waits for it without end; a core does not know its memory
    const std::string text = "term " + std::to_string(election.term()) + ", generation " +
                             std::to_string(member.open_generation()) + "\n";
    answer = to_bytes(as_bytes(text));
    answer.push_back(0);
  }
  build(built, {0, c.stamp, 0, pnn, c.pnn(), 0}, ReqMessage{srvid, answer});
  c.out.to_router(RecoverydLane::kData, 0, built);
}

// ---- consequences ----

void ClusterNode::Parts::work() {
  if (node.expire_ban(c.now)) c.announce = true;
  if (node.inactive()) member.suspend(true, node.why_inactive());
  if (!wanted && !election.leading()) member.suspend(false, told_reason);
  if (left_behind()) member.suspend(false, "the cluster has gone on without this node");
  if (!files.rule_prevails()) member.suspend(false, files.remark());
  member.work(node.inactive());
  election.work(may_lead());
  if (election.leading() && !was_leading) leader.start();
  was_leading = election.leading();
  if (!was_leading) return;
  leader.work();
  was_leading = election.leading();
  if (!was_leading) election.work(may_lead());  // it resigned: it may want to come back
}

// A generation was decided that this node is not in, and it is in no newer one: what its store has is of the past.
bool ClusterNode::Parts::left_behind() const {
  const DurableState& known = c.durable;
  const auto older = [&known](uint32_t generation) {
    return generation == CTDB_INVALID_GENERATION || generation < known.decided_generation;
  };
  return known.decided_generation != CTDB_INVALID_GENERATION && !known.decided_members.empty() &&
         !contains(known.decided_members, c.pnn()) && older(member.open_generation()) &&
         older(member.begun_generation());
}

std::string ClusterNode::Parts::reason() const {
  std::string why = why_out();
  if (!c.disk_failing) return why;
  if (!why.empty()) why.insert(0, "; ");
  return "the state of recoveryd cannot be written: this node neither votes nor leads "
         "(is the disk of 'state database directory' full? its log says more)" +
         why;
}

std::string ClusterNode::Parts::why_out() const {
  if (member.open()) return remark();
  if (node.witness()) return witness_remark();
  if (node.inactive()) return node.why_inactive();
  if (!files.rule_prevails()) return files.remark();
  if (!member.store_up()) return "ctdb-store is not running";
  const size_t linked = c.linked_count();
  if (!c.voters.enough(linked)) return no_quorum(linked);
  if (!election.live_leader()) {
    const std::string differing = files.remark();
    return why_no_leader() + (differing.empty() ? "" : "; ") + differing;
  }
  if (member.serving()) return "a recovery is running";
  if (files.odd(c.pnn()) || files.differs(election.leader())) return files.remark();
  if (election.leading() && !leader.reason().empty()) return leader.reason();
  if (!member.store_ready()) return "ctdb-store has not answered yet";
  // What keeps it out now; what it was suspended for may be over since.
  if (!wanted && !election.leading() && !told_reason.empty()) return told_reason;
  return member.why_suspended();
}

std::string ClusterNode::Parts::no_quorum(size_t linked) const {
  std::string why =
      "no quorum: " + std::to_string(linked) + " of " + std::to_string(c.voters.count()) + " nodes reachable";
  if (c.voters.numbers() == numbers_of(c.nodes)) return why;
  why += " (by the last decision those that vote are";
  for (uint32_t pnn : c.voters.numbers()) why += " " + std::to_string(pnn);
  return why + "; the nodes file has others, which count when they agree)";
}

// It serves, and yet not all is as it should be.
std::string ClusterNode::Parts::remark() const {
  std::string all = files.remark();
  const auto add = [&all](const std::string& text) {
    if (!text.empty()) all += (all.empty() ? "" : "; ") + text;
  };
  for (const uint32_t pnn : numbers_of(c.nodes)) {
    if (c.witness(pnn) && !c.linked(pnn))
      add("the witness, node " + std::to_string(pnn) + ", is not reachable");
  }
  if (election.leading()) add(leader.why_not_voters());
  add(election.leading() ? leader.who_is_out() : told_reason);
  return all;
}

std::string ClusterNode::Parts::witness_remark() const {
  if (!files.rule_prevails()) return files.remark();
  const size_t linked = c.linked_count();
  if (!c.voters.enough(linked)) return no_quorum(linked);
  const std::string what = election.live_leader() ? node.why_inactive() : why_no_leader();
  const std::string more = remark();
  return what + (more.empty() ? "" : "; " + more);
}

std::string ClusterNode::Parts::why_no_leader() const {
  if (election.lock().used()) return "no leader: " + election.lock().why_not();
  const Election::Told& told = election.told();
  if (told.leader == CTDB_UNKNOWN_PNN || !c.linked(told.by)) return "no leader: an election is under way";
  return "the cluster goes on without this node: the leader, node " + std::to_string(told.leader) +
         ", and this node cannot reach each other (node " + std::to_string(told.by) + " reaches both)";
}

ClusterState ClusterNode::Parts::view() const {
  ClusterState s;
  s.generation = member.serving() ? member.open_generation() : CTDB_INVALID_GENERATION;
  s.recovery_mode = member.open() ? CTDB_RECOVERY_NORMAL : CTDB_RECOVERY_ACTIVE;
  s.runstate = node.runstate();
  s.leader = election.leader();
  s.term = election.term();
  s.node_flags = election.leading() ? leader.node_flags() : heard_flags;
  s.node_flags.resize(c.lines(), CTDB_NODE_UNHEALTHY);
  for (uint32_t pnn = 0; pnn < c.lines(); ++pnn) {
    if (!c.known(pnn)) s.node_flags[pnn] = CTDB_NODE_DELETED | CTDB_NODE_DISCONNECTED;
  }
  s.node_flags[c.pnn()] = node.flags();
  s.members = member.open_members();
  // A witness is never in an open generation; it shows the one it votes in.
  if (node.witness() && election.live_leader()) s.members = c.durable.decided_members;
  s.reason = reason();
  s.voters = c.voters.numbers();
  return s;
}

void ClusterNode::Parts::publish() {
  if (!c.router_up) return;
  // What the router knows from the last life is true as long as the store has not said otherwise.
  if (!have_published && member.asks()) return;
  ClusterState now = view();
  c.stamp = now.generation;
  Bytes encoded = now.encode();
  if (have_published && encoded == published_bytes) return;
  published = std::move(now);
  published_bytes = std::move(encoded);
  have_published = true;
  c.send(c.pnn(), Operation::CLUSTER_STATE, published_bytes);
}

// The answer to a heartbeat, and the same again unasked when something changed that the leader should know at
// once.
void ClusterNode::Parts::announce() {
  const uint32_t to = election.leader();
  const bool news = c.announce;
  c.announce = false;
  if (!news || to == CTDB_UNKNOWN_PNN || to == c.pnn() || !c.linked(to)) return;
  member.answered(last_sequence);
  c.send(to, Operation::HEARTBEAT_REPLY,
         member.reply(election.term(), last_sequence, node.flags(), node.capabilities()).encode());
}

void ClusterNode::Parts::after_event() {
  work();
  member.publish_lease();
  files.work(member.open());
  announce();
  publish();
}

// ---- the public face ----

ClusterNode::ClusterNode(RecoverydOptions options, Random& random, RecoverydOutput& output, ByteView durable,
                         TimeNs now)
    : parts_(std::make_unique<Parts>(std::move(options), random, output, durable, now)) {}
ClusterNode::~ClusterNode() = default;

void ClusterNode::on_router_up(TimeNs now) {
  parts_->c.now = now;
  parts_->c.router_up = true;
  parts_->c.router_up_at = now;
  parts_->member.on_router_up();
  parts_->have_published = false;
  parts_->after_event();
}

void ClusterNode::on_router_down(TimeNs now) {
  Parts& p = *parts_;
  p.c.now = now;
  p.c.router_up = p.first_router = false;
  for (Link& link : p.c.links) link.up = link.gone = false;
  p.member.on_router_down();
  p.files.on_router_down();
  p.election.resign();
  p.election.forget_leader();
  p.after_event();
}

void ClusterNode::on_packet(RecoverydLane lane, uint32_t endpoint, ByteView packet, TimeNs now) {
  Parts& p = *parts_;
  p.c.now = now;
  if (!p.c.router_up) return;
  p.c.packet = {p.c.pnn(), CTDB_BROADCAST_ALL};
  if (check_header(packet) != HeaderFault::kNone) return p.c.refuse("malformed");
  const Header header = read_header(packet);
  p.c.packet = {header.srcnode, header.operation};
  if (lane == RecoverydLane::kControl) {
    p.control_packet(header, packet);
  } else if (header.operation == static_cast<uint32_t>(Operation::REQ_CONTROL)) {
    p.controls.on_packet(endpoint, packet);
  } else if (header.operation == static_cast<uint32_t>(Operation::REQ_MESSAGE)) {
    p.message(packet);
  } else {
    p.c.refuse("no such packets come to recoveryd");
  }
  p.after_event();
}

void ClusterNode::on_lock(LockState state, const std::string& why, TimeNs now) {
  parts_->c.now = now;
  parts_->election.on_lock(state, why);
  parts_->after_event();
}

void ClusterNode::on_register(const RegisterAnswer& answer, TimeNs now) {
  Parts& p = *parts_;
  p.c.now = now;
  p.election.on_register(answer);
  if (p.was_leading && p.election.leading()) p.leader.on_registered();
  p.after_event();
}

void ClusterNode::tick(TimeNs now) {
  parts_->c.now = now;
  parts_->after_event();
}

TimeNs ClusterNode::next_deadline() const {
  const Parts& p = *parts_;
  TimeNs next = std::min({p.node.ban_until(), p.member.next_deadline(), p.files.next_deadline()});
  if (!p.c.router_up) return next;
  next = std::min(next, p.election.next_deadline());
  return p.election.leading() ? std::min(next, p.leader.next_deadline()) : next;
}

const ClusterState& ClusterNode::state() const {
  return parts_->published;
}
const RecoverydCounts& ClusterNode::counts() const {
  return parts_->c.counts;
}
QuorumView ClusterNode::quorum() const {
  const Context& c = parts_->c;
  return {c.voters.count(), c.linked_count(), c.voters.needed()};
}
bool ClusterNode::is_leader() const {
  return parts_->election.leading();
}
uint32_t ClusterNode::open_generation() const {
  return parts_->member.open() ? parts_->member.open_generation() : CTDB_INVALID_GENERATION;
}

}  // namespace ctdb
