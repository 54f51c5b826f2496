// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-store/peer_streams.h"

#include <algorithm>

#include "libctdbipc/base/assert.h"
#include "libctdbipc/base/limits.h"
#include "libctdbipc/wire/later_release.h"
#include "libctdbipc/wire/operations.h"

namespace ctdb {
namespace {

// Long enough for the recovery that follows a start or a new link, which takes the stream into use by itself.
constexpr TimeNs kUnusedPatience = 300 * kMillisecond;

}  // namespace

PeerStreams::PeerStreams(EventLoop& loop, uint32_t self, Handlers handlers)
    : loop_(loop), self_(self), handlers_(std::move(handlers)) {}

PeerStreams::~PeerStreams() {
  for (auto& [pnn, peer] : peers_) loop_.cancel(peer.unused_timer);
}

void PeerStreams::adopt(uint32_t pnn, UniqueFd socket) {
  if (pnn >= kNodesMax || pnn == self_) return;
  Peer& peer = peers_.try_emplace(pnn, *this, pnn).first->second;
  close(peer);
  peer.stream = std::make_unique<PacketStream>(loop_, std::make_unique<PlainStream>(std::move(socket)), peer);
  peer.stream->accept_all();
  peer.used_from = handlers_.generation() + 1;
  peer.unused_timer = loop_.at(loop_.now() + kUnusedPatience, [this, &peer] { check_used(peer); });
  if (Result<void> started = peer.stream->start(false); !started) on_broken(peer, started.error().text());
}

void PeerStreams::check_used(Peer& peer) {
  peer.unused_timer = 0;
  if (peer.stream != nullptr && peer.used_from > handlers_.generation()) handlers_.on_unused(peer.pnn);
}

void PeerStreams::drop(uint32_t pnn) {
  if (const auto found = peers_.find(pnn); found != peers_.end()) close(found->second);
}

void PeerStreams::drop_all() {
  for (auto& [pnn, peer] : peers_) close(peer);
}

void PeerStreams::close(Peer& peer) {
  if (peer.stream == nullptr) return;
  loop_.cancel(peer.unused_timer);
  peer.unused_timer = 0;
  if (peer.used_from <= handlers_.generation()) peer.lost_through = handlers_.generation();
  peer.stream->close();
  closed_.push_back(std::move(peer.stream));
}

void PeerStreams::on_broken(Peer& peer, const std::string& why) {
  close(peer);
  handlers_.on_broken(peer.pnn, why);
}

void PeerStreams::on_packet(Peer& peer, MutableBytes packet) {
  const Header header = read_header(packet);
  // What a later release says the store passes over, and counts.
  const bool good = is_record_operation(header.operation) || is_of_later_release(header.operation);
  if (!good || !source_fits(packet, header, peer.pnn, self_)) {
    return on_broken(peer, "it sent a packet that breaks the rules of record streams");
  }
  handlers_.on_packet(peer.pnn, packet);
}

PeerStreams::Way PeerStreams::send(uint32_t pnn, ByteView packet) {
  const auto found = peers_.find(pnn);
  if (found == peers_.end()) return Way::kRouter;
  Peer& peer = found->second;
  const Header header = read_header(packet);
  if (!is_record_operation(header.operation)) return Way::kRouter;
  CTDB_ASSERT(packet.size() % 8 == 0);  // links want it (wire-protocol §1.3), and our builders pad
  if (header.generation <= peer.lost_through) return Way::kNowhere;
  if (peer.stream == nullptr || header.generation < peer.used_from) return Way::kRouter;
  if (!peer.dirty) {
    peer.dirty = true;
    dirty_.push_back(&peer);
  }
  peer.stream->add(Lane::kData, packet);
  return Way::kSent;
}

void PeerStreams::flush() {
  for (size_t i = 0; i < dirty_.size(); ++i) {
    Peer& peer = *dirty_[i];
    peer.dirty = false;
    if (peer.stream == nullptr) continue;
    if (peer.stream->queued_bytes() > kLinkQueueBytesMax) {
      on_broken(peer, "it does not read and its queue is full");
    } else {
      peer.stream->flush();
    }
  }
  dirty_.clear();
  closed_.clear();
}

size_t PeerStreams::queued_bytes() const {
  size_t most = 0;
  for (const auto& [pnn, peer] : peers_) {
    if (peer.stream != nullptr) most = std::max(most, peer.stream->queued_bytes());
  }
  return most;
}

std::vector<uint32_t> PeerStreams::nodes() const {
  std::vector<uint32_t> found;
  for (const auto& [pnn, peer] : peers_) {
    if (peer.stream != nullptr) found.push_back(pnn);
  }
  return found;
}

}  // namespace ctdb
