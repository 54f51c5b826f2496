// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbshare/common/owner.h"

#include <ctdb_local.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "libctdbshare/common/liveness.h"

namespace ctdb_share {
namespace {

constexpr int kLookMs = 1000;
constexpr int kLocalLookMsMax = 100;
constexpr int kGoodByeMs = 5000;

int become_someone_locally(Owner& owner) {
  owner.self.unique = local_unique_id();
  return owner.self.unique == 0 ? CTDB_ERR_SYSTEM : 0;
}

int become_someone_in_the_cluster(Owner& owner, const Deadline& deadline, ctdb_message_fn handler,
                                  void* private_data) {
  owner.self.unique = random_unique_id();
  if (const int error =
          ctdb_register(owner.client, owner.self.unique, handler, private_data, deadline.left_ms());
      error != 0)
    return error;
  bool dead = true;
  if (const int error = ask_if_dead(owner.client, owner.self, deadline.left_ms(), &dead); error != 0)
    return error;
  return dead ? CTDB_ERR_REFUSED : 0;
}

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

int write(ctdb_record* to, const std::vector<uint8_t>& bytes) {
  return bytes.empty() ? ctdb_delete(to) : ctdb_store(to, {bytes.data(), bytes.size()});
}

// Nothing was written: fetch it again.
bool once_more(int error) {
  return error == CTDB_ERR_FENCED || error == CTDB_ERR_DAMAGED;
}

}  // namespace

int become(Owner& owner, ctdb_client* client, const char* name, uint32_t flags, const Deadline& deadline,
           ctdb_message_fn handler, void* private_data) {
  if ((flags & (CTDB_ATTACH_PERSISTENT | CTDB_ATTACH_REPLICATED)) != 0) return CTDB_ERR_INVALID;
  owner.client = client;
  owner.local = ctdb_is_local(client) == 1;
  if (const int error = ctdb_attach(client, name, flags, deadline.left_ms(), &owner.db); error != 0)
    return error;
  if (const int error = ctdb_pnn(client, &owner.self.pnn); error != 0) return error;
  owner.self.pid = getpid();
  return owner.local ? become_someone_locally(owner)
                     : become_someone_in_the_cluster(owner, deadline, handler, private_data);
}

void leave(Owner& owner) {
  if (owner.self.unique != 0 && !owner.local)
    (void)ctdb_deregister(owner.client, owner.self.unique, kGoodByeMs);
  ctdb_detach(owner.db);
}

int begin(Owner* owner, int timeout_ms) {
  if (owner == nullptr || timeout_ms < -1) return CTDB_ERR_INVALID;
  owner->text.clear();
  return 0;
}

const char* error_text(const Owner* owner) {
  if (owner == nullptr) return ctdb_error_text(nullptr);
  return owner->text.empty() ? ctdb_error_text(owner->client) : owner->text.c_str();
}

Changed change_value(Owner& owner, ctdb_blob file, const Deadline& deadline,
                     const std::function<Edited(std::span<const uint8_t>)>& edit) {
  for (;;) {
    ctdb_record* fetched = nullptr;
    if (const int error = ctdb_fetch_lock(owner.db, file, deadline.left_ms(), &fetched); error != 0)
      return {error};
    Held held(fetched);
    const Edited edited = edit(bytes_of(ctdb_record_data(held.get())));
    if (edited.error != 0) return {edited.error};
    if (!edited.store) return {held.unlock()};
    const int written = write(held.get(), edited.bytes);
    const int unlocked = held.unlock();
    if (once_more(written)) continue;
    if (written != 0) return {written};
    return {unlocked, true};
  }
}

int find_out_if_dead(Owner& owner, const ServerId& server, const Deadline& deadline, bool* dead) {
  *dead = false;
  if (server == owner.self) return 0;
  if (owner.local) {
    *dead = local_is_dead(server);
    return 0;
  }
  if (deadline.over()) return 0;
  const int error = ask_if_dead(owner.client, server, deadline.left_ms(), dead);
  return error == CTDB_ERR_TIMEOUT ? 0 : error;
}

void send(const Owner& owner, const ServerId& server, std::span<const uint8_t> bytes) {
  if (!owner.local)
    (void)ctdb_send_message(owner.client, server.pnn, server.unique, {bytes.data(), bytes.size()});
}

void wake(const Owner& owner, const ServerId& server) {
  send(owner, server, {});
}

int Pause::sleep(Owner& owner, const Deadline& deadline) {
  const int pause_ms = owner.local ? local_ms_ : kLookMs, left_ms = deadline.left_ms();
  const Deadline until(left_ms < 0 ? pause_ms : std::min(pause_ms, left_ms));
  if (owner.local) {
    local_ms_ = std::min(2 * local_ms_, kLocalLookMsMax);
    const timespec pause = {0, until.left_ms() * 1000000L};
    nanosleep(&pause, nullptr);
    return 0;
  }
  while (!owner.woken && !until.over()) {
    if (const int handled = ctdb_wait(owner.client, until.left_ms()); handled < 0) return handled;
  }
  return 0;
}

}  // namespace ctdb_share
