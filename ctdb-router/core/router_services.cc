// SPDX-License-Identifier: GPL-3.0-or-later
// The router's messages, tunnels and what it knows and tells of nodes.
#include <algorithm>
#include <utility>

#include "ctdb-router/core/router.h"

namespace ctdb {
namespace {

// Messages of this range are for recovery daemons (wire-protocol §10); LEADER is made by the router itself.
bool for_recoveryd(uint64_t srvid) {
  const uint64_t top = srvid >> 56;
  return top >= 0xF0 && top <= 0xFC && srvid != CTDB_SRVID_LEADER;
}

// Records for a database that the ctdb tool restores (`restoredb`).
bool for_store(uint64_t srvid) {
  return srvid >> 48 == 0xCE02;
}

// How often the log may say that messages of classic clients were lost.
constexpr TimeNs kFailureLineInterval = 10 * kSecond;

bool is_broadcast(uint32_t address) {
  return address >= CTDB_BROADCAST_ALL && address <= CTDB_BROADCAST_CONNECTED;
}

const char* fault_text(MessageFault fault) {
  switch (fault) {
    case MessageFault::kUnknownNode:
      return "there is no such node";
    case MessageFault::kNoLink:
      return "there is no link to it";
    case MessageFault::kLinkLost:
      return "the link ended while it waited";
    case MessageFault::kNobody:
      return "nobody is registered for it";
    case MessageFault::kNone:
      break;
  }
  return "";
}

}  // namespace

// Sending costs nothing but a number: only a failure is answered.
void Router::client_message(uint32_t client, MutableBytes packet, const Header& header, TimeNs now) {
  const MessageSender sender{client, header.reqid};
  const bool travels = header.destnode < CTDB_CURRENT_NODE && header.destnode != pnn_;
  set_reqid(packet, travels ? sent_messages_.add(sender) : 0);
  const MessageFault fault = route_message(packet, header);
  if (fault == MessageFault::kNone) return;
  report_failure(sender, {fault, header.destnode, parse_req_message(packet)->srvid}, now);
}

void Router::on_packet_lost(uint32_t pnn, ByteView packet, TimeNs now) {
  const Header header = read_header(packet);
  if (header.operation != static_cast<uint32_t>(Operation::REQ_MESSAGE)) return;
  ++counts_.undeliverable;
  const std::optional<ReqMessage> message = parse_req_message(packet);
  const std::optional<MessageSender> sender = sent_messages_.find(header.reqid);
  if (message && sender) report_failure(*sender, {MessageFault::kLinkLost, pnn, message->srvid}, now);
}

// Classic clients know no failure report (wire-protocol §4.6); for theirs there is a line in the log now and then. That
// nobody on this node listens is nothing unusual among them.
void Router::report_failure(const MessageSender& sender, const MessageFailed& failure, TimeNs now) {
  build_own(built_,
            {0, state_.generation, static_cast<uint32_t>(Operation::MESSAGE_FAILED), 0, pnn_, sender.tag},
            failure.encode());
  if (out_.to_native_client(sender.client, built_)) {
    ++counts_.client_packets_out;
    return;
  }
  if (failure.reason == MessageFault::kNobody) return;
  ++failures_unlogged_;
  if (now < next_failure_line_) return;
  next_failure_line_ = now + kFailureLineInterval;
  out_.log(std::to_string(std::exchange(failures_unlogged_, 0)) + " message(s) lost, the last from client " +
           std::to_string(sender.client) + " to node " + std::to_string(failure.node) + ": " +
           fault_text(failure.reason));
}

MessageFault Router::message_to_node(uint32_t pnn, MutableBytes packet) {
  if (known_node(pnn) && send_to_link(pnn, Lane::kData, packet)) return MessageFault::kNone;
  ++counts_.undeliverable;
  return known_node(pnn) ? MessageFault::kNoLink : MessageFault::kUnknownNode;
}

MessageFault Router::route_message(MutableBytes packet, const Header& header) {
  const std::optional<ReqMessage> message = parse_req_message(packet);
  if (!message) {
    bad_packet();
    return MessageFault::kNone;
  }
  set_generation(packet, state_.generation);
  if (header.destnode == CTDB_CURRENT_NODE || header.destnode == pnn_)
    return deliver_message(packet, message->srvid) ? MessageFault::kNone : MessageFault::kNobody;
  if (!is_broadcast(header.destnode)) return message_to_node(header.destnode, packet);
  const std::vector<uint32_t>& targets = broadcast_targets(header.destnode);
  bool here = false;
  for (uint32_t pnn : targets) {
    if (pnn == pnn_) {
      here = true;
      continue;
    }
    set_destnode(packet, pnn);
    if (!send_to_link(pnn, Lane::kData, packet)) ++counts_.undeliverable;
  }
  if (!here) return MessageFault::kNone;
  set_destnode(packet, pnn_);
  deliver_message(packet, message->srvid);
  return MessageFault::kNone;
}

// One copy per registration, the catch-all included. The origin is not visible to clients (wire-protocol §4.6).
bool Router::deliver_message(MutableBytes packet, uint64_t srvid) {
  packet = whole(packet);
  bool wanted = for_recoveryd(srvid) && recoveryd_up_ && out_.to_recoveryd(Lane::kData, 0, packet);
  if (for_store(srvid) && store_up_) wanted = out_.to_store(0, packet) || wanted;
  set_srcnode(packet, pnn_);
  set_destnode(packet, 0);
  set_reqid(packet, 0);
  for (uint64_t id : {srvid, static_cast<uint64_t>(CTDB_SRVID_ALL)}) {
    for (uint32_t client : services_.listeners(id)) {
      ++counts_.client_packets_out;
      out_.to_client(client, packet);
      wanted = true;
    }
    if (srvid == CTDB_SRVID_ALL) break;
  }
  return wanted;
}

void Router::client_tunnel(uint32_t client, MutableBytes packet, const Header& header) {
  const std::optional<ReqTunnel> tunnel = parse_req_tunnel(packet);
  // The id must be registered here too, and only real nodes are addresses (wire-protocol §4.10).
  if (!tunnel || services_.tunnel_owner(tunnel->tunnel_id) == 0 || !services_.has_client(client))
    return bad_packet();
  set_generation(packet, state_.generation);
  if (header.destnode == pnn_) return deliver_tunnel(packet, tunnel->tunnel_id);
  if (!known_node(header.destnode) || !send_to_link(header.destnode, Lane::kData, packet))
    ++counts_.undeliverable;
}

void Router::deliver_tunnel(MutableBytes packet, uint64_t id) {
  const uint32_t client = services_.tunnel_owner(id);
  if (client == 0) {
    ++counts_.undeliverable;
    return;
  }
  packet = whole(packet);
  set_srcnode(packet, pnn_);
  set_destnode(packet, 0);
  set_reqid(packet, 0);
  ++counts_.client_packets_out;
  out_.to_client(client, packet);
}

// The store is gone, and with it the rest of their records.
void Router::fail_traverses() {
  for (const RunningTraverse& traverse : traverses_.take_accepted()) {
    for (const Bytes& element : failed_traverse_elements(traverse.reqid)) {
      build(built_, {0, state_.generation, 0, 0, pnn_, 0}, ReqMessage{traverse.srvid, element});
      ++counts_.client_packets_out;
      out_.to_client(traverse.client, built_);
    }
  }
}

// The leader is announced on this node only, by this node's router: to a new listener at once, to all when it
// changes, and once a second as clients expect (wire-protocol §10).
void Router::restore_client(uint32_t client, ByteView registrations,
                            std::span<const UnansweredControl> unanswered, TimeNs now) {
  services_.restore(client, registrations);
  const bool awaits_leader = !services_.listeners(CTDB_SRVID_LEADER).empty();
  if (awaits_leader && next_leader_message_ == kNever) next_leader_message_ = now + kSecond;
  for (const UnansweredControl& control : unanswered) {
    reply({client, 0, control.reqid, false}, control.lost_status, {},
          "ctdb-router was restarted before it answered");
  }
}

void Router::send_leader_messages(bool only_new_leader_known) {
  if (only_new_leader_known && state_.leader == CTDB_UNKNOWN_PNN) return;
  const std::vector<uint32_t> listeners = services_.listeners(CTDB_SRVID_LEADER);
  for (uint32_t client : listeners) send_leader_message(client);
}

void Router::send_leader_message(uint32_t client) {
  uint8_t data[4];
  store(data, state_.leader);
  build(built_, {0, state_.generation, 0, 0, pnn_, 0}, ReqMessage{CTDB_SRVID_LEADER, data});
  ++counts_.client_packets_out;
  out_.to_client(client, built_);
}

uint32_t Router::flags_of(uint32_t pnn) const {
  if (nodes_[pnn].deleted) return CTDB_NODE_DELETED | CTDB_NODE_DISCONNECTED;
  uint32_t flags = CTDB_NODE_UNHEALTHY;
  // Links and the nodes file are this router's own knowledge.
  constexpr uint32_t kOwn = CTDB_NODE_DISCONNECTED | CTDB_NODE_DELETED;
  if (have_state_ && pnn < state_.node_flags.size()) flags = state_.node_flags[pnn] & ~kOwn;
  if (nodes_[pnn].witness) flags = CTDB_NODE_WITNESS | CTDB_NODE_STOPPED;
  if (pnn != pnn_ && !nodes_[pnn].linked) flags |= CTDB_NODE_DISCONNECTED | CTDB_NODE_UNHEALTHY;
  return flags;
}

const std::vector<uint32_t>& Router::broadcast_targets(uint32_t address) {
  targets_.clear();
  if (!is_broadcast(address)) return targets_;
  for (uint32_t pnn = 0; pnn < nodes_.size(); ++pnn) {
    const uint32_t flags = flags_of(pnn);
    if ((flags & CTDB_NODE_DELETED) != 0) continue;
    if (address == CTDB_BROADCAST_ACTIVE && (flags & CTDB_NODE_INACTIVE) != 0) continue;
    if (address == CTDB_BROADCAST_CONNECTED && (flags & CTDB_NODE_DISCONNECTED) != 0) continue;
    targets_.push_back(pnn);
  }
  return targets_;
}

void Router::take_cluster_state(MutableBytes packet) {
  std::optional<ClusterState> state = ClusterState::decode(own_payload(packet));
  if (!state) return bad_packet();
  const uint32_t old_leader = state_.leader;
  state_ = std::move(*state);
  have_state_ = true;
  set_peers();
  const bool member = std::binary_search(state_.members.begin(), state_.members.end(), pnn_);
  if (member && state_.recovery_mode == CTDB_RECOVERY_NORMAL) open_generation_ = state_.generation;
  if (state_.leader != old_leader) send_leader_messages(false);
}

// That a node is gone is told when it is seen, never again: a recoveryd that starts later cannot know what has happened
// since.
void Router::tell_link_state(uint32_t pnn, bool gone) {
  if (!recoveryd_up_) return;
  build_own(built_, {0, state_.generation, static_cast<uint32_t>(Operation::LINK_STATE), pnn_, pnn_, 0},
            LinkState{pnn, nodes_[pnn].linked, nodes_[pnn].session, gone}.encode());
  out_.to_recoveryd(Lane::kControl, 0, built_);
}

// The last one: it is not asked for what it knows itself, but for what an operator has set there.
void Router::tell_recoveryd_what_it_said() {
  if (!have_state_) return;
  build_own(built_, {0, state_.generation, static_cast<uint32_t>(Operation::CLUSTER_STATE), pnn_, pnn_, 0},
            state_.encode());
  out_.to_recoveryd(Lane::kControl, 0, built_);
}

void Router::tell_recoveryd_links() {
  for (uint32_t pnn = 0; pnn < nodes_.size(); ++pnn) {
    if (pnn != pnn_ && known_node(pnn)) tell_link_state(pnn);
  }
}

void Router::tell_store_tunables() {
  if (!store_up_) return;
  build_own(built_, {0, state_.generation, static_cast<uint32_t>(Operation::TUNABLES), pnn_, pnn_, 0},
            TunablesMessage{tunables_.all()}.encode());
  out_.to_store(0, built_);
}

void Router::tell_daemon_state() {
  if (!recoveryd_up_) return;
  build_own(built_, {0, state_.generation, static_cast<uint32_t>(Operation::DAEMON_STATE), pnn_, pnn_, 0},
            DaemonState{DaemonRole::kStore, store_up_, store_instance_}.encode());
  out_.to_recoveryd(Lane::kControl, 0, built_);
}

}  // namespace ctdb
