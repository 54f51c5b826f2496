// SPDX-License-Identifier: LGPL-3.0-or-later
// Controls, and sending in general.
#include "libctdbipc/client/client.h"

int ctdb_client::send_packet(Peer peer, ByteView packet) {
  if (link.local()) return no_daemons();
  switch (link.send(peer, packet)) {
    case ctdb::PushResult::kOk:
      link.flush();
      return 0;
    case ctdb::PushResult::kFull:
      return fail(CTDB_ERR_FULL, "the daemon does not keep up");
    case ctdb::PushResult::kTooBig:
      return fail(CTDB_ERR_TOO_BIG, "the packet does not fit the ring");
    case ctdb::PushResult::kDead:
      break;
  }
  lose(std::string("a daemon broke its ring: ") + link.fault());
  settle();
  return CTDB_ERR_DISCONNECTED;
}

int ctdb_client::send_control(Request* request, uint32_t node, uint32_t opcode, uint64_t srvid,
                              uint32_t flags, ByteView data) {
  if (data.size() > CTDB_PAYLOAD_BYTES_MAX) return fail(CTDB_ERR_TOO_BIG, "the payload is too big");
  ctdb::Header header;
  header.destnode = node;
  header.srcnode = link.pnn();
  header.reqid = request == nullptr ? 0 : request->id;
  Bytes& packet = request == nullptr ? out : request->packet;
  ctdb::build(packet, header, ctdb::ReqControl{opcode, srvid, 0, flags, data});
  if (request != nullptr) request->sent_at = link.router_position();
  const int error = send_packet(Peer::kRouter, packet);
  if (error == 0) ++stats.controls;
  return error;
}

namespace ctdb {

namespace {

int control_and_wait(ctdb_client& client, const ctdb_control_request& control, const Deadline& deadline,
                     Waiter& waiter) {
  if (const int error = client.may_wait(); error != 0) return error;
  int error = 0;
  Request* request = client.add_waiting(waiter, &error);
  if (request == nullptr) return error;
  const uint32_t id = request->id;
  error = client.send_control(request, control.node, control.opcode, control.srvid, control.flags,
                              view(control.data));
  if (error != 0) return client.give_up(id, error);
  return client.wait_for(id, waiter, Peer::kRouter, deadline);
}

bool is_group(uint32_t node) {
  return node > CTDB_PNN_CURRENT && node != CTDB_UNKNOWN_PNN;
}

int check_control(ctdb_client* client, const ctdb_control_request* request) {
  if (const int error = check_connected(client); error != 0) return error;
  if (request == nullptr || !valid(request->data)) return CTDB_ERR_INVALID;
  const bool noreply = (request->flags & CTDB_CONTROL_FLAG_NOREPLY) != 0;
  return is_group(request->node) && !noreply ? CTDB_ERR_INVALID : 0;
}

}  // namespace

int blocking_control(ctdb_client& client, uint32_t node, Control opcode, uint64_t srvid, ByteView data,
                     const Deadline& deadline) {
  Waiter waiter;
  const ctdb_control_request control{node, static_cast<uint32_t>(opcode), srvid, 0, blob(data)};
  const int error = control_and_wait(client, control, deadline, waiter);
  if (error == 0 && waiter.status < 0) return client.fail(CTDB_ERR_REMOTE, client.answer_text);
  return error;
}

}  // namespace ctdb

extern "C" {

int ctdb_control_send(ctdb_client* client, const ctdb_control_request* control, ctdb_reply_fn done,
                      void* private_data, uint32_t* id) {
  return ctdb::guarded([&]() -> int {
    if (const int error = ctdb::check_control(client, control); error != 0) return error;
    const bool noreply = (control->flags & CTDB_CONTROL_FLAG_NOREPLY) != 0;
    if (noreply != (done == nullptr)) return CTDB_ERR_INVALID;
    ctdb::Request* request = nullptr;
    int error = 0;
    if (!noreply) {
      request = client->add_request(&error);
      if (request == nullptr) return error;
      request->step = ctdb_client::answer_user;
      request->user = reinterpret_cast<void (*)()>(done);
      request->user_data = private_data;
    }
    const uint32_t new_id = request == nullptr ? 0 : request->id;
    error = client->send_control(request, control->node, control->opcode, control->srvid, control->flags,
                                 ctdb::view(control->data));
    if (error != 0) return client->give_up(new_id, error);
    if (id != nullptr) *id = new_id;
    return 0;
  });
}

int ctdb_control(ctdb_client* client, const ctdb_control_request* control, int timeout_ms,
                 ctdb_reply* reply) {
  return ctdb::guarded([&]() -> int {
    if (const int error = ctdb::check_control(client, control); error != 0) return error;
    if (reply == nullptr || timeout_ms < -1) return CTDB_ERR_INVALID;
    if ((control->flags & CTDB_CONTROL_FLAG_NOREPLY) != 0) {
      *reply = {0, 0, {nullptr, 0}, ""};
      return ctdb_control_send(client, control, nullptr, nullptr, nullptr);
    }
    ctdb::Waiter waiter;
    const int error = ctdb::control_and_wait(*client, *control, ctdb::Deadline(timeout_ms), waiter);
    if (error == 0) *reply = client->last_reply(waiter);
    return error;
  });
}

int ctdb_ping(ctdb_client* client, uint32_t pnn, int timeout_ms) {
  return ctdb::guarded([&]() -> int {
    if (const int error = ctdb::check_connected(client); error != 0) return error;
    if (timeout_ms < -1 || ctdb::is_group(pnn)) return CTDB_ERR_INVALID;
    return ctdb::blocking_control(*client, pnn, ctdb::Control::PING, 0, {}, ctdb::Deadline(timeout_ms));
  });
}

}  // extern "C"
