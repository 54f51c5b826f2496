// SPDX-License-Identifier: LGPL-3.0-or-later
// The two ways a client waits: service() for programs with an event loop, wait() for blocking calls; and what the
// set-up connection says meanwhile.
#include <algorithm>
#include <ctime>

#include "libctdbipc/base/spin_time.h"
#include "libctdbipc/client/client.h"

namespace ctdb {

int64_t now_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1000000000 + now.tv_nsec;
}

Deadline::Deadline(int timeout_ms) : at_ns_(timeout_ms < 0 ? -1 : now_ns() + timeout_ms * kNsPerMs) {}

int Deadline::left_ms() const {
  if (at_ns_ < 0) return -1;
  const int64_t left = at_ns_ - now_ns();
  return left <= 0 ? 0 : static_cast<int>((left + kNsPerMs - 1) / kNsPerMs);
}

}  // namespace ctdb

// ---- set-up connection and faults ----

// The store was restarted: what it has not answered is put to the new one.
void ctdb_client::resend_calls() {
  requests.for_each([this](Request& request) {
    if (request.state != Request::State::kSent || request.peer != Peer::kStore) return;
    if (!request.may_be_done()) {
      link.resend(Peer::kStore, request.packet);
      request.handed_over = true;
    } else if (request.sync) {
      request.step(*this, request, {CTDB_ERR_UNKNOWN, 0, {}, {}});
    } else {
      make_ready(request, CTDB_ERR_UNKNOWN);
      link.kick();
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
      case ctdb::Link::News::kRouterReplaced:
        while (const std::optional<ByteView> packet = link.pop(Peer::kRouter)) receive_waiting(*packet);
        if (link.up()) router_replaced();
        continue;
      case ctdb::Link::News::kStoreReplaced:
        // Answers the old store had committed are valid.
        while (const std::optional<ByteView> packet = link.pop(Peer::kStore)) receive_waiting(*packet);
        if (!link.up()) return;
        link.adopt_store();
        if (!link.up()) return lose("");
        for (auto& db : databases) {
          if (db->file != nullptr && db->file->holder == nullptr) ctdb::open_file(*this, *db);
        }
        ++stores_seen;
        resend_calls();
        ctdb::attach_again(*this);
    }
  }
}

// A bell for what was popped already may ring late, and a kick is for service(): they end a sleep, and not the rest.
void ctdb_client::rest(const ctdb::Deadline& deadline) {
  constexpr int kRestMs = 20;
  const int left_ms = deadline.left_ms();
  const ctdb::Deadline end(left_ms < 0 ? kRestMs : std::min(left_ms, kRestMs));
  link.unkick();
  for (int rest_ms = end.left_ms(); rest_ms != 0 && link.up(); rest_ms = end.left_ms()) {
    if (link.sleep(rest_ms)) return take_news();
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
    inbox_bytes_ -= current_.size();
    receive(current_);
    return true;
  }
  if (run_timer() || tell_of_restart()) return true;
  if (!link.up()) return false;
  const Peer first = ++turn_ % 2 == 0 ? Peer::kRouter : Peer::kStore;
  const Peer second = first == Peer::kRouter ? Peer::kStore : Peer::kRouter;
  return handle_frame(first) || (link.up() && handle_frame(second));
}

int ctdb_client::service(int budget, int sleep_ms) {
  if (in_service != nullptr) return CTDB_ERR_BUSY;
  bool freed = false;
  struct InService {  // also when a callback throws
    InService(ctdb_client& given, bool& set) : client(given), gone(set) { client.in_service = &gone; }
    ~InService() {
      if (!gone) client.in_service = nullptr;
    }
    ctdb_client& client;
    bool& gone;
  };
  int handled = 0;
  {
    const InService marked(*this, freed);
    if (link.sleep(link.up() ? sleep_ms : 0) && link.up()) take_news();
    link.unkick();
    look_at_clock();
    // A callback may have returned in a child that it made.
    while (!freed && guard.owned() && !closing && (budget == 0 || handled < budget) && handle_one())
      ++handled;
  }
  if (freed || !guard.owned()) return CTDB_ERR_FORKED;
  if (closing) {
    delete this;
    return std::max(handled, 1);  // a callback ran, the one that disconnected
  }
  if (handled == 0 && !link.up()) {
    loss_told_ = true;
    return fail(CTDB_ERR_DISCONNECTED, link.why_down());
  }
  settle();
  return handled;
}

int ctdb_client::service_waiting(int timeout_ms) {
  if (const int error = may_wait(); error != 0) return error;
  const ctdb::Deadline deadline(timeout_ms);
  int left_ms = timeout_ms;
  for (;;) {
    const bool spun = may_spin() && spin_for_anything();
    const int handled = service(0, spun || spin_mode == CTDB_SPIN_ALWAYS ? 0 : left_ms);
    if (handled != 0) return handled;
    left_ms = deadline.left_ms();  // a bell of the past may have cut the sleep short
    if (left_ms == 0) return 0;
  }
}

void ctdb_client::settle() {
  bool left = !ready_.empty() || !inbox_.empty() || restarts_untold_ > 0 || (!link.up() && !loss_told_) ||
              set_alarm();
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

bool ctdb_client::may_spin() const {
  return spin_mode == CTDB_SPIN_ALWAYS ||
         (spin_mode == CTDB_SPIN_ADAPTIVE && ctdb::enough_processors_to_spin());
}

template <typename Look>
bool ctdb_client::spin(Look look) {
  const int64_t until = ctdb::now_ns() + ctdb::kSpinTime;
  do {
    if (look()) return true;
    for (int i = 0; i < 16; ++i) __builtin_ia32_pause();
  } while (ctdb::now_ns() < until);
  return false;
}

// True: something may have come.
bool ctdb_client::spin_for_answer(Peer peer) {
  link.disarm(peer);
  return spin([&] { return drain_for_wait(peer); });
}

bool ctdb_client::spin_for_anything() {
  // arm() is false when there is something; in between the bells are not to ring.
  const bool any = spin([&] {
    for (const Peer peer : {Peer::kRouter, Peer::kStore}) {
      if (!link.arm(peer)) return true;
      link.disarm(peer);
    }
    return false;
  });
  for (const Peer peer : {Peer::kRouter, Peer::kStore}) {
    if (!link.arm(peer)) return true;
  }
  return any;
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
    if (may_spin() && spin_for_answer(peer)) continue;
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
    hits_in_a_row = 0;
    link.unkick();  // what became ready meanwhile is for service()
    if (link.sleep(left_ms)) take_news();
  }
  settle();
  return result;
}

int ctdb_client::wait_for(uint32_t id, const ctdb::Waiter& waiter, Peer peer,
                          const ctdb::Deadline& deadline) {
  const int result = wait(waiter.done, peer, deadline);
  if (waiter.done) {
    if (waiter.error == CTDB_ERR_UNKNOWN) return fail(waiter.error, "a daemon was lost before it answered");
    return waiter.error == CTDB_ERR_DISCONNECTED ? fail(waiter.error, link.why_down()) : waiter.error;
  }
  Request* request = requests.find(id);
  if (request == nullptr) return result;
  const bool may_be_done = request->may_be_done();
  withdraw(*request);
  return may_be_done ? fail(CTDB_ERR_UNKNOWN, "not answered within the time") : result;
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
    return budget < 0 ? CTDB_ERR_INVALID : client->service(budget, 0);
  });
}

int ctdb_wait(ctdb_client* client, int timeout_ms) {
  return ctdb::guarded([&]() -> int {
    if (const int error = ctdb::check(client); error != 0) return error;
    return timeout_ms < -1 ? CTDB_ERR_INVALID : client->service_waiting(timeout_ms);
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
    int result = 0;
    while (client->link.up() && !client->link.all_handed_over()) {
      const int left_ms = deadline.left_ms();
      if (left_ms == 0) {
        result = client->fail(CTDB_ERR_TIMEOUT, "the daemons did not take everything in time");
        break;
      }
      client->link.unkick();
      if (client->link.sleep(left_ms)) client->take_news();
      client->link.flush();
    }
    client->settle();
    return result != 0 || client->link.up() ? result : CTDB_ERR_DISCONNECTED;
  });
}

}  // extern "C"
