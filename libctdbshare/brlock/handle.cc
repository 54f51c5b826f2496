// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbshare/brlock/handle.h"

#include <algorithm>
#include <climits>
#include <optional>
#include <utility>

#include "libctdbshare/brlock/liveness.h"

namespace ctdb_share {
namespace {

// Lets go of the record whatever happens.
class Held {
 public:
  explicit Held(ctdb_record* record) : record_(record) {}
  ~Held() {
    if (record_ != nullptr) ctdb_unlock(record_);
  }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
  ctdb_record* get() const { return record_; }
  int unlock() { return ctdb_unlock(std::exchange(record_, nullptr)); }

 private:
  ctdb_record* record_;
};

int read(ctdb_brlock& brlock, ctdb_blob data, Record* record) {
  const std::span bytes(static_cast<const uint8_t*>(data.data), data.size);
  return decode(bytes, record, &brlock.text) ? 0 : CTDB_ERR_DATABASE;
}

int write(ctdb_record* to, const Record& record) {
  if (record.empty()) return ctdb_delete(to);
  const std::vector<uint8_t> bytes = encode(record);
  return ctdb_store(to, {bytes.data(), bytes.size()});
}

// A waiter that could go on before has been woken then, or looks by itself.
std::optional<Waiter> to_wake(const Record& before, const Record& after) {
  const Waiter* const next = first_that_can_go(after);
  if (next == nullptr) return std::nullopt;
  const Waiter* const earlier = first_that_can_go(before);
  if (earlier != nullptr && *earlier == *next) return std::nullopt;
  return *next;
}

// A message that is lost costs a second.
void wake(const ctdb_brlock& brlock, const Waiter& waiter) {
  if (brlock.local) return;
  const ServerId& server = waiter.wanted.server;
  (void)ctdb_send_message(brlock.client, server.pnn, server.unique, {nullptr, 0});
}

// Nothing was written: fetch it again.
bool once_more(int error) {
  return error == CTDB_ERR_FENCED || error == CTDB_ERR_DAMAGED;
}

}  // namespace

int Deadline::left_ms() const {
  if (never_) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(at_ - Clock::now()).count();
  return static_cast<int>(std::clamp<int64_t>(left, 0, INT_MAX));
}

int look(ctdb_brlock& brlock, ctdb_blob file, const Deadline& deadline, Record* record) {
  ctdb_blob value{};
  const int error = ctdb_read(brlock.db, file, deadline.left_ms(), &value);
  return error != 0 ? error : read(brlock, value, record);
}

int change(ctdb_brlock& brlock, ctdb_blob file, const Deadline& deadline,
           const std::function<bool(Record&)>& edit) {
  for (;;) {
    ctdb_record* fetched = nullptr;
    if (const int error = ctdb_fetch_lock(brlock.db, file, deadline.left_ms(), &fetched); error != 0)
      return error;
    Held held(fetched);
    Record record;
    if (const int error = read(brlock, ctdb_record_data(held.get()), &record); error != 0) return error;
    const Record before = record;
    if (!edit(record) || record == before) return held.unlock();
    const int written = write(held.get(), record);
    const int unlocked = held.unlock();
    if (once_more(written)) continue;
    if (written != 0) return written;
    if (const std::optional<Waiter> next = to_wake(before, record)) wake(brlock, *next);
    return unlocked;
  }
}

int drop_if_dead(ctdb_brlock& brlock, ctdb_blob file, const Deadline& deadline, const Lock& blocker,
                 const Record& looked_at, bool* dropped) {
  *dropped = false;
  const ServerId server = blocker.server;
  if (server == brlock.self) return 0;
  bool dead = false;
  if (brlock.local) {
    dead = local_is_dead(server);
  } else {
    // Nobody was asked, or nobody answered in time: he stands in the way.
    const int error =
        deadline.over() ? CTDB_ERR_TIMEOUT : ask_if_dead(brlock.client, server, deadline.left_ms(), &dead);
    if (error != 0) return error == CTDB_ERR_TIMEOUT ? 0 : error;
  }
  if (!dead) return 0;
  // Others may have been first; what he has locked since he was asked for, as one who has come back, stays.
  *dropped = true;
  return change(brlock, file, deadline,
                [&](Record& record) { return remove_dead(record, server, looked_at); });
}

}  // namespace ctdb_share
