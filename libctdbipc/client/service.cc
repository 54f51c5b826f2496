// SPDX-License-Identifier: LGPL-3.0-or-later
// Everything that comes in: service() for programs with an event loop, wait() for blocking calls, and the
// dispatch of packets to requests and handlers.
#include <sched.h>

#include <algorithm>
#include <ctime>
#include <thread>

#include "libctdbipc/client/client.h"

namespace ctdb {
namespace {

int64_t now_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1000000000 + now.tv_nsec;
}

constexpr int64_t kSpinNs = 20000;
// Messages and answers for others that may pile up while one call blocks.
constexpr size_t kInboxPacketsMax = 65536;

bool enough_processors() {
  static const bool enough = std::thread::hardware_concurrency() > 2;
  return enough;
}

}  // namespace

Deadline::Deadline(int timeout_ms) : at_ns_(timeout_ms < 0 ? -1 : now_ns() + int64_t{timeout_ms} * 1000000) {}

int Deadline::left_ms() const {
  if (at_ns_ < 0) return -1;
  const int64_t left = at_ns_ - now_ns();
  return left <= 0 ? 0 : static_cast<int>((left + 999999) / 1000000);
}

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
  requests.release(request);
  if (half_attached != nullptr) ctdb::free_database(*this, half_attached);
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
    default:
      ++stats.malformed;
  }
}

void ctdb_client::receive_waiting(ByteView packet) {
  if (ctdb::check_header(packet) == ctdb::HeaderFault::kNone) {
    const ctdb::Header header = ctdb::read_header(packet);
    const bool is_answer = header.operation != static_cast<uint32_t>(ctdb::Operation::REQ_MESSAGE);
    const Request* request = is_answer ? requests.find(header.reqid) : nullptr;
    if (is_answer && (request == nullptr || request->sync)) return receive(packet);
  }
  if (inbox_.size() >= ctdb::kInboxPacketsMax)
    return lose("too many messages arrived during a blocking call");
  inbox_.emplace_back(packet.begin(), packet.end());
}

// ---- set-up connection and faults ----

// The store was restarted: what it has not answered is put to the new one.
void ctdb_client::resend_calls() {
  requests.for_each([this](Request& request) {
    if (request.state == Request::State::kSent && request.peer == Peer::kStore) {
      link.send(Peer::kStore, request.packet);
    }
  });
  link.flush();
}

void ctdb_client::take_news() {
  while (link.up()) {
    switch (link.setup_news()) {
      case ctdb::Link::News::kNone:
        return;
      case ctdb::Link::News::kLost:
        return lose("");
      case ctdb::Link::News::kStoreReplaced:
        // Answers the old store had committed are valid.
        while (const std::optional<ByteView> packet = link.pop(Peer::kStore)) receive_waiting(*packet);
        if (!link.up()) return;
        link.adopt_store();
        if (!link.up()) return lose("");
        for (auto& db : databases) {
          if (db->file != nullptr && db->file->holder == nullptr) ctdb::open_file(*this, *db);
        }
        resend_calls();
    }
  }
}

bool ctdb_client::check_faults() {
  const char* fault = link.fault();
  if (*fault == '\0') return false;
  lose(std::string("a daemon broke its ring: ") + fault);
  return true;
}

// ---- service ----

bool ctdb_client::run_ready() {
  while (!ready_.empty()) {
    Request* request = requests.find(ready_.front());
    ready_.pop_front();
    if (request == nullptr || request->state != Request::State::kReady) continue;  // cancelled meanwhile
    request->state = Request::State::kSent;
    request->step(*this, *request, {request->error, 0, {}, {}});
    return true;
  }
  return false;
}

bool ctdb_client::handle_frame(Peer peer) {
  const std::optional<ByteView> packet = link.pop(peer);
  if (!packet) return check_faults();
  // A copy, because a blocking call in the callback pops further frames.
  current_.assign(packet->begin(), packet->end());
  receive(current_);
  return true;
}

bool ctdb_client::handle_one() {
  if (run_ready()) return true;
  if (!inbox_.empty()) {
    current_ = std::move(inbox_.front());
    inbox_.pop_front();
    receive(current_);
    return true;
  }
  if (!link.up()) return false;
  const Peer first = ++turn_ % 2 == 0 ? Peer::kRouter : Peer::kStore;
  const Peer second = first == Peer::kRouter ? Peer::kStore : Peer::kRouter;
  return handle_frame(first) || (link.up() && handle_frame(second));
}

int ctdb_client::service(int budget) {
  if (in_service) return CTDB_ERR_BUSY;
  struct InService {  // also when a callback throws
    explicit InService(bool& set) : flag(set) { flag = true; }
    ~InService() { flag = false; }
    bool& flag;
  };
  int handled = 0;
  {
    const InService marked(in_service);
    if (link.up() && link.sleep(0)) take_news();
    link.unkick();
    while (!closing && (budget == 0 || handled < budget) && handle_one()) ++handled;
  }
  if (closing) {
    delete this;
    return handled;
  }
  if (handled == 0 && !link.up()) {
    loss_told_ = true;
    return fail(CTDB_ERR_DISCONNECTED, link.why_down());
  }
  settle();
  return handled;
}

void ctdb_client::settle() {
  bool left = !ready_.empty() || !inbox_.empty() || (!link.up() && !loss_told_);
  if (link.up()) {
    link.flush();
    for (const Peer peer : {Peer::kRouter, Peer::kStore}) left = !link.arm(peer) || left;
  }
  if (left) link.kick();
}

// ---- blocking calls ----

bool ctdb_client::drain_for_wait(Peer peer) {
  bool any = false;
  while (const std::optional<ByteView> packet = link.pop(peer)) {
    any = true;
    receive_waiting(*packet);
  }
  return check_faults() || any;
}

// True: something may have come.
bool ctdb_client::spin(Peer peer) {
  if (spin_mode == CTDB_SPIN_NEVER || (spin_mode == CTDB_SPIN_ADAPTIVE && !ctdb::enough_processors()))
    return false;
  link.disarm(peer);
  const int64_t until = ctdb::now_ns() + ctdb::kSpinNs;
  do {
    if (drain_for_wait(peer)) return true;
    for (int i = 0; i < 16; ++i) __builtin_ia32_pause();
  } while (ctdb::now_ns() < until);
  return false;
}

int ctdb_client::wait(const bool& done, Peer peer, const ctdb::Deadline& deadline) {
  int result = 0;
  link.unkick();
  while (!done) {
    if (!link.up()) {
      result = fail(CTDB_ERR_DISCONNECTED, link.why_down());
      break;
    }
    if (drain_for_wait(peer)) continue;
    link.flush();
    if (spin(peer)) continue;
    const int left_ms = deadline.left_ms();
    if (left_ms == 0) {
      result = fail(CTDB_ERR_TIMEOUT, "no answer in time");
      break;
    }
    if (spin_mode == CTDB_SPIN_ALWAYS) {
      if (link.sleep(0)) take_news();
      continue;
    }
    if (!link.arm(peer)) continue;
    ++stats.sleeps;
    if (link.sleep(left_ms)) take_news();
  }
  settle();
  return result;
}

int ctdb_client::wait_for(uint32_t id, const ctdb::Waiter& waiter, Peer peer,
                          const ctdb::Deadline& deadline) {
  const int result = wait(waiter.done, peer, deadline);
  if (waiter.done) {
    return waiter.error == CTDB_ERR_DISCONNECTED ? fail(waiter.error, link.why_down()) : waiter.error;
  }
  if (Request* request = requests.find(id)) withdraw(*request);
  return result;
}

extern "C" {

int ctdb_fd(const ctdb_client* client) {
  const int error = ctdb::check(client);
  return error != 0 ? error : client->link.fd();
}

int ctdb_events(const ctdb_client* client) {
  const int error = ctdb::check(client);
  return error != 0 ? error : 1;  // POLLIN
}

int ctdb_service(ctdb_client* client, int budget) {
  return ctdb::guarded([&]() -> int {
    if (const int error = ctdb::check(client); error != 0) return error;
    return budget < 0 ? CTDB_ERR_INVALID : client->service(budget);
  });
}

int ctdb_cancel(ctdb_client* client, uint32_t id) {
  if (const int error = ctdb::check(client); error != 0) return error;
  ctdb::Request* request = client->requests.find(id);
  if (request == nullptr || request->sync) return CTDB_ERR_NOT_FOUND;
  client->withdraw(*request);
  return 0;
}

int ctdb_flush(ctdb_client* client, int timeout_ms) {
  return ctdb::guarded([&]() -> int {
    if (const int error = ctdb::check_connected(client); error != 0) return error;
    if (timeout_ms < -1) return CTDB_ERR_INVALID;
    client->link.flush();
    if (client->link.all_handed_over()) return 0;
    if (const int error = client->may_wait(); error != 0) return error;
    const ctdb::Deadline deadline(timeout_ms);
    client->link.unkick();
    int result = 0;
    while (client->link.up() && !client->link.all_handed_over()) {
      const int left_ms = deadline.left_ms();
      if (left_ms == 0) {
        result = client->fail(CTDB_ERR_TIMEOUT, "the daemons did not take everything in time");
        break;
      }
      if (client->link.sleep(left_ms)) client->take_news();
      client->link.flush();
    }
    client->settle();
    return result != 0 || client->link.up() ? result : CTDB_ERR_DISCONNECTED;
  });
}

}  // extern "C"
