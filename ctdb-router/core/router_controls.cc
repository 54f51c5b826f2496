// SPDX-License-Identifier: GPL-3.0-or-later
// Controls on their way: who serves them, who gets the answer, what happens when nobody can.
#include <algorithm>

#include "ctdb-router/core/local_controls.h"
#include "ctdb-router/core/router.h"
#include "libctdbipc/base/limits.h"
#include "libctdbipc/wire/commit_messages.h"
#include "libctdbipc/wire/error_texts.h"

namespace ctdb {
namespace {

// A local daemon may park an attach for DeferredAttachTO (120 s); longer than that it is taken to hang.
constexpr TimeNs kLocalDaemonTimeout = 150 * kSecond;
constexpr size_t kBanBytes = 8;  // node, seconds

}  // namespace

int32_t lost_status_of(uint32_t opcode) {
  return opcode == static_cast<uint32_t>(Control::TRANS3_COMMIT) ? kCommitUnknown : -1;
}

TimeNs Router::control_deadline(TimeNs now) const {
  return now + static_cast<TimeNs>(tunables_.get(Tunable::ControlTimeout)) * kSecond;
}

void Router::client_control(uint32_t client, MutableBytes packet, const Header& header, TimeNs now) {
  const std::optional<ReqControl> control = parse_req_control(packet);
  if (!control) return bad_packet();
  const Origin origin{client, 0, header.reqid, (control->flags & CTDB_CONTROL_NOREPLY) != 0};
  store(packet.data() + 48, client);  // client_id: whatever the client wrote is replaced (wire-protocol §4.7)
  if (!origin.noreply && requests_.of_client(client).requests >= kClientRequestsInFlightMax) {
    return reply(origin, -1, {}, "too many requests in flight on this connection");
  }
  if (header.destnode == CTDB_CURRENT_NODE || header.destnode == pnn_) {
    return serve_control(origin, packet, *control, now);
  }
  if (header.destnode >= CTDB_BROADCAST_ALL && header.destnode <= CTDB_BROADCAST_CONNECTED) {
    // The classic daemon leaves such a client waiting for ever.
    if (!origin.noreply) return reply(origin, -1, {}, "a broadcast control must carry NOREPLY");
    return broadcast_control(origin, packet, *control, header.destnode, now);
  }
  relay_control(origin, header.destnode, packet, now);
}

// This node last: serving a control may change the packet.
void Router::broadcast_control(const Origin& origin, MutableBytes packet, const ReqControl& control,
                               uint32_t address, TimeNs now) {
  bool here = false;
  for (uint32_t pnn : broadcast_targets(address)) {
    if (pnn == pnn_) {
      here = true;
    } else {
      relay_control(origin, pnn, packet, now);
    }
  }
  if (here) serve_control(origin, packet, control, now);
}

bool Router::waits_for_life(const Origin& origin, uint32_t pnn, ByteView packet, TimeNs now) {
  if (origin.noreply || pnn >= nodes_.size() || now >= nodes_[pnn].awaited_until) return false;
  const std::optional<ReqControl> control = parse_req_control(packet);
  return control && LifeQuestions::is_one(*control) &&
         life_questions_.add(origin, pnn, packet, nodes_[pnn].awaited_until);
}

// The node is linked, proved to be dead, or has all its clients.
void Router::ask_again(uint32_t pnn, TimeNs now) {
  nodes_[pnn].awaited_until = 0;
  for (LifeQuestions::Question& question : life_questions_.take(pnn)) {
    const std::optional<ReqControl> control = parse_req_control(question.packet);
    if (pnn == pnn_) {
      serve_control(question.origin, question.packet, *control, now);
    } else {
      relay_control(question.origin, pnn, question.packet, now);
    }
  }
}

void Router::relay_control(const Origin& origin, uint32_t pnn, MutableBytes packet, TimeNs now) {
  if (!known_node(pnn) || !nodes_[pnn].linked) {
    if (waits_for_life(origin, pnn, packet, now)) return;
    if (origin.noreply) ++counts_.undeliverable;
    return reply(origin, -1, {}, "ctdb_control to disconnected node");
  }
  uint32_t reqid = 0;
  if (!origin.noreply) {
    const TimeNs deadline = control_deadline(now);
    reqid = requests_.add(origin, Asked::kNode, pnn, deadline);
    if (reqid == 0) return reply(origin, -1, {}, "too many requests in flight on this node");
    next_timeout_scan_ = std::min(next_timeout_scan_, deadline);
    const std::optional<ReqControl> control = parse_req_control(packet);
    if (control && LifeQuestions::is_one(*control)) requests_.keep(*requests_.find(reqid), packet);
  }
  set_reqid(packet, reqid);
  set_destnode(packet, pnn);
  set_generation(packet, state_.generation);
  if (!send_to_link(pnn, Lane::kData, packet)) ++counts_.undeliverable;  // its on_link follows and answers
}

void Router::serve_control(const Origin& origin, MutableBytes packet, const ReqControl& control, TimeNs now) {
  const ControlRow* row = find_control(control.opcode);
  if (row == nullptr || row->server == Server::nobody) {
    return reply(origin, -1, {}, row == nullptr ? "unknown control" : "obsolete control");
  }
  if (row->reach == Reach::local_only && origin.client == 0) {
    return reply(origin, -1, {}, "this control acts on the calling client and works on the local node only");
  }
  if (waits_for_life(origin, pnn_, packet, now)) return;
  if (row->server != Server::router) return forward_control(origin, row->server, packet, control, now);
  LocalControls(*this).serve(origin, control, now);
}

void Router::forward_control(const Origin& origin, Server server, MutableBytes packet,
                             const ReqControl& control, TimeNs now) {
  const bool to_store = server == Server::store;
  if (!(to_store ? store_up_ : recoveryd_up_)) {
    if (origin.noreply) ++counts_.undeliverable;
    return reply(origin, -1, {}, to_store ? kStoreNotRunning : "ctdb-recoveryd is not running");
  }
  if (control.opcode == static_cast<uint32_t>(Control::SET_BAN_STATE)) note_ban(control, now);
  uint32_t reqid = 0;
  if (!origin.noreply) {
    const TimeNs deadline = now + kLocalDaemonTimeout;
    reqid = requests_.add(origin, to_store ? Asked::kStore : Asked::kRecoveryd, origin.node, deadline);
    if (reqid == 0) return reply(origin, -1, {}, "too many requests in flight on this node");
    requests_.find(reqid)->lost_status = lost_status_of(control.opcode);
    next_timeout_scan_ = std::min(next_timeout_scan_, deadline);
  }
  set_reqid(packet, reqid);
  set_destnode(packet, pnn_);
  if (to_store) {
    if (origin.client != 0) traverses_.asked(origin.client, reqid, control);
    out_.to_store(origin.client, packet);
  } else {
    out_.to_recoveryd(Lane::kData, origin.client, packet);
  }
}

void Router::note_ban(const ReqControl& control, TimeNs now) {
  if (control.data.size() != kBanBytes || load<uint32_t>(control.data.data()) != pnn_) return;
  ban_ends_ = now + load<uint32_t>(control.data.data() + 4) * kSecond;
}

// If the last one knew of it.
void Router::tell_recoveryd_ban(TimeNs now) {
  const bool banned = pnn_ < state_.node_flags.size() && (state_.node_flags[pnn_] & CTDB_NODE_BANNED) != 0;
  if (!banned || now >= ban_ends_) return;
  uint8_t data[kBanBytes];
  store(data, pnn_);
  store(data + 4, static_cast<uint32_t>((ban_ends_ - now + kSecond - 1) / kSecond));
  build(built_, {0, state_.generation, 0, pnn_, pnn_, 0},
        ReqControl{static_cast<uint32_t>(Control::SET_BAN_STATE), 0, 0, CTDB_CONTROL_NOREPLY, data});
  out_.to_recoveryd(Lane::kData, 0, built_);
}

void Router::reply(const Origin& origin, int32_t status, ByteView data, std::string_view error) {
  if (origin.noreply) return;
  build(built_, {0, state_.generation, 0, origin.client != 0 ? 0 : origin.node, pnn_, origin.reqid},
        ReplyControl{status, data, error});
  if (origin.client != 0) {
    ++counts_.client_packets_out;
    out_.to_client(origin.client, built_);
  } else if (known_node(origin.node)) {
    send_to_link(origin.node, Lane::kData, built_);
  }
}

// Answers every control that waits for somebody who is gone. Calls to the store stay: they are sent again.
void Router::fail_requests(Asked asked, uint32_t node, std::string_view error) {
  requests_.for_each([&](uint32_t reqid, Request& request) {
    const bool waits = request.asked == asked && (asked != Asked::kNode || request.node == node);
    const bool origin_gone =
        asked == Asked::kNode && request.origin.client == 0 && request.origin.node == node;
    if ((!waits && !origin_gone) || request.is_call) return;
    const Origin origin = request.origin;
    const int32_t lost_status = request.lost_status;
    const bool to_wait = waits && asked == Asked::kNode && !request.packet.empty() &&
                         life_questions_.add(origin, node, request.packet, nodes_[node].awaited_until);
    requests_.remove(reqid);
    if (waits && !to_wait) reply(origin, lost_status, {}, error);
  });
}

}  // namespace ctdb
