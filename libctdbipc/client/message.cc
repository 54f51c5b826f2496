// SPDX-License-Identifier: LGPL-3.0-or-later
// Messages: registrations with their handlers, and sending.
#include "libctdbipc/client/client.h"

namespace ctdb {
namespace {

// The router keeps several of one service apart, and each gets a copy of every message: one that it may have and nobody knows of must go.
void end_registration(ctdb_client& client, uint64_t srvid) {
  if (!client.link.up()) return;
  client.send_registration(Control::DEREGISTER_SRVID, srvid);
  client.link.flush();
}

// Ends ctdb_register_send(): a registration that failed leaves no handler.
void registered_step(ctdb_client& client, Request& request, const Answer& answer) {
  if (answer.error != 0 || answer.status != 0) client.handlers.erase(request.srvid);
  // Connected again before this is heard of: with the handlers it was registered once more.
  if (answer.error != 0) end_registration(client, request.srvid);
  ctdb_client::answer_user(client, request, answer);
}

int check_handler(ctdb_client* client, uint64_t srvid, ctdb_message_fn handler) {
  if (const int error = check_connected(client); error != 0) return error;
  if (handler == nullptr) return CTDB_ERR_INVALID;
  return client->handlers.count(srvid) != 0 ? CTDB_ERR_EXISTS : 0;
}

}  // namespace

int register_again(ctdb_client& client, const Deadline& deadline) {
  for (const auto& [srvid, handler] : client.handlers) {
    const int error =
        blocking_control(client, CTDB_PNN_CURRENT, Control::REGISTER_SRVID, srvid, {}, deadline);
    if (error != 0) return error;
  }
  return 0;
}

}  // namespace ctdb

extern "C" {

int ctdb_register(ctdb_client* client, uint64_t srvid, ctdb_message_fn handler, void* private_data,
                  int timeout_ms) {
  return ctdb::guarded([&]() -> int {
    if (const int error = ctdb::check_handler(client, srvid, handler); error != 0) return error;
    if (timeout_ms < -1) return CTDB_ERR_INVALID;
    client->handlers[srvid] = {handler, private_data};
    const int error = ctdb::blocking_control(*client, CTDB_PNN_CURRENT, ctdb::Control::REGISTER_SRVID, srvid,
                                             {}, ctdb::Deadline(timeout_ms));
    if (error != 0) client->handlers.erase(srvid);
    if (error == CTDB_ERR_TIMEOUT) ctdb::end_registration(*client, srvid);
    return error;
  });
}

int ctdb_register_send(ctdb_client* client, uint64_t srvid, ctdb_message_fn handler, void* private_data,
                       ctdb_reply_fn done, void* done_private_data, uint32_t* id) {
  return ctdb::guarded([&]() -> int {
    if (const int error = ctdb::check_handler(client, srvid, handler); error != 0) return error;
    int error = 0;
    ctdb::Request* request = client->add_request(&error);
    if (request == nullptr) return error;
    request->step = ctdb::registered_step;
    request->user = reinterpret_cast<void (*)()>(done);
    request->user_data = done_private_data;
    request->srvid = srvid;
    client->handlers[srvid] = {handler, private_data};
    const uint32_t new_id = request->id;
    error = client->send_control(request, CTDB_PNN_CURRENT,
                                 static_cast<uint32_t>(ctdb::Control::REGISTER_SRVID), srvid, 0, {});
    if (error != 0) {
      client->handlers.erase(srvid);
      return client->give_up(new_id, error);
    }
    if (id != nullptr) *id = new_id;
    return 0;
  });
}

int ctdb_deregister(ctdb_client* client, uint64_t srvid, int timeout_ms) {
  return ctdb::guarded([&]() -> int {
    if (const int error = ctdb::check(client); error != 0) return error;
    if (timeout_ms < -1) return CTDB_ERR_INVALID;
    if (client->handlers.erase(srvid) == 0) return CTDB_ERR_NOT_FOUND;
    if (const int error = ctdb::check_connected(client); error != 0) return error;
    const int error = ctdb::blocking_control(*client, CTDB_PNN_CURRENT, ctdb::Control::DEREGISTER_SRVID,
                                             srvid, {}, ctdb::Deadline(timeout_ms));
    if (error == CTDB_ERR_BUSY || error == CTDB_ERR_FULL) ctdb::end_registration(*client, srvid);
    return error;
  });
}

int ctdb_send_message(ctdb_client* client, uint32_t pnn, uint64_t srvid, ctdb_blob data) {
  return ctdb_send_message_tagged(client, pnn, srvid, data, 0);
}

int ctdb_send_message_tagged(ctdb_client* client, uint32_t pnn, uint64_t srvid, ctdb_blob data,
                             uint32_t tag) {
  return ctdb::guarded([&]() -> int {
    if (const int error = ctdb::check_connected(client); error != 0) return error;
    if (!ctdb::valid(data)) return CTDB_ERR_INVALID;
    if (data.size > CTDB_PAYLOAD_BYTES_MAX) return CTDB_ERR_TOO_BIG;
    ctdb::Header header;
    header.destnode = pnn;
    header.srcnode = client->link.pnn();
    header.reqid = tag;
    ctdb::build(client->out, header, ctdb::ReqMessage{srvid, ctdb::view(data)});
    const int error = client->send_packet(ctdb::Peer::kRouter, client->out);
    if (error == 0) ++client->stats.messages_out;
    return error;
  });
}

int ctdb_on_undelivered(ctdb_client* client, ctdb_undelivered_fn handler, void* private_data) {
  if (const int error = ctdb::check(client); error != 0) return error;
  client->undelivered = handler;
  client->undelivered_data = private_data;
  return 0;
}

const char* ctdb_undelivered_text(int reason) {
  switch (reason) {
    case CTDB_UNDELIVERED_NO_NODE:
      return "there is no such node";
    case CTDB_UNDELIVERED_NO_LINK:
      return "the node cannot be reached";
    case CTDB_UNDELIVERED_LINK_LOST:
      return "the link to the node ended while the message waited";
    case CTDB_UNDELIVERED_NOBODY:
      return "nobody on this node is registered for the service";
    default:
      return "unknown reason";
  }
}

}  // extern "C"
