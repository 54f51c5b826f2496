// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-router/shell/noted_clients.h"

#include <fcntl.h>

#include <algorithm>

#include "libctdbipc/runtime/log.h"
#include "libctdbipc/wire/packet.h"

namespace ctdb {

void NotedClients::add(uint32_t id, Ends ends) {
  Client& client = clients_[id];
  client.ends = std::move(ends);
  if (notes_ != nullptr) keep(id, client);
}

Result<SetupMessage> NotedClients::copy_of(uint32_t id, const Client& client) const {
  if (client.ends) return client.ends();
  SetupMessage message;
  message.descriptor.reset(fcntl(questions_.socket(id), F_DUPFD_CLOEXEC, 0));
  if (!message.descriptor.valid()) return fail_errno("dup");
  return message;
}

void NotedClients::keep(uint32_t id, Client& client) {
  if (client.ends && !daemons_.store_keeps_channels()) return;
  client.note = notes_->take(id);
  if (client.note == nullptr) return;
  Result<SetupMessage> message = copy_of(id, client);
  if (!message) {  // too many open files: it ends with this router
    notes_->give_back(*client.note);
    client.note = nullptr;
    return;
  }
  message->kind = SetupKind::kKeptClient;
  message->endpoint = id;
  message->generation = notes_->index_of(*client.note);
  daemons_.store_setup()->send(std::move(*message));
  client.registered = true;
  touch(id, client);
}

void NotedClients::remove(uint32_t id) {
  const auto found = clients_.find(id);
  if (found == clients_.end()) return;
  if (found->second.note != nullptr) {
    drop_half(found->second);
    notes_->give_back(*found->second.note);
    SetupMessage message;
    message.kind = SetupKind::kClientDetached;
    message.endpoint = id;
    SetupPeer* store = daemons_.store_setup();
    const bool unsent = store != nullptr && store->unsend(SetupKind::kKeptClient, id);
    // NativeClients says that a native client is detached.
    if (store != nullptr && !unsent && !found->second.ends) store->send(std::move(message));
  }
  clients_.erase(found);
}

void NotedClients::touch(uint32_t id) {
  if (const auto found = clients_.find(id); found != clients_.end()) touch(id, found->second);
}

void NotedClients::touch(uint32_t id, Client& client) {
  if (client.touched || client.note == nullptr) return;
  client.touched = true;
  ClientNotes::mark(*client.note, NoteState::kBusy);
  touched_.push_back(id);
}

void NotedClients::asked_native(uint32_t id) {
  const auto found = clients_.find(id);
  if (found == clients_.end()) return;
  found->second.registered = true;
  touch(id, found->second);
}

void NotedClients::asked(uint32_t id, ByteView packet) {
  const auto found = clients_.find(id);
  if (found == clients_.end()) return;
  Client& client = found->second;
  touch(id, client);
  const Header header = read_header(packet);
  if (header.operation == static_cast<uint32_t>(Operation::REQ_CALL)) {
    client.call.clear();
    if (++client.calls == 1 && packet.size() <= ClientNote::kCallBytesMax)
      client.call.assign(packet.begin(), packet.end());
  } else if (header.operation == static_cast<uint32_t>(Operation::REQ_CONTROL)) {
    client.registered = true;
    const std::optional<ReqControl> control = parse_req_control(packet);
    if (control && (control->flags & CTDB_CONTROL_NOREPLY) == 0)
      client.controls.push_back({header.reqid, lost_status_of(control->opcode)});
  }
}

void NotedClients::answered(uint32_t id, ByteView packet) {
  const auto found = clients_.find(id);
  if (found == clients_.end() || found->second.ends) return;
  Client& client = found->second;
  touch(id, client);
  const Header header = read_header(packet);
  const auto is = [&header](Operation operation) {
    return header.operation == static_cast<uint32_t>(operation);
  };
  if (is(Operation::REPLY_CONTROL)) {
    const auto asked = std::ranges::find(client.controls, header.reqid, &ClientNote::Control::reqid);
    if (asked != client.controls.end()) client.controls.erase(asked);
  } else if ((is(Operation::REPLY_CALL) || is(Operation::REPLY_ERROR)) && client.calls > 0) {
    --client.calls;
    client.call.clear();
  }
}

void NotedClients::handed_over(uint32_t id) {
  const auto found = clients_.find(id);
  if (found == clients_.end()) return;
  found->second.to_store = found->second.from_store = 0;
  touch(id, found->second);
}

void NotedClients::sent_to_store(uint32_t id) {
  const auto found = clients_.find(id);
  if (found == clients_.end()) return;
  touch(id, found->second);
  ++found->second.to_store;
}

void NotedClients::came_from_store(uint32_t id) {
  const auto found = clients_.find(id);
  if (found == clients_.end()) return;
  touch(id, found->second);
  ++found->second.from_store;
}

bool NotedClients::fits(const Client& client) {
  return client.controls.size() <= ClientNote::kControlsMax && client.calls <= 1 &&
         (client.calls == 0 || !client.call.empty()) &&
         client.registration_bytes <= ClientNote::kRegistrationBytesMax;
}

void NotedClients::write_registrations(uint32_t id, Client& client) const {
  client.registered = false;
  const Bytes all = questions_.registrations(id, ClientNote::kRegistrationBytesMax);
  client.registration_bytes = all.size();
  if (all.size() > ClientNote::kRegistrationBytesMax) return;
  std::ranges::copy(all, client.note->registrations.begin());
  client.note->registration_bytes.store(static_cast<uint32_t>(all.size()), std::memory_order_relaxed);
}

void NotedClients::write(Client& client, const Sight& sight) const {
  ClientNote& note = *client.note;
  note.away.store(sight.away ? 1 : 0, std::memory_order_relaxed);
  note.hand_over.store(sight.hand_over, std::memory_order_relaxed);
  note.to_store.store(client.to_store, std::memory_order_relaxed);
  note.from_store.store(client.from_store, std::memory_order_relaxed);
  std::ranges::copy(client.controls, note.controls.begin());
  note.control_count.store(static_cast<uint32_t>(client.controls.size()), std::memory_order_relaxed);
  std::ranges::copy(client.call, note.call.begin());
  note.call_bytes.store(static_cast<uint32_t>(client.call.size()), std::memory_order_relaxed);
}

bool NotedClients::keep_half(Client& client, const Unfinished& unfinished) {
  if (unfinished.empty()) return drop_half(client), true;
  client.half = halves_ != nullptr && halves_->keep(notes_->index_of(*client.note), unfinished);
  return client.half;
}

void NotedClients::drop_half(Client& client) {
  if (client.half) halves_->clear(notes_->index_of(*client.note));
  client.half = false;
}

// Those that another router could not go on with are touched again when they go on here.
void NotedClients::settle() {
  for (const uint32_t id : touched_) {
    const auto found = clients_.find(id);
    if (found == clients_.end() || found->second.note == nullptr) continue;
    Client& client = found->second;
    client.touched = false;
    const std::optional<Sight> sight = client.ends ? Sight{} : questions_.sight(id);
    if (!sight) continue;
    if (client.registered) write_registrations(id, client);
    if (!fits(client)) continue;
    if (!keep_half(client, sight->unfinished)) continue;
    write(client, *sight);
    ClientNotes::mark(*client.note, client.half ? NoteState::kHalf : NoteState::kClean);
  }
  touched_.clear();
}

bool NotedClients::all_clean() const {
  return std::ranges::all_of(clients_, [](const auto& one) {
    const ClientNote* note = one.second.note;
    return note == nullptr || note->state.load(std::memory_order_relaxed) != NoteState::kBusy;
  });
}

template <typename Memory>
std::unique_ptr<Memory> NotedClients::share(SetupKind kind) {
  Result<UniqueFd> memory = Memory::create();
  Result<std::unique_ptr<Memory>> mapped =
      memory ? Memory::map(memory->get()) : Result<std::unique_ptr<Memory>>(fail(std::move(memory.error())));
  if (!mapped) return log_error("classic socket: " + mapped.error().text()), nullptr;
  SetupMessage message;
  message.kind = kind;
  message.descriptor = std::move(*memory);
  daemons_.store_setup()->send(std::move(message));
  return std::move(*mapped);
}

void NotedClients::on_store() {
  if (!daemons_.store_keeps()) return;
  notes_ = share<ClientNotes>(SetupKind::kClientNotes);
  if (notes_ == nullptr) return;
  if (daemons_.store_keeps_halves()) halves_ = share<HalfPackets>(SetupKind::kHalfPackets);
  for (auto& [id, client] : clients_) keep(id, client);
}

void NotedClients::on_store_gone() {
  for (auto& [id, client] : clients_) {
    client.note = nullptr;
    client.touched = client.half = false;
  }
  touched_.clear();
  notes_.reset();
  halves_.reset();
}

}  // namespace ctdb
