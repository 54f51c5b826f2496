// SPDX-License-Identifier: GPL-3.0-or-later
// Where each packet goes: events in, dispatch by operation, links and daemons. Controls: router_controls.cc;
// messages, tunnels and node states: router_services.cc.
#include "ctdb-router/core/router.h"

#include <algorithm>

#include "libctdbipc/base/assert.h"
#include "libctdbipc/base/limits.h"
#include "libctdbipc/wire/error_texts.h"
#include "libctdbipc/wire/later_release.h"

namespace ctdb {
namespace {

// A router that is restarted is back sooner; a node of which this is not known after that counts as dead.
constexpr TimeNs kNodeAwaited = 2 * kSecond;

}  // namespace

Lane lane_of(uint32_t operation) {
  return operation >= 0x1000 && operation < 0x1040 ? Lane::kControl : Lane::kData;
}

Router::Router(RouterOptions options, RouterOutput& output)
    : pnn_(options.pnn),
      pid_(options.pid),
      out_(output),
      nodes_(std::move(options.nodes)),
      statistics_start_ns_(output.wall_clock_ns()) {
  CTDB_ASSERT(pnn_ < nodes_.size());
  tunables_.set("VacuumInterval", options.vacuum_interval);
  for (uint32_t pnn = 0; pnn < nodes_.size(); ++pnn) {
    peers_.push_back(nodes_[pnn].deleted || pnn == pnn_ ? NodeEntry() : NodeEntry(nodes_[pnn].text));
  }
}

void Router::on_client(uint32_t client, int32_t pid) {
  services_.add_client(client, pid);
}

void Router::on_client_gone(uint32_t client, TimeNs) {
  const std::vector<Services::Notify> notifies = services_.remove_client(client);
  traverses_.client_gone(client);
  life_questions_.client_gone(client);
  // Answers to its requests will find nobody; calls are not sent again.
  requests_.remove_client(client);
  echoes_.forget(client, 0);
  forget_editor(client, 0);
  Bytes packet;
  build_own(packet, {0, state_.generation, static_cast<uint32_t>(Operation::CLIENT_GONE), pnn_, pnn_, 0},
            ClientGone{client}.encode());
  if (store_up_) out_.to_store(0, packet);
  for (const Services::Notify& notify : notifies) {
    build(packet, {0, state_.generation, 0, CTDB_BROADCAST_CONNECTED, pnn_, 0},
          ReqMessage{notify.srvid, notify.data});
    route_message(packet, read_header(packet));
  }
}

void Router::on_client_packet(uint32_t client, MutableBytes packet, TimeNs now) {
  ++counts_.client_packets_in;
  const Header header = read_header(packet);
  set_srcnode(packet, pnn_);
  switch (static_cast<Operation>(header.operation)) {
    case Operation::REQ_CALL:
      ++counts_.client_req_call;
      return client_call(client, packet, header);
    case Operation::REQ_MESSAGE:
      ++counts_.client_req_message;
      return client_message(client, packet, header, now);
    case Operation::REQ_CONTROL:
      ++counts_.client_req_control;
      return client_control(client, packet, header, now);
    case Operation::REQ_TUNNEL:
      ++counts_.client_req_tunnel;
      return client_tunnel(client, packet, header);
    default:
      return bad_packet();  // clients may send nothing else (wire-protocol §1.4)
  }
}

void Router::on_calls_elsewhere(const CallCounts& counts) {
  counts_.client_packets_in += static_cast<uint64_t>(counts.calls) + counts.controls;
  counts_.client_req_call += static_cast<uint64_t>(counts.calls);
  counts_.client_req_control += counts.controls;
  counts_.client_packets_out += static_cast<uint64_t>(counts.replies);
}

// A call of a classic client: kept until answered, so that it can be put to a store that was restarted.
void Router::client_call(uint32_t client, MutableBytes packet, const Header& header) {
  if (!parse_req_call(packet)) return bad_packet();
  const Requests::Use use = requests_.of_client(client);
  const bool room =
      use.requests < kClientRequestsInFlightMax && use.bytes + packet.size() <= kClientSendQueueBytesMax;
  const uint32_t reqid = room ? requests_.add({client, 0, header.reqid, false}, Asked::kStore, 0, kNever) : 0;
  if (reqid == 0) {
    build(built_, {0, state_.generation, 0, 0, pnn_, header.reqid}, ReplyCall{-1, {}});
    ++counts_.client_packets_out;
    return out_.to_client(client, built_);
  }
  set_reqid(packet, reqid);
  set_destnode(packet, pnn_);
  Request* request = requests_.find(reqid);
  request->is_call = true;
  requests_.keep(*request, packet);
  if (store_up_) out_.to_store(client, packet);
}

void Router::resend_calls() {
  requests_.for_each([&](uint32_t, Request& request) {
    if (request.is_call) out_.to_store(request.origin.client, request.packet);
  });
}

void Router::on_daemon(Server from, bool up, uint64_t instance, TimeNs now) {
  if (from == Server::store) {
    store_up_ = up;
    store_instance_ = instance;
    if (up) {
      tell_store_tunables();
      resend_calls();
    } else {
      fail_traverses();
      fail_requests(Asked::kStore, 0, kStoreNotRunning);
    }
    tell_daemon_state();
  } else {
    recoveryd_up_ = up;
    if (up) {
      tell_recoveryd_nodes();
      tell_recoveryd_what_it_said();
      tell_recoveryd_ban(now);
      tell_recoveryd_links();
      tell_daemon_state();
    } else {
      fail_requests(Asked::kRecoveryd, 0, "ctdb-recoveryd is not running");
    }
  }
}

void Router::on_daemon_packet(Server from, uint32_t endpoint, MutableBytes packet, TimeNs now) {
  if (check_header(packet) != HeaderFault::kNone) return bad_packet();
  const Header header = read_header(packet);
  switch (static_cast<Operation>(header.operation)) {
    case Operation::REPLY_CONTROL:
      return daemon_reply(from, endpoint, packet, header);
    case Operation::REQ_CONTROL:
      return daemon_control(packet, header, now);
    case Operation::REQ_MESSAGE:
      if (endpoint == 0) {
        route_message(packet, header);
        return;
      }
      if (from == Server::store) traverses_.on_message(endpoint, packet);
      ++counts_.client_packets_out;
      return out_.to_client(endpoint, packet);
    case Operation::CLUSTER_STATE:
      return from == Server::recoveryd ? take_cluster_state(packet) : bad_packet();
    case Operation::CUT_CLIENTS:
      return from == Server::recoveryd ? out_.close_classic_clients() : bad_packet();
    case Operation::REPLY_CALL:
      if (endpoint != 0) return daemon_reply(from, endpoint, packet, header);
      return route_own(packet, header);
    default:
      return endpoint == 0 ? route_own(packet, header) : bad_packet();
  }
}

// Record packets and own operations of a daemon: to the daemon they belong to here, or over the link.
void Router::route_own(MutableBytes packet, const Header& header) {
  const OperationRow* row = find_operation(header.operation);
  if (row == nullptr) return bad_packet();
  if (header.destnode == pnn_) {
    if (row->server == Server::store) {
      out_.to_store(0, packet);
    } else if (row->server == Server::recoveryd) {
      out_.to_recoveryd(lane_of(header.operation), 0, packet);
    } else {
      bad_packet();
    }
    return;
  }
  if (known_node(header.destnode) && send_to_link(header.destnode, lane_of(header.operation), packet)) return;
  ++counts_.undeliverable;
  // The store keeps its call for the next generation. A call that it only passed on is its sender's affair.
  if (header.operation == static_cast<uint32_t>(Operation::REQ_CALL) && header.srcnode == pnn_) {
    build(built_, {0, header.generation, 0, pnn_, header.destnode, header.reqid},
          ReplyErrorPacket{-1, "node is disconnected"});
    out_.to_store(0, built_);
  }
}

// The store's or recoveryd's own controls (attach and traverse broadcasts): never with a reply.
void Router::daemon_control(MutableBytes packet, const Header& header, TimeNs now) {
  const std::optional<ReqControl> control = parse_req_control(packet);
  if (!control || (control->flags & CTDB_CONTROL_NOREPLY) == 0) return bad_packet();
  const Origin origin{0, pnn_, header.reqid, true};
  if (header.destnode == pnn_ || header.destnode == CTDB_CURRENT_NODE) {
    return serve_control(origin, packet, *control, now);
  }
  if (header.destnode >= CTDB_BROADCAST_ALL && header.destnode <= CTDB_BROADCAST_CONNECTED) {
    return broadcast_control(origin, packet, *control, header.destnode, now);
  }
  relay_control(origin, header.destnode, packet, now);
}

void Router::daemon_reply(Server from, uint32_t endpoint, MutableBytes packet, const Header& header) {
  Request* request = requests_.find(header.reqid);
  const Asked expected = from == Server::store ? Asked::kStore : Asked::kRecoveryd;
  // Not found: the client is gone, or the control was answered with a time-out.
  if (request == nullptr || request->asked != expected || request->origin.client != endpoint) return;
  if (!traverses_.empty()) {
    const std::optional<ReplyControl> answer =
        header.operation == static_cast<uint32_t>(Operation::REPLY_CONTROL) ? parse_reply_control(packet)
                                                                            : std::nullopt;
    if (answer) traverses_.answered(header.reqid, answer->status);
  }
  finish(header.reqid, *request, packet);
}

// Sends an answer to whoever asked and forgets the request.
void Router::finish(uint32_t reqid, Request& request, MutableBytes packet) {
  const Origin origin = request.origin;
  requests_.remove(reqid);
  set_reqid(packet, origin.reqid);
  set_srcnode(packet, pnn_);
  if (origin.client != 0) {
    set_destnode(packet, 0);
    ++counts_.client_packets_out;
    return out_.to_client(origin.client, packet);
  }
  set_destnode(packet, origin.node);
  send_to_link(origin.node, Lane::kData, packet);
}

// Clients may send exact lengths; what a daemon sends on is a multiple of 8 (wire-protocol §1.2, §1.3).
MutableBytes Router::whole(MutableBytes packet) {
  if (packet.size() % 8 == 0) return packet;
  padded_.assign(packet.begin(), packet.end());
  padded_.resize((packet.size() + 7) & ~size_t{7});
  store(padded_.data() + CTDB_OFF_LENGTH, static_cast<uint32_t>(padded_.size()));
  return padded_;
}

bool Router::send_to_link(uint32_t pnn, Lane lane, MutableBytes packet) {
  if (!nodes_[pnn].linked) return false;
  packet = whole(packet);
  // A redirected call keeps the node that first asked as its source.
  if (load<uint32_t>(packet.data() + CTDB_OFF_OPERATION) != static_cast<uint32_t>(Operation::REQ_CALL)) {
    set_srcnode(packet, pnn_);
  }
  if (!out_.to_link(pnn, lane, packet)) return false;
  ++counts_.node_packets_out;
  return true;
}

void Router::on_link(uint32_t pnn, bool up, uint64_t session, TimeNs now) {
  CTDB_ASSERT(pnn < nodes_.size());
  if (nodes_[pnn].linked && !up) nodes_[pnn].awaited_until = now + kNodeAwaited;
  nodes_[pnn].linked = up;
  nodes_[pnn].session = session;
  if (!up) {
    fail_requests(Asked::kNode, pnn, "node is disconnected");
    echoes_.forget(0, pnn);
    forget_editor(0, pnn);
  }
  if (up) ask_again(pnn, now);
  tell_link_state(pnn);
}

void Router::on_gone(uint32_t pnn) {
  CTDB_ASSERT(pnn < nodes_.size());
  if (nodes_[pnn].linked) return;
  ask_again(pnn, 0);
  tell_link_state(pnn, true);
}

bool Router::link_source_ok(uint32_t pnn, ByteView packet, const Header& header) const {
  return source_fits(packet, header, pnn, pnn_) && known_node(header.srcnode);
}

void Router::on_link_renewed(uint32_t pnn, uint64_t session) {
  CTDB_ASSERT(pnn < nodes_.size());
  if (!nodes_[pnn].linked) return;
  nodes_[pnn].session = session;
  tell_link_state(pnn);
}

bool Router::on_link_packet(uint32_t pnn, MutableBytes packet, TimeNs now) {
  const Header header = read_header(packet);
  ++counts_.node_packets_in;
  if (!link_source_ok(pnn, packet, header)) {
    bad_packet();
    return false;
  }
  if (header.operation <= 10) ++counts_.node_operations[header.operation];
  switch (static_cast<Operation>(header.operation)) {
    case Operation::REQ_CONTROL: {
      const std::optional<ReqControl> control = parse_req_control(packet);
      if (!control) return bad_packet(), false;
      const bool noreply = (control->flags & CTDB_CONTROL_NOREPLY) != 0;
      serve_control({0, pnn, header.reqid, noreply}, packet, *control, now);
      return true;
    }
    case Operation::REPLY_CONTROL: {
      Request* request = requests_.find(header.reqid);
      if (!parse_reply_control(packet)) return bad_packet(), false;
      if (request != nullptr && request->asked == Asked::kNode && request->node == pnn) {
        finish(header.reqid, *request, packet);
      }
      return true;
    }
    case Operation::REQ_MESSAGE: {
      const std::optional<ReqMessage> message = parse_req_message(packet);
      if (!message) return bad_packet(), false;
      deliver_message(packet, message->srvid);
      return true;
    }
    case Operation::REQ_TUNNEL: {
      const std::optional<ReqTunnel> tunnel = parse_req_tunnel(packet);
      if (!tunnel) return bad_packet(), false;
      deliver_tunnel(packet, tunnel->tunnel_id);
      return true;
    }
    default:
      return link_own(packet, header);
  }
}

// Only what daemons of other nodes may say to daemons of this one.
bool Router::link_own(MutableBytes packet, const Header& header) {
  switch (static_cast<Operation>(header.operation)) {
    case Operation::REQ_CALL:
    case Operation::REPLY_CALL:
    case Operation::REQ_DMASTER:
    case Operation::REPLY_DMASTER:
    case Operation::REPLY_ERROR:
    case Operation::RECORD_DATABASES:
    case Operation::RECORD_CLAIMS:
    case Operation::RECORD_CLAIMS_END:
    case Operation::RECORD_ASSIGN:
    case Operation::RECORD_ASSIGN_END:
    case Operation::RECORD_COPY:
    case Operation::RECORD_COPIED:
    case Operation::RECORD_FORGET:
    case Operation::RECORD_FORGOTTEN:
    case Operation::COMMIT_SUBMIT:
    case Operation::COMMIT_RESULT:
    case Operation::COMMIT_APPEND:
    case Operation::COMMIT_APPENDED:
    case Operation::COMMIT_APPLY:
    case Operation::COMMIT_APPLIED:
    case Operation::DATABASE_WANTED:
    case Operation::DATABASE_CONTENT:
      // Without a store they are lost; the recovery that its return causes sends calls again.
      if (!store_up_ || !out_.to_store(0, packet)) ++counts_.undeliverable;
      return true;
    case Operation::VOTE_REQUEST:
    case Operation::VOTE_REPLY:
    case Operation::HEARTBEAT:
    case Operation::HEARTBEAT_REPLY:
    case Operation::NODE_LIST:
    case Operation::RECOVERY_BEGIN:
    case Operation::RECOVERY_REPORT:
    case Operation::RECOVERY_COMMIT:
      if (!recoveryd_up_ || !out_.to_recoveryd(Lane::kControl, 0, packet)) ++counts_.undeliverable;
      return true;
    default:
      bad_packet();
      return is_of_later_release(header.operation);
  }
}

void Router::tick(TimeNs now) {
  while (const std::optional<Echoes::Echo> echo = echoes_.take(now)) reply(echo->origin, 0, echo->data);
  if (now >= next_leader_message_) {
    next_leader_message_ = services_.listeners(CTDB_SRVID_LEADER).empty() ? kNever : now + kSecond;
    send_leader_messages(true);
  }
  for (const LifeQuestions::Question& question : life_questions_.take_expired(now))
    reply(question.origin, -1, {}, "ctdb_control to disconnected node");
  if (now < next_timeout_scan_) return;
  next_timeout_scan_ = kNever;
  requests_.for_each([&](uint32_t reqid, Request& request) {
    if (request.deadline > now) {
      next_timeout_scan_ = std::min(next_timeout_scan_, request.deadline);
      return;
    }
    ++counts_.control_timeouts;
    const Origin origin = request.origin;
    const int32_t lost_status = request.lost_status;
    requests_.remove(reqid);
    reply(origin, lost_status, {}, "ctdb_control timed out");
  });
}

TimeNs Router::next_deadline() const {
  return std::min(
      {echoes_.next_deadline(), next_leader_message_, next_timeout_scan_, life_questions_.next_deadline()});
}

}  // namespace ctdb
