// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-store/kept_clients.h"

#include <sys/socket.h>

#include <algorithm>

#include "libctdbipc/runtime/log.h"

namespace ctdb {
namespace {

// A router that hangs is replaced after ten seconds at most; this counts from its end.
constexpr TimeNs kWaitMax = 10 * kSecond;
constexpr TimeNs kOfferAgain = kMillisecond;

SetupMessage message_about(SetupKind kind, uint32_t id, uint32_t note, UniqueFd descriptor) {
  SetupMessage message;
  message.kind = kind;
  message.endpoint = id;
  message.generation = note;
  message.descriptor = std::move(descriptor);
  return message;
}

}  // namespace

Result<void> KeptClients::take_notes(UniqueFd memory) {
  sockets_.clear();
  Result<std::unique_ptr<ClientNotes>> notes = ClientNotes::map(memory.get());
  if (!notes) return fail(std::move(notes.error()));
  notes_ = std::move(*notes);
  memory_ = std::move(memory);
  return {};
}

void KeptClients::keep(uint32_t id, uint32_t note, UniqueFd socket) {
  if (notes_ != nullptr) sockets_.insert_or_assign(id, Socket{note, std::move(socket)});
}

// true: the next router can go on with it. Of a connection that is here the note says what the router has seen of it.
bool KeptClients::complete(ClientNote& note, uint32_t id, const AdoptedClients& adopted) const {
  if (note.state.load(std::memory_order_acquire) != NoteState::kClean) return false;
  if (note.away.load(std::memory_order_relaxed) == 0) return !adopted.has(id);
  const auto hand_over = static_cast<uint16_t>(note.hand_over.load(std::memory_order_relaxed));
  const std::optional<AdoptedClients::Sight> sight = adopted.sight(id, hand_over);
  if (!sight || sight->to_router != note.from_store.load(std::memory_order_relaxed) ||
      sight->from_router != note.to_store.load(std::memory_order_relaxed)) {
    return false;
  }
  if (sight->call.empty()) return true;
  if (!note.one_call().empty()) return false;
  std::ranges::copy(sight->call, note.call.begin());
  note.call_bytes.store(static_cast<uint32_t>(sight->call.size()), std::memory_order_relaxed);
  return true;
}

void KeptClients::router_is_gone(const AdoptedClients& adopted) {
  if (!waiting_.empty()) give_up("a router died before it had taken them");
  for (auto& [id, socket] : sockets_) {
    ClientNote* note = notes_->find(socket.note, id);
    if (note != nullptr && complete(*note, id, adopted)) {
      waiting_.push_back(message_about(SetupKind::kKeptClient, id, socket.note, std::move(socket.fd)));
      continue;
    }
    broken_.push_back(std::move(socket.fd));
  }
  sockets_.clear();
  notes_.reset();
  if (waiting_.empty() && broken_.empty()) return memory_.reset();
  log_notice(std::to_string(waiting_.size()) + " classic clients wait for the next router; " +
             std::to_string(broken_.size()) + " were in the middle of something and will be ended");
  waiting_.push_front(message_about(SetupKind::kClientNotes, 0, 0, std::move(memory_)));
  loop_.cancel(timer_);
  timer_ = loop_.at(loop_.now() + kWaitMax, [this] {
    timer_ = 0;
    give_up("no router has come");
  });
}

void KeptClients::router_is_back(uint32_t life, bool takes) {
  const bool same = life != 0 && life == life_;
  life_ = life;
  if (same) {
    waiting_.clear();
    broken_.clear();
  }
  if (!takes) return waiting_.empty() ? end_broken() : give_up("this router cannot take them");
  end_broken();
  waiting_.push_back(message_about(SetupKind::kKeptEnd, 0, 0, {}));
  give_some();
}

void KeptClients::end_broken() {
  for (const UniqueFd& socket : broken_) shutdown(socket.get(), SHUT_RDWR);
  broken_.clear();
}

void KeptClients::give_some() {
  loop_.cancel(timer_);
  timer_ = 0;
  while (!waiting_.empty() && offer_(waiting_.front())) waiting_.pop_front();
  if (waiting_.empty()) return;
  timer_ = loop_.at(loop_.now() + kOfferAgain, [this] {
    timer_ = 0;
    give_some();
  });
}

void KeptClients::give_up(const char* why) {
  loop_.cancel(timer_);
  timer_ = 0;
  log_warning(std::string("the connections of classic clients are ended: ") + why);
  for (const SetupMessage& message : waiting_) {
    if (message.kind == SetupKind::kKeptClient) shutdown(message.descriptor.get(), SHUT_RDWR);
  }
  waiting_.clear();
  end_broken();
}

}  // namespace ctdb
