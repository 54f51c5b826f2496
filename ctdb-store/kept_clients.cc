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

SetupMessage message_of(SetupKind kind, UniqueFd descriptor = {}) {
  SetupMessage message;
  message.kind = kind;
  message.descriptor = std::move(descriptor);
  return message;
}

bool is_native(const SetupMessage& message) {
  return message.kind == SetupKind::kKeptClient && !message.channels.empty();
}

bool is_halves(const SetupMessage& message) {
  return message.kind == SetupKind::kHalfPackets;
}

}  // namespace

Result<void> KeptClients::take_notes(UniqueFd memory) {
  kept_.clear();
  halves_.reset();
  halves_memory_.reset();
  Result<std::unique_ptr<ClientNotes>> notes = ClientNotes::map(memory.get());
  if (!notes) return fail(std::move(notes.error()));
  notes_ = std::move(*notes);
  memory_ = std::move(memory);
  return {};
}

Result<void> KeptClients::take_halves(UniqueFd memory) {
  Result<std::unique_ptr<HalfPackets>> halves = HalfPackets::map(memory.get());
  if (!halves) return fail(std::move(halves.error()));
  halves_ = std::move(*halves);
  halves_memory_ = std::move(memory);
  return {};
}

void KeptClients::keep(SetupMessage message) {
  const uint32_t id = message.endpoint;
  if (notes_ != nullptr) kept_.insert_or_assign(id, std::move(message));
}

bool KeptClients::forget(uint32_t id) {
  const auto found = kept_.find(id);
  if (found == kept_.end()) return false;
  const bool classic = !is_native(found->second);
  kept_.erase(found);
  return classic;
}

Endpoints KeptClients::natives() const {
  Endpoints ids;
  for (const SetupMessage& message : waiting_) {
    if (is_native(message)) ids.insert(message.endpoint);
  }
  return ids;
}

// true: the next router can go on with it. Of a connection that is here the note says what the router has seen of it.
bool KeptClients::complete(ClientNote& note, uint32_t id, const AdoptedClients& adopted) {
  const NoteState state = note.state.load(std::memory_order_acquire);
  if (state != NoteState::kClean && state != NoteState::kHalf) return false;
  if (note.away.load(std::memory_order_relaxed) == 0) return !adopted.has(id);
  const auto hand_over = static_cast<uint16_t>(note.hand_over.load(std::memory_order_relaxed));
  const std::optional<AdoptedClients::Sight> sight = adopted.sight(id, hand_over);
  if (!sight || sight->to_router != note.from_store.load(std::memory_order_relaxed) ||
      sight->from_router != note.to_store.load(std::memory_order_relaxed)) {
    return false;
  }
  return complete_away(note, *sight);
}

// Only the store knows what such a client is in the middle of. Nobody else writes any more.
bool KeptClients::complete_away(ClientNote& note, const AdoptedClients::Sight& sight) {
  if (!sight.unfinished.empty()) {
    if (halves_ == nullptr || !halves_->keep(notes_->index_of(note), sight.unfinished)) return false;
    ClientNotes::mark(note, NoteState::kHalf);
  }
  if (sight.call.empty()) return true;
  if (!note.one_call().empty()) return false;
  std::ranges::copy(sight.call, note.call.begin());
  note.call_bytes.store(static_cast<uint32_t>(sight.call.size()), std::memory_order_relaxed);
  return true;
}

void KeptClients::router_is_gone(const AdoptedClients& adopted) {
  if (!waiting_.empty()) give_up("a router died before it had taken them");
  for (auto& [id, message] : kept_) {
    ClientNote* note = notes_->find(message.generation, id);
    if (is_native(message) || (note != nullptr && complete(*note, id, adopted))) {
      waiting_.push_back(std::move(message));
    } else {
      broken_.push_back(std::move(message.descriptor));
    }
  }
  kept_.clear();
  notes_.reset();
  halves_.reset();
  if (waiting_.empty() && broken_.empty()) return memory_.reset(), halves_memory_.reset();
  log_notice(std::to_string(waiting_.size()) + " clients wait for the next router; " +
             std::to_string(broken_.size()) + " were in the middle of something and will be ended");
  if (halves_memory_.valid())
    waiting_.push_front(message_of(SetupKind::kHalfPackets, std::move(halves_memory_)));
  waiting_.push_front(message_of(SetupKind::kClientNotes, std::move(memory_)));
  loop_.cancel(timer_);
  timer_ = loop_.at(loop_.now() + kWaitMax, [this] {
    timer_ = 0;
    give_up("no router has come");
  });
}

void KeptClients::nobody_fences() {
  const size_t ended = std::erase_if(waiting_, [](const SetupMessage& message) {
    if (message.kind != SetupKind::kKeptClient || is_native(message)) return false;
    shutdown(message.descriptor.get(), SHUT_RDWR);
    return true;
  });
  if (ended > 0)
    log_warning("the connections of " + std::to_string(ended) +
                " clients are ended: neither router nor keeper is left, so other nodes may have their "
                "records by now");
}

void KeptClients::router_is_back(uint32_t life, Takes takes) {
  const bool same = life != 0 && life == life_;
  life_ = life;
  if (same || !takes.natives) drop_natives(!same);
  if (same) {
    waiting_.clear();
    broken_.clear();
  }
  if (!takes.clients) return waiting_.empty() ? end_broken() : give_up("this router cannot take them");
  end_broken();
  // Such a router ends those that are in the middle of a packet: it does not know what their notes say.
  if (!takes.halves) std::erase_if(waiting_, is_halves);
  waiting_.push_back(message_of(SetupKind::kKeptEnd));
  give_some();
}

// A router that still has them makes new channels for them.
void KeptClients::drop_natives(bool end_them) {
  for (const SetupMessage& message : waiting_) {
    if (!is_native(message)) continue;
    if (end_them) shutdown(message.descriptor.get(), SHUT_RDWR);
    on_native_lost_(message.endpoint);
  }
  std::erase_if(waiting_, is_native);
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
  log_warning(std::string("the connections of clients are ended: ") + why);
  drop_natives(true);
  for (const SetupMessage& message : waiting_) {
    if (message.kind == SetupKind::kKeptClient) shutdown(message.descriptor.get(), SHUT_RDWR);
  }
  waiting_.clear();
  end_broken();
}

}  // namespace ctdb
