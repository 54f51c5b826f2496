// SPDX-License-Identifier: LGPL-3.0-or-later
// Time in a program's event loop: ctdb_after(), and what the library waits for there itself.
#include "libctdbipc/client/client.h"

namespace {

void time_is_up(ctdb_client& client, ctdb::Request& request, const ctdb::Answer& /*answer*/) {
  const auto user = reinterpret_cast<ctdb_timer_fn>(request.user);
  void* user_data = request.user_data;
  client.requests.release(request);
  user(&client, user_data);
}

}  // namespace

// What a callback sets is for the next service(), however soon it is due: a timer that sets itself again must not keep others from their turn.
void ctdb_client::look_at_clock() {
  if (timers_.next()) turn_began_ns_ = ctdb::now_ns();
}

bool ctdb_client::run_timer() {
  const std::optional<uint32_t> id = timers_.take(turn_began_ns_);
  if (!id) return false;
  Request& request = *requests.find(*id);
  request.state = Request::State::kSent;
  request.step(*this, request, {});
  return true;
}

bool ctdb_client::set_alarm() {
  const std::optional<int64_t> next = timers_.next();
  if (!next) return false;
  if (*next <= ctdb::now_ns()) return true;
  if (alarm_ns_ != *next) link.wake_at(*next);
  alarm_ns_ = *next;
  return false;
}

int ctdb_client::start_timer(Request& request, Request::State state, int delay_ms) {
  if (const ctdb::Result<void> made = link.make_clock(); !made) return fail(made.error());
  request.state = state;
  request.due_ns = ctdb::now_ns() + delay_ms * ctdb::kNsPerMs;
  timers_.add(request.due_ns, request.id);
  if (in_service == nullptr && set_alarm()) link.kick();
  return 0;
}

extern "C" int ctdb_after(ctdb_client* client, int delay_ms, ctdb_timer_fn done, void* private_data,
                          uint32_t* id) {
  return ctdb::guarded([&]() -> int {
    if (const int error = ctdb::check(client); error != 0) return error;
    if (delay_ms < 0 || done == nullptr) return CTDB_ERR_INVALID;
    int error = 0;
    ctdb::Request* const request = client->add_request(&error);
    if (request == nullptr) return error;
    request->step = time_is_up;
    request->user = reinterpret_cast<void (*)()>(done);
    request->user_data = private_data;
    error = client->start_timer(*request, ctdb::Request::State::kTimer, delay_ms);
    if (error != 0) return client->give_up(request->id, error);
    if (id != nullptr) *id = request->id;
    return 0;
  });
}
