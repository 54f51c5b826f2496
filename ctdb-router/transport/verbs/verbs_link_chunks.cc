// SPDX-License-Identifier: GPL-3.0-or-later
// Chunks: the stream of packets over a queue pair, credits and heart-beat.
#include <algorithm>
#include <bit>

#include "ctdb-router/transport/verbs/verbs_link.h"
#include "libctdbipc/base/limits.h"

namespace ctdb {
namespace {

constexpr uint64_t kReserved = 2;     // credits for kTold only
constexpr uint64_t kSignalEvery = 8;  // a completion costs a look at the queue
constexpr uint64_t kWakeEvery =
    8;  // of a stream of chunks: the receiver's wake-ups are shared, and its credits come in time
// A wire that is cut is found by the device's retries of whatever was sent last, 0.4 s, so something must be sent often enough
// for both to be over within a second.
constexpr TimeNs kCheckInterval = 200 * kMillisecond;
constexpr int kChecksUnsentMax = 3;

static_assert(kChunkWindow > 2 * kSignalEvery + kReserved);
static_assert(kChunkWindow >= 4 * kWakeEvery);

}  // namespace

// ---- sending ----

bool VerbsLink::send(ByteView packet) {
  if (phase_ != Phase::kVerbs && phase_ != Phase::kFallen) return false;
  packets_.add(packet);
  ++packets_out_;
  return true;
}

bool VerbsLink::may_post(uint64_t reserve, uint64_t before) const {
  const uint64_t next = posted_ + before;
  return next + reserve < limit_ && next - sent_ < kChunkWindow;
}

bool VerbsLink::waits_for_room() const {
  return phase_ == Phase::kVerbs && packets_.unsent_bytes() > 0 && posted_ - sent_ >= kChunkWindow;
}

bool VerbsLink::post(ChunkKind kind, ByteView payload, TimeNs now, bool more) {
  const ChunkHeader header{kind, posted_, consumed_ + kChunkWindow, received_};
  ChunkPost how;
  how.signalled = kind == ChunkKind::kPing || posted_ % kSignalEvery == kSignalEvery - 1;
  how.wakes = !more || posted_ % kWakeEvery == kWakeEvery - 1;
  if (!out_.post(header, payload, how)) {
    fall("the device takes no more to send", now);
    return false;
  }
  ++posted_;
  told_ = header.limit;
  posted_since_check_ = true;
  return true;
}

void VerbsLink::flush(TimeNs now) {
  if (phase_ != Phase::kVerbs) return;
  if (pong_due_ && may_post(kReserved)) {
    uint8_t echo[8];
    store(echo, *pong_due_);
    pong_due_.reset();
    if (!post(ChunkKind::kPong, echo, now)) return;
  }
  while (packets_.unsent_bytes() > 0 && may_post(kReserved)) {
    const ByteView piece = packets_.unsent(payload_max_);
    const bool more = packets_.unsent_bytes() > piece.size() && may_post(kReserved, 1);
    if (!post(ChunkKind::kData, piece, now, more)) return;
    packets_.sent(piece.size());
  }
  const bool owed = consumed_ + kChunkWindow - told_ >= kChunkWindow / 2;
  if (owed && may_post(0)) post(ChunkKind::kTold, {}, now);
}

void VerbsLink::on_sent(uint64_t sequence) {
  if (phase_ == Phase::kVerbs && sequence < posted_) sent_ = std::max(sent_, sequence + 1);
}

// ---- receiving ----

// What the other side says of our direction. Returns what is wrong with it, nullptr if nothing.
const char* VerbsLink::take_header(const ChunkHeader& header) {
  if (header.sequence != arrived_) return "a chunk out of order";
  if (arrived_ >= told_) return "more chunks than there are buffers for";
  if (header.limit < limit_ || header.limit > posted_ + their_window_) return "an impossible credit";
  if (!packets_.received(header.received)) return "an impossible count of packets";
  // What came with the chunks whose buffers are free again has arrived, but for the beginning of a packet.
  if (packets_.unacknowledged_bytes() > kPacketBytesMax + their_window_ * payload_max_)
    return "credits for packets that it does not say it has";
  limit_ = header.limit;
  ++arrived_;
  return nullptr;
}

void VerbsLink::on_chunk(ByteView chunk, TimeNs now) {
  if (phase_ != Phase::kVerbs && phase_ != Phase::kAccepted) return;
  const std::optional<ChunkHeader> header = decode_chunk_header(chunk);
  if (!header) return fall("the other side wrote garbage into a receive buffer", now);
  if (const char* fault = take_header(*header); fault != nullptr)
    return fall(std::string("the other side sent ") + fault, now);
  if (switched_) consumed_ = arrived_;
  const ByteView payload = chunk.subspan(kChunkHeaderBytes);
  switch (header->kind) {
    case ChunkKind::kData:
      take(payload);
      if (switched_) deliver();
      return;
    case ChunkKind::kTold:
      return;
    case ChunkKind::kPing:
      pong_due_ = load<uint64_t>(payload.data());
      return;
    case ChunkKind::kPong:
      if (ping_sent_ == 0 || load<uint64_t>(payload.data()) != static_cast<uint64_t>(ping_sent_)) return;
      count_round_trip(now - ping_sent_);
      ping_sent_ = 0;
  }
}

void VerbsLink::take(ByteView bytes) {
  while (!bytes.empty()) {
    const MutableBytes room = reader_->room();
    const size_t part = std::min(room.size(), bytes.size());
    std::copy_n(bytes.begin(), part, room.begin());
    reader_->received(part);
    bytes = bytes.subspan(part);
  }
}

// A packet may end the link.
void VerbsLink::deliver() {
  MutableBytes packet;
  while (phase_ == Phase::kVerbs) {
    switch (reader_->next(packet)) {
      case FrameReader::Next::kMore:
        return;
      case FrameReader::Next::kFault:
        return out_.cut(reader_->fault());
      case FrameReader::Next::kPacket:
        ++received_;
        ++packets_in_;
        if (!out_.deliver(packet)) return out_.cut("it sent a packet that breaks the rules of links");
    }
  }
}

// ---- heart-beat ----

// A side that only waits hears nothing of a wire that is cut. Counts checks, not seconds: our own stall is not the other's fault.
void VerbsLink::heartbeat(TimeNs now) {
  next_check_ = now + kCheckInterval;
  const bool ping_stays = ping_sent_ != 0 && sent_ <= ping_;
  // With a full queue nothing can be sent that would find out.
  const bool all_stay = waits_for_room() && sent_ == sent_at_check_;
  sent_at_check_ = sent_;
  if (ping_stays || all_stay) {
    if (++checks_ >= kChecksUnsentMax)
      fall(ping_stays ? "a heart-beat did not leave the device" : "its chunks do not leave the device", now);
    return;
  }
  checks_ = 0;
  if (std::exchange(posted_since_check_, false) || !may_post(kReserved)) return;
  ping_ = posted_;
  ping_sent_ = now;
  uint8_t bytes[8];
  store(bytes, static_cast<uint64_t>(now));
  post(ChunkKind::kPing, bytes, now);
  posted_since_check_ = false;
}

void VerbsLink::count_round_trip(TimeNs took) {
  const auto microseconds = static_cast<uint64_t>(std::max<TimeNs>(took, 0) / kMicrosecond);
  const size_t bits = static_cast<size_t>(std::bit_width(microseconds));
  ++round_trips_[std::min(bits, kRoundTripClasses - 1)];
}

}  // namespace ctdb
