// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-router/shell/classic_clients.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>

#include "libctdbipc/base/limits.h"
#include "libctdbipc/runtime/log.h"
#include "libctdbipc/runtime/setup_socket.h"
#include "libctdbipc/wire/packet.h"

namespace ctdb {
namespace {

constexpr mode_t kSocketMode = 0700;
// The first call takes a connection to the store. After it came back because the client sent other things, this many calls
// more than others do.
constexpr uint32_t kWishToGo = 16;

bool is_call(ByteView packet) {
  return read_header(packet).operation == static_cast<uint32_t>(Operation::REQ_CALL);
}

template <typename Memory>
void map_kept(const SetupMessage& message, std::unique_ptr<Memory>& memory) {
  Result<std::unique_ptr<Memory>> mapped = Memory::map(message.descriptor.get());
  if (!mapped) log_error("classic socket: " + mapped.error().text());
  memory = mapped ? std::move(*mapped) : nullptr;
}

}  // namespace

Result<void> ClassicClients::listen(const std::string& path) {
  Result<std::unique_ptr<Listener>> listener = Listener::create_local(
      loop_, path, SOCK_STREAM, kSocketMode, [this](UniqueFd fd) { add(std::move(fd)); });
  if (!listener) return fail(std::move(listener.error()));
  listener_ = std::move(*listener);
  return {};
}

uint32_t ClassicClients::add(UniqueFd socket) {
  Result<PeerCredentials> credentials = peer_credentials(socket.get());
  const uint32_t id = credentials ? ids_.take() : 0;
  const char* full = "classic socket: too many clients, one was refused";
  if (id == 0) return log_error(credentials ? full : "classic socket: " + credentials.error().text()), 0;
  if (Result<void> added = connections_.add(id, std::move(socket)); !added) {
    ids_.give_back(id);
    return log_error("classic socket: " + added.error().text()), 0;
  }
  clients_[id].wish = kWishToGo - 1;
  noted_.add(id);
  events_.on_client(id, credentials->pid);
  return id;
}

void ClassicClients::on_connection_packet(uint32_t id, MutableBytes packet) {
  Client& client = clients_.at(id);
  if (!is_call(packet)) {
    // A client that has not asked for records yet need not earn it.
    if (client.hand_over > 0 && client.wish > 0) --client.wish;
  } else if (client.wish + 1 < kWishToGo) {
    ++client.wish;
  } else if (wishing_.empty() || wishing_.back() != id) {
    wishing_.push_back(id);
  }
  noted_.asked(id, packet);
  events_.on_client_packet(id, packet);
}

void ClassicClients::on_connection_gone(uint32_t id, bool) {
  remove(id);
}

void ClassicClients::remove(uint32_t id) {
  if (clients_.erase(id) == 0) return;
  noted_.remove(id);
  ids_.give_back(id);
  events_.on_client_gone(id);
}

bool ClassicClients::send(uint32_t id, ByteView packet) {
  noted_.answered(id, packet);
  if (connections_.send(id, packet)) return true;
  const auto found = clients_.find(id);
  if (found == clients_.end()) return false;
  if (!found->second.ending) send_away(id, found->second, packet);
  return true;
}

size_t ClassicClients::queued_bytes(uint32_t id) {
  const auto found = clients_.find(id);
  if (found == clients_.end() || found->second.place == Place::kHere) return connections_.queued_bytes(id);
  Client& client = found->second;
  if (client.slot != nullptr) client.kept.forget(client.slot->written.load(std::memory_order_acquire));
  return client.kept.bytes().size();
}

void ClassicClients::send_away(uint32_t id, Client& client, ByteView packet) {
  if (client.slot != nullptr) client.kept.forget(client.slot->written.load(std::memory_order_acquire));
  if (client.kept.bytes().size() + packet.size() > kClientSendQueueBytesMax) {
    return close(id, "it does not read and its queue is full");
  }
  client.kept.add(packet);
  if (client.place != Place::kStore) return;
  noted_.sent_to_store(id);
  daemons_.to_store({id, connection_flags(ConnectionFrame::kPacket, client.hand_over)}, packet);
}

void ClassicClients::close(uint32_t id, const char* why) {
  noted_.touch(id);
  connections_.close(id, why);
  const auto found = clients_.find(id);
  if (found == clients_.end() || found->second.place == Place::kHere || found->second.ending) return;
  // The store finds the end, and says so.
  ++cut_away_;
  log_notice("client " + std::to_string(id) + " is cut off: " + why);
  found->second.ending = true;
  found->second.kept.begin_again();
  shutdown(found->second.fd.get(), SHUT_RDWR);
}

void ClassicClients::close_all(const char* why) {
  std::vector<uint32_t> ids;
  for (const auto& [id, client] : clients_) ids.push_back(id);
  for (const uint32_t id : ids) close(id, why);
}

void ClassicClients::pause(bool paused) {
  paused_ = paused;
  connections_.pause(paused);
  const ConnectionFrame order = paused ? ConnectionFrame::kPause : ConnectionFrame::kResume;
  const uint8_t nothing[8] = {};
  if (states_ != nullptr) daemons_.to_store({0, connection_flags(order, 0)}, nothing);
}

// ---- to the store ----

void ClassicClients::flush() {
  connections_.flush();
  for (const uint32_t id : wishing_) {
    const auto found = clients_.find(id);
    // One that is in the middle of something asks again with its next call.
    if (found != clients_.end() && found->second.place == Place::kHere && connections_.between_packets(id)) {
      hand_over(id, found->second);
    }
  }
  wishing_.clear();
  noted_.settle();
}

// The memory that tells what becomes of connections when the store dies.
bool ClassicClients::prepare_store() {
  if (!daemons_.store_up()) return false;
  if (states_ != nullptr) return true;
  Result<UniqueFd> memory = ConnectionStates::create();
  Result<std::unique_ptr<ConnectionStates>> states =
      memory ? ConnectionStates::map(memory->get())
             : Result<std::unique_ptr<ConnectionStates>>(fail(std::move(memory.error())));
  if (!states) {
    log_error("classic socket: " + states.error().text());
    return false;
  }
  states_ = std::move(*states);
  seen_ = {};
  SetupMessage message;
  message.kind = SetupKind::kConnectionStates;
  message.descriptor = std::move(*memory);
  daemons_.store_setup()->send(std::move(message));
  if (paused_) pause(true);
  return true;
}

void ClassicClients::hand_over(uint32_t id, Client& client) {
  if (!prepare_store()) return;
  UniqueFd socket = connections_.release(id);
  UniqueFd copy(fcntl(socket.get(), F_DUPFD_CLOEXEC, 0));
  if (!copy.valid()) {  // too many open files: it stays
    if (!connections_.add(id, std::move(socket))) remove(id);
    return;
  }
  client.fd = std::move(copy);
  client.place = Place::kGoing;
  client.wish = 0;
  ++client.hand_over;
  noted_.handed_over(id);
  SetupMessage message;
  message.kind = SetupKind::kClientConnection;
  message.endpoint = id;
  message.generation = client.hand_over;
  message.descriptor = std::move(socket);
  daemons_.store_setup()->send(std::move(message));
}

// ---- what the store says ----

void ClassicClients::on_store_frame(FrameInfo info, MutableBytes packet) {
  const auto found = clients_.find(info.endpoint);
  if (found == clients_.end()) return;
  Client& client = found->second;
  // Frames of an earlier hand-over have lost their meaning.
  if (client.place == Place::kHere || client.hand_over != hand_over_of(info.flags)) return;
  const uint64_t value = packet.size() < 8 ? 0 : load<uint64_t>(packet.data());
  switch (connection_frame(info.flags)) {
    case ConnectionFrame::kPacket:
      noted_.came_from_store(info.endpoint);
      if (check_header(packet) != HeaderFault::kNone) return;
      noted_.asked(info.endpoint, packet);
      return events_.on_client_packet(info.endpoint, packet);
    case ConnectionFrame::kTaken:
      return taken(info.endpoint, client, value);
    case ConnectionFrame::kReturned:
      return take_back(info.endpoint, client, value);
    case ConnectionFrame::kCut:
      if (!client.ending) ++cut_away_;
      return remove(info.endpoint);
    case ConnectionFrame::kEnded:
      return remove(info.endpoint);
    default:
      return;
  }
}

void ClassicClients::taken(uint32_t id, Client& client, uint64_t slot) {
  client.place = Place::kStore;
  noted_.touch(id);
  client.slot = states_ == nullptr ? nullptr : states_->slot(slot);
  for (ByteView rest = client.kept.bytes(); !rest.empty();) {
    const size_t length = load<uint32_t>(rest.data());
    noted_.sent_to_store(id);
    daemons_.to_store({id, connection_flags(ConnectionFrame::kPacket, client.hand_over)}, rest.first(length));
    rest = rest.subspan(length);
  }
}

void ClassicClients::take_back(uint32_t id, Client& client, uint64_t written) {
  if (client.ending) return remove(id);
  if (!connections_.add(id, std::move(client.fd))) return remove(id);
  client.place = Place::kHere;
  noted_.touch(id);
  client.slot = nullptr;
  client.kept.forget(written);
  if (!client.kept.bytes().empty()) connections_.send(id, client.kept.bytes());
  client.kept.begin_again();
}

void ClassicClients::on_store_gone(bool dead) {
  noted_.on_store_gone();
  std::vector<uint32_t> away;
  for (const auto& [id, client] : clients_) {
    if (client.place != Place::kHere) away.push_back(id);
  }
  take_totals();
  for (const uint32_t id : away) take_back_or_end(id, clients_.at(id), dead);
  states_.reset();
}

// Connections that the store left between two packets go on here, the others end, as those of a dead classic daemon do.
void ClassicClients::take_back_or_end(uint32_t id, Client& client, bool dead) {
  const ConnectionSlot* slot = client.slot;
  if (slot == nullptr && states_ != nullptr) slot = states_->find(id, client.hand_over);
  const ConnectionState state =
      slot == nullptr ? ConnectionState::kClean : slot->state.load(std::memory_order_acquire);
  if (!dead || (state != ConnectionState::kClean && state != ConnectionState::kOneCall)) {
    log_notice("client " + std::to_string(id) +
               " is cut off: ctdb-store is gone in the middle of something for it");
    shutdown(client.fd.get(), SHUT_RDWR);  // a store that lives in secret has a copy
    return remove(id);
  }
  const uint64_t written = slot == nullptr ? 0 : slot->written.load(std::memory_order_relaxed);
  client.wish = kWishToGo - 1;  // the next store gets it with the next call
  take_back(id, client, written);
  if (state != ConnectionState::kOneCall || clients_.count(id) == 0) return;
  const size_t size = std::min<size_t>(slot->call_bytes.load(std::memory_order_relaxed), slot->call.size());
  Bytes call(slot->call.begin(), slot->call.begin() + static_cast<ptrdiff_t>(size));
  if (check_header(call) != HeaderFault::kNone) return;
  --uncounted_.calls;  // it is counted again
  noted_.asked(id, call);
  events_.on_client_packet(id, call);
}

// ---- another router ----

int ClassicClients::descriptor(uint32_t id) const {
  const auto found = clients_.find(id);
  if (found == clients_.end()) return -1;
  return found->second.place == Place::kHere ? connections_.descriptor(id) : found->second.fd.get();
}

std::optional<NotedClients::Sight> ClassicClients::sight(uint32_t id) const {
  const auto found = clients_.find(id);
  if (found == clients_.end()) return std::nullopt;
  const Client& client = found->second;
  const bool here = client.place == Place::kHere;
  if (!here && (client.place != Place::kStore || client.ending)) return std::nullopt;
  const std::optional<Unfinished> unfinished = here ? connections_.unfinished(id) : Unfinished{};
  if (!unfinished || events_.has_traverse(id)) return std::nullopt;
  return NotedClients::Sight{!here, client.hand_over, *unfinished};
}

void ClassicClients::on_kept(SetupMessage& message) {
  if (message.kind == SetupKind::kKeptEnd) return last_notes_.reset(), last_halves_.reset();
  if (message.kind == SetupKind::kClientNotes) return map_kept(message, last_notes_);
  if (message.kind == SetupKind::kHalfPackets) return map_kept(message, last_halves_);
  if (const ClientNote* note = last_note(message)) return restore(std::move(message.descriptor), *note);
  shutdown(message.descriptor.get(), SHUT_RDWR);
}

const ClientNote* ClassicClients::last_note(const SetupMessage& message) const {
  const ClientNote* note =
      last_notes_ == nullptr ? nullptr : last_notes_->find(message.generation, message.endpoint);
  if (note == nullptr) return nullptr;
  const NoteState state = note->state.load(std::memory_order_acquire);
  return state == NoteState::kClean || state == NoteState::kHalf ? note : nullptr;
}

std::optional<HalfPackets::Kept> ClassicClients::last_half(const ClientNote& note) const {
  if (note.state.load(std::memory_order_relaxed) == NoteState::kClean) return HalfPackets::Kept{};
  return last_halves_ == nullptr ? std::nullopt : last_halves_->read(last_notes_->index_of(note));
}

// As if it had connected and registered here. Its controls are refused, because nobody knows what has become of them. Its call is put
// again: all that a call of a classic client asks for is the record.
void ClassicClients::restore(UniqueFd socket, const ClientNote& note) {
  const std::optional<HalfPackets::Kept> half = last_half(note);
  if (!half) return void(shutdown(socket.get(), SHUT_RDWR));
  const uint32_t id = add(std::move(socket));
  if (id == 0) return;
  connections_.go_on(id, half->in, half->out);
  std::vector<UnansweredControl> unanswered;
  for (const ClientNote::Control& control : note.unanswered())
    unanswered.push_back({control.reqid, control.lost_status});
  events_.on_client_restored(id, note.registered(), unanswered);
  Bytes call = to_bytes(note.one_call());
  if (call.empty() || check_header(call) != HeaderFault::kNone) return;
  noted_.asked(id, call);
  events_.on_client_packet(id, call);
}

void ClassicClients::take_totals() {
  if (states_ == nullptr) return;
  const ConnectionTotals totals = states_->totals();
  uncounted_.calls += static_cast<int64_t>(totals.calls - seen_.calls);
  uncounted_.replies += static_cast<int64_t>(totals.replies - seen_.replies);
  uncounted_.controls += totals.controls - seen_.controls;
  skipped_away_ += totals.skipped - seen_.skipped;
  seen_ = totals;
}

CallCounts ClassicClients::take_calls_elsewhere() {
  take_totals();
  return std::exchange(uncounted_, {});
}

}  // namespace ctdb
