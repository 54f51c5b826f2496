// SPDX-License-Identifier: LGPL-3.0-or-later
// Packets to requests and handlers: every packet that comes in passes receive(), during a blocking call
// receive_waiting(). The steps most requests end with are here too.
#include <algorithm>

#include "libctdbipc/client/client.h"
#include "libctdbipc/wire/own_messages.h"

namespace ctdb {
namespace {

// Messages and answers for others that may pile up while one call blocks (ctdb.h, Callbacks).
constexpr size_t kInboxPacketsMax = 65536;
constexpr size_t kInboxBytesMax = 256u << 20;

}  // namespace
}  // namespace ctdb

using ctdb::Answer;

// ---- requests ----

ctdb::Request* ctdb_client::add_request(int* error) {
  Request* request = requests.add();
  if (request == nullptr) *error = fail(CTDB_ERR_FULL, "too many requests under way");
  return request;
}

ctdb::Request* ctdb_client::add_waiting(ctdb::Waiter& waiter, int* error) {
  Request* request = add_request(error);
  if (request == nullptr) return nullptr;
  request->sync = true;
  request->step = answer_waiter;
  request->user_data = &waiter;
  return request;
}

int ctdb_client::give_up(uint32_t id, int error) {
  if (Request* request = requests.find(id)) withdraw(*request);
  return error;
}

void ctdb_client::make_ready(Request& request, int error) {
  request.state = Request::State::kReady;
  request.error = error;
  ready_.push_back(request.id);
}

void ctdb_client::park(Request& request) {
  request.state = Request::State::kParked;
  auto& waiting = request.db->file->waiting;
  if (std::find(waiting.begin(), waiting.end(), this) == waiting.end()) waiting.push_back(this);
}

void ctdb_client::wake_parked() {
  requests.for_each([this](Request& request) {
    if (request.state == Request::State::kParked) make_ready(request, 0);
  });
  if (!ready_.empty()) link.kick();
}

void ctdb_client::withdraw(Request& request) {
  ctdb_db* half_attached = request.db != nullptr && request.db->file == nullptr ? request.db : nullptr;
  ctdb_db* starting = ctdb::starts_transaction(request) ? request.db : nullptr;
  if (request.timed()) stop_timer(request);
  requests.release(request);
  if (half_attached != nullptr) ctdb::free_database(*this, half_attached);
  if (starting != nullptr) ctdb::forget_transaction(*starting);
}

void ctdb_client::answer_waiter(ctdb_client& client, Request& request, const Answer& answer) {
  auto* waiter = static_cast<ctdb::Waiter*>(request.user_data);
  waiter->error = answer.error;
  waiter->status = answer.status;
  client.answer_data.assign(answer.data.begin(), answer.data.end());
  client.answer_text.assign(answer.text);
  waiter->done = true;
  client.requests.release(request);
}

void ctdb_client::answer_user(ctdb_client& client, Request& request, const Answer& answer) {
  const auto user = reinterpret_cast<ctdb_reply_fn>(request.user);
  void* user_data = request.user_data;
  const std::string text(answer.text);
  client.requests.release(request);
  const ctdb_reply reply{answer.error, answer.status, ctdb::blob(answer.data), text.c_str()};
  if (user != nullptr) user(&client, &reply, user_data);
}

ctdb_reply ctdb_client::last_reply(const ctdb::Waiter& waiter) const {
  return {0, waiter.status, ctdb::blob(answer_data), answer_text.c_str()};
}

// ---- what comes in ----

void ctdb_client::receive_answer(const ctdb::Header& header, ByteView packet) {
  Request* request = requests.find(header.reqid);
  if (request == nullptr || request->state != Request::State::kSent) {
    ++stats.stale;
    return;
  }
  Answer answer;
  bool good = false;
  switch (static_cast<ctdb::Operation>(header.operation)) {
    case ctdb::Operation::REPLY_CONTROL:
      if (const auto reply = ctdb::parse_reply_control(packet)) {
        answer = {0, reply->status, reply->data, reply->error};
        good = request->peer == Peer::kRouter;
      }
      break;
    case ctdb::Operation::REPLY_CALL:
      if (const auto reply = ctdb::parse_reply_call(packet)) {
        answer = {0, reply->status, reply->data, {}};
        good = request->peer == Peer::kStore;
        if (request->once) answer = ctdb::answer_of_function(*this, answer);
      }
      break;
    default:  // REPLY_ERROR
      if (const auto reply = ctdb::parse_reply_error(packet)) {
        answer = {0, reply->status == 0 ? -1 : reply->status, {}, reply->text};
        good = true;
      }
  }
  if (!good) {
    ++stats.malformed;
    error_text = "a daemon's answer is malformed";
    answer = {CTDB_ERR_PROTOCOL, 0, {}, {}};
  }
  request->step(*this, *request, answer);
}

void ctdb_client::receive_message(ByteView packet) {
  const auto message = ctdb::parse_req_message(packet);
  if (!message) {
    ++stats.malformed;
    return;
  }
  auto found = handlers.find(message->srvid);
  if (found == handlers.end()) found = handlers.find(CTDB_SRVID_ALL);
  if (found == handlers.end()) {
    ++stats.stale;
    return;
  }
  ++stats.messages_in;
  const Handler handler = found->second;  // it may deregister itself
  handler.run(this, message->srvid, ctdb::blob(message->data), handler.private_data);
}

void ctdb_client::receive_failure(const ctdb::Header& header, ByteView packet) {
  const auto failure = ctdb::MessageFailed::decode(ctdb::own_payload(packet));
  if (!failure) {
    ++stats.malformed;
    return;
  }
  ++stats.undelivered;
  const ctdb_undelivered told{failure->node, header.reqid, failure->srvid, static_cast<int>(failure->reason)};
  if (undelivered != nullptr) undelivered(this, &told, undelivered_data);
}

void ctdb_client::receive(ByteView packet) {
  if (ctdb::check_header(packet) != ctdb::HeaderFault::kNone) {
    ++stats.malformed;
    return;
  }
  const ctdb::Header header = ctdb::read_header(packet);
  switch (static_cast<ctdb::Operation>(header.operation)) {
    case ctdb::Operation::REPLY_CONTROL:
    case ctdb::Operation::REPLY_CALL:
    case ctdb::Operation::REPLY_ERROR:
      return receive_answer(header, packet);
    case ctdb::Operation::REQ_MESSAGE:
      return receive_message(packet);
    case ctdb::Operation::MESSAGE_FAILED:
      return receive_failure(header, packet);
    default:
      ++stats.malformed;
  }
}

void ctdb_client::receive_waiting(ByteView packet) {
  if (ctdb::check_header(packet) == ctdb::HeaderFault::kNone) {
    const ctdb::Header header = ctdb::read_header(packet);
    // The reqid of a message that failed is not one of a request.
    const bool is_answer = header.operation != static_cast<uint32_t>(ctdb::Operation::REQ_MESSAGE) &&
                           header.operation != static_cast<uint32_t>(ctdb::Operation::MESSAGE_FAILED);
    const Request* request = is_answer ? requests.find(header.reqid) : nullptr;
    if (is_answer && (request == nullptr || request->sync)) return receive(packet);
  }
  if (inbox_.size() >= ctdb::kInboxPacketsMax || inbox_bytes_ + packet.size() > ctdb::kInboxBytesMax)
    return lose("too many messages arrived during a blocking call");
  inbox_.emplace_back(packet.begin(), packet.end());
  inbox_bytes_ += packet.size();
}
