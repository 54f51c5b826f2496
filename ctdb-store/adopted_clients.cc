// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-store/adopted_clients.h"

#include <algorithm>

#include "libctdbipc/runtime/log.h"
#include "libctdbipc/wire/packet.h"

namespace ctdb {
namespace {

constexpr uint32_t kPatience = 64;

}  // namespace

Result<void> AdoptedClients::share(UniqueFd memory) {
  Result<std::unique_ptr<ConnectionStates>> states = ConnectionStates::map(memory.get());
  if (!states) return fail(std::move(states.error()));
  states_ = std::move(*states);
  totals_ = told_ = {};
  skipped_before_ = connections_.skipped();
  return {};
}

void AdoptedClients::adopt(uint32_t endpoint, uint16_t hand_over, UniqueFd socket) {
  ConnectionSlot* slot = states_ == nullptr ? nullptr : states_->take(endpoint, hand_over);
  const bool added = slot != nullptr && clients_.count(endpoint) == 0 &&
                     connections_.add(endpoint, std::move(socket)).has_value();
  if (!added) {  // nothing was read: the router goes on with it
    if (slot != nullptr) retire(slot);
    return tell_router(ConnectionFrame::kReturned, endpoint, hand_over, 0);
  }
  Client client;
  client.slot = slot;
  client.hand_over = hand_over;
  client.patience = kPatience;
  clients_.emplace(endpoint, client);
  tell_router(ConnectionFrame::kTaken, endpoint, hand_over, states_->index_of(*slot));
}

void AdoptedClients::on_router_frame(FrameInfo info, ByteView packet) {
  const ConnectionFrame kind = connection_frame(info.flags);
  if (kind == ConnectionFrame::kPause || kind == ConnectionFrame::kResume) {
    router_pauses_ = kind == ConnectionFrame::kPause;
    return set_pause();
  }
  const auto found = clients_.find(info.endpoint);
  // One that was returned meanwhile: the router writes it itself.
  if (kind != ConnectionFrame::kPacket || found == clients_.end() ||
      found->second.hand_over != hand_over_of(info.flags)) {
    return;
  }
  touch(info.endpoint, found->second);
  lose_patience(found->second);
  connections_.send(info.endpoint, packet);
  ++found->second.to_write;
}

bool AdoptedClients::answer(uint32_t endpoint, ByteView packet) {
  const auto found = clients_.find(endpoint);
  if (found == clients_.end()) return false;
  Client& client = found->second;
  touch(endpoint, client);
  connections_.send(endpoint, packet);
  if (client.calls > 0) --client.calls;
  ++totals_.replies;
  return true;
}

// ---- what a client sends ----

void AdoptedClients::on_connection_ready(uint32_t endpoint) {
  touch(endpoint, clients_.at(endpoint));
}

void AdoptedClients::on_connection_packet(uint32_t endpoint, MutableBytes packet) {
  Client& client = clients_.at(endpoint);
  const bool call = read_header(packet).operation == static_cast<uint32_t>(Operation::REQ_CALL);
  if (call && parse_req_call(packet)) return take_call(endpoint, client, packet);
  if (is_deletion(packet)) {
    ++totals_.controls;
    client.patience = kPatience;
    return handlers_.to_core(endpoint, packet);
  }
  lose_patience(client);
  ++client.to_router;
  handlers_.to_router({endpoint, connection_flags(ConnectionFrame::kPacket, client.hand_over)}, packet);
}

void AdoptedClients::take_call(uint32_t endpoint, Client& client, MutableBytes packet) {
  client.call_kept = client.calls == 0 && packet.size() <= client.slot->call.size();
  if (client.call_kept) {
    std::copy(packet.begin(), packet.end(), client.slot->call.begin());
    client.slot->call_bytes.store(static_cast<uint32_t>(packet.size()), std::memory_order_relaxed);
  }
  ++client.calls;
  ++totals_.calls;
  client.patience = kPatience;
  handlers_.to_core(endpoint, packet);
}

// smbd says so two or three times for each file that it closes. The router would wake up to send it back here.
bool AdoptedClients::is_deletion(ByteView packet) const {
  const Header header = read_header(packet);
  if (header.operation != static_cast<uint32_t>(Operation::REQ_CONTROL)) return false;
  if (header.destnode != pnn_ && header.destnode != CTDB_CURRENT_NODE) return false;
  const std::optional<ReqControl> control = parse_req_control(packet);
  return control && control->opcode == static_cast<uint32_t>(Control::SCHEDULE_FOR_DELETION) &&
         (control->flags & CTDB_CONTROL_NOREPLY) != 0;
}

void AdoptedClients::lose_patience(Client& client) {
  if (client.patience > 0) --client.patience;
}

// Its packets went to the router before.
void AdoptedClients::on_connection_gone(uint32_t endpoint, bool cut) {
  const auto found = clients_.find(endpoint);
  const Client client = found->second;
  ConnectionStates::mark(*client.slot, ConnectionState::kBusy);
  clients_.erase(found);
  if (client.touched) std::erase(touched_, endpoint);
  retire(client.slot);
  tell_router(cut ? ConnectionFrame::kCut : ConnectionFrame::kEnded, endpoint, client.hand_over, 0);
}

// ---- what is said about it ----

void AdoptedClients::touch(uint32_t endpoint, Client& client) {
  if (client.touched) return;
  client.touched = true;
  ConnectionStates::mark(*client.slot, ConnectionState::kBusy);
  touched_.push_back(endpoint);
}

void AdoptedClients::tell_router(ConnectionFrame kind, uint32_t endpoint, uint16_t hand_over,
                                 uint64_t value) {
  uint8_t bytes[8];
  store(bytes, value);
  handlers_.to_router({endpoint, connection_flags(kind, hand_over)}, bytes);
}

void AdoptedClients::flush() {
  connections_.flush();
  if (handlers_.all_in_ring() && states_ != nullptr) {
    for (ConnectionSlot* slot : retired_) states_->give_back(*slot);
    retired_.clear();
  }
  std::erase_if(touched_, [this](uint32_t endpoint) { return settle(endpoint); });
  totals_.skipped = connections_.skipped() - skipped_before_;
  if (states_ != nullptr && totals_ != told_) states_->set_totals(told_ = totals_);
  set_pause();
}

// true: nothing changes before the next event of the connection.
bool AdoptedClients::settle(uint32_t endpoint) {
  Client& client = clients_.at(endpoint);
  if (!handlers_.all_in_ring()) return false;
  client.touched = false;
  if (!connections_.between_packets(endpoint)) return true;
  const bool one_call = client.calls == 1 && client.call_kept;
  if (client.calls > 0 && !one_call) return true;
  client.slot->written.store(client.to_write, std::memory_order_relaxed);
  ConnectionStates::mark(*client.slot, one_call ? ConnectionState::kOneCall : ConnectionState::kClean);
  if (client.patience == 0 && client.calls == 0) give_back(endpoint, client);
  return true;
}

void AdoptedClients::give_back(uint32_t endpoint, Client& client) {
  connections_.release(endpoint).reset();
  retire(client.slot);
  tell_router(ConnectionFrame::kReturned, endpoint, client.hand_over, client.to_write);
  clients_.erase(endpoint);
}

void AdoptedClients::set_pause() {
  const bool pause = router_pauses_ || held_ || !handlers_.all_in_ring();
  if (pause == paused_) return;
  paused_ = pause;
  connections_.pause(pause);
}

std::optional<AdoptedClients::Sight> AdoptedClients::sight(uint32_t endpoint, uint16_t hand_over) const {
  const auto found = clients_.find(endpoint);
  const std::optional<Unfinished> unfinished = connections_.unfinished(endpoint);
  if (found == clients_.end() || !unfinished) return std::nullopt;
  const Client& client = found->second;
  const bool one_call = client.calls == 1 && client.call_kept;
  if (client.hand_over != hand_over || (client.calls > 0 && !one_call)) return std::nullopt;
  Sight sight{client.to_router, client.to_write, {}, *unfinished};
  if (one_call) sight.call = ByteView(client.slot->call).first(client.slot->call_bytes);
  return sight;
}

void AdoptedClients::drop_all() {
  connections_.drop_all();
  clients_.clear();
  touched_.clear();
  retired_.clear();
  states_.reset();
  router_pauses_ = false;
  set_pause();
}

}  // namespace ctdb
