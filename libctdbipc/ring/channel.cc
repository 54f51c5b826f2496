// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbipc/ring/channel.h"

#include <fcntl.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <utility>

#include "libctdbipc/ring/segment.h"
#include "libctdbipc/ring/spsc_ring.h"

namespace ctdb {

struct Channel::State {
  State(Segment mapped, ChannelFds given, size_t out_ring)
      : segment(std::move(mapped)),
        fds(std::move(given)),
        out_control(segment.control(out_ring)),
        in_control(segment.control(1 - out_ring)),
        out(out_control, segment.data(out_ring)),
        in(in_control, segment.data(1 - out_ring)) {}

  Segment segment;
  ChannelFds fds;
  RingControl* out_control;
  RingControl* in_control;
  RingProducer out;
  RingConsumer in;
  Bytes packet;  // private copy of the packet popped last, or its pieces so far
  bool packet_is_whole = true;
  bool packet_too_long = false;
  bool skips = false;   // the rest of a packet that another process began to read
  uint32_t begins = 0;  // mark of the next frame
  Bytes rest;           // what of a large packet has not found room in the ring
  size_t rest_sent = 0;
  FrameInfo rest_info;
  size_t refused = 0;  // size of the packet that push() said kFull to last; 0 = none
  bool pushed = false;
  bool popped = false;
  bool rings_anyway = false;
  bool flush_wanted = false;
  std::function<void()> on_flush_wanted;
  uint64_t frames_in = 0;
  uint64_t frames_out = 0;
  uint64_t bells = 0;
};

Channel::Channel(std::unique_ptr<State> state) : state_(std::move(state)) {}
Channel::~Channel() = default;

Result<std::unique_ptr<Channel>> Channel::open(ChannelFds fds, ChannelSide side, ChannelLife life) {
  Result<Segment> segment = Segment::map(fds.segment.get());
  if (!segment) return fail(std::move(segment.error()));
  const size_t out_ring = side == ChannelSide::kServer ? 0 : 1;
  if (life == ChannelLife::kOne) fds.segment.reset();  // the mapping keeps it alive
  auto state = std::make_unique<State>(std::move(*segment), std::move(fds), out_ring);
  if (life != ChannelLife::kOne) state->in.release_each();
  if (life == ChannelLife::kTakenOver) {
    state->skips = state->in.began_in_packet();
    state->begins = kBegins;
    state->rings_anyway = true;  // the other side may have been killed between a frame and its bell
  }
  return std::unique_ptr<Channel>(new Channel(std::move(state)));
}

namespace {

constexpr size_t kKeptPacketBytes = 1u << 20;  // larger private buffers are given back after use

PushResult push_result(RingProducer::Outcome outcome) {
  switch (outcome) {
    case RingProducer::Outcome::kOk:
      return PushResult::kOk;
    case RingProducer::Outcome::kFull:
      return PushResult::kFull;
    case RingProducer::Outcome::kTooBig:
      return PushResult::kTooBig;
    case RingProducer::Outcome::kFault:
      break;
  }
  return PushResult::kDead;
}

}  // namespace

void Channel::on_flush_wanted(std::function<void()> wanted) {
  state_->on_flush_wanted = std::move(wanted);
}

void Channel::want_flush() {
  State& s = *state_;
  if (s.flush_wanted) return;
  s.flush_wanted = true;
  if (s.on_flush_wanted) s.on_flush_wanted();
}

PushResult Channel::push(FrameInfo info, ByteView packet) {
  State& s = *state_;
  if (packet.empty() || packet.size() > kPacketBytesMax) return PushResult::kTooBig;
  want_flush();
  if (!s.rest.empty() && !push_rest()) {
    s.refused = packet.size();
    return dead() ? PushResult::kDead : PushResult::kFull;
  }
  s.refused = 0;
  if (packet.size() > s.out.packet_bytes_max()) return push_large(info, packet);
  const PushResult result = push_result(s.out.push(info.endpoint, info.flags, packet, s.begins));
  if (result != PushResult::kOk) {
    if (result == PushResult::kFull) s.refused = packet.size();
    return result;
  }
  s.begins = 0;
  s.pushed = true;
  ++s.frames_out;
  return PushResult::kOk;
}

// Kept apart from the packet path: copies the packet and sends it in pieces, as the peer makes room.
PushResult Channel::push_large(FrameInfo info, ByteView packet) {
  State& s = *state_;
  if (s.out.fault() != RingFault::kNone) return PushResult::kDead;
  s.rest = to_bytes(packet);
  s.rest_sent = 0;
  s.rest_info = info;
  ++s.frames_out;
  push_rest();
  return dead() ? PushResult::kDead : PushResult::kOk;
}

// True when nothing is left to push. Otherwise the wish for space stands.
bool Channel::push_rest() {
  State& s = *state_;
  // Half of what may be pushed at once: the peer reads one piece while we write the next.
  const size_t piece_max = s.out.packet_bytes_max() / 2;
  bool wish_stands = false;
  while (s.rest_sent < s.rest.size()) {
    const size_t piece = std::min(piece_max, s.rest.size() - s.rest_sent);
    const uint32_t more = s.rest_sent + piece < s.rest.size() ? kMoreFollows : 0;
    const auto outcome = s.out.push(s.rest_info.endpoint, s.rest_info.flags,
                                    {s.rest.data() + s.rest_sent, piece}, more | s.begins);
    if (outcome == RingProducer::Outcome::kOk) {
      s.begins = 0;
      s.rest_sent += piece;
      s.pushed = true;
      continue;
    }
    if (outcome != RingProducer::Outcome::kFull || wish_stands) return false;
    want_space();
    wish_stands = true;  // space may have come before the wish was seen: one more look
  }
  s.rest = Bytes();
  return true;
}

bool Channel::unsent() const {
  return !state_->rest.empty();
}

size_t Channel::space() const {
  return state_->rest.empty() ? state_->out.space() : 0;
}

std::optional<Channel::Frame> Channel::pop() {
  State& s = *state_;
  if (s.packet_is_whole) {
    if (s.packet.capacity() > kKeptPacketBytes) s.packet = Bytes();
    s.packet.clear();
  }
  Frame frame;
  bool more = true;
  while (more) {
    if (s.packet_too_long || !s.in.pop(frame.info.endpoint, frame.info.flags, s.packet, more))
      return std::nullopt;
    s.popped = true;
    want_flush();
    if (s.skips) {
      s.skips = more;
      s.packet.clear();
      more = true;
      continue;
    }
    s.packet_is_whole = !more;
    s.packet_too_long = s.packet.size() > kPacketBytesMax;
  }
  if (s.packet_too_long) return std::nullopt;
  frame.packet = s.packet;
  ++s.frames_in;
  return frame;
}

void Channel::flush() {
  State& s = *state_;
  s.flush_wanted = false;
  if (!s.rest.empty()) push_rest();
  bool ring = std::exchange(s.rings_anyway, false);
  if (s.popped) {
    s.popped = false;
    s.in.release();
    // Pairs with the fence in want_space(): either we see the wish or the producer sees the space.
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (s.in_control->producer_waits.load(std::memory_order_relaxed) != 0 &&
        s.in_control->producer_waits.exchange(0, std::memory_order_relaxed) != 0) {
      ring = true;
    }
  }
  if (s.pushed) {
    s.pushed = false;
    // Pairs with the fence in arm(): either we see the peer armed or it sees our frame.
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (s.out_control->consumer_armed.load(std::memory_order_relaxed) != 0 &&
        s.out_control->consumer_armed.exchange(0, std::memory_order_relaxed) != 0) {
      ring = true;
    }
  }
  if (!ring) return;
  const uint64_t one = 1;
  // The counter cannot fill up (2^64 - 2), and a dead peer's bell is still a valid descriptor.
  (void)!write(s.fds.peer_bell.get(), &one, sizeof one);
  ++s.bells;
}

bool Channel::refused() const {
  return state_->refused != 0;
}

bool Channel::arm_for_space() {
  State& s = *state_;
  const bool had_rest = !s.rest.empty();
  flush();  // nobody sleeps on something the peer waits for
  if (dead()) return false;
  if (!s.rest.empty()) return true;  // the wish stands
  if (had_rest) return false;        // its owner may have waited for just this
  if (s.refused == 0) return true;
  want_space();
  return s.refused <= s.out.packet_bytes_max() && s.out.space() < s.refused;
}

bool Channel::arm() {
  State& s = *state_;
  if (!arm_for_space()) return false;
  s.in_control->consumer_armed.store(1, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_seq_cst);  // pairs with flush() of the peer
  if (!s.in.readable()) return true;
  s.in_control->consumer_armed.store(0, std::memory_order_relaxed);
  return false;
}

void Channel::disarm() {
  state_->in_control->consumer_armed.store(0, std::memory_order_relaxed);
}

void Channel::want_space() {
  state_->out_control->producer_waits.store(1, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_seq_cst);  // pairs with flush() of the consumer
}

DeathNotes& Channel::notes() {
  return state_->out_control->notes;
}
const DeathNotes& Channel::peer_notes() const {
  return state_->in_control->notes;
}

uint64_t Channel::write_position() const {
  return state_->out.position();
}
uint64_t Channel::read_position() const {
  return state_->in.position();
}

int Channel::bell_fd() const {
  return state_->fds.own_bell.get();
}

bool Channel::dead() const {
  return state_->packet_too_long || state_->in.fault() != RingFault::kNone ||
         state_->out.fault() != RingFault::kNone;
}

const char* Channel::fault() const {
  if (state_->packet_too_long) return "a packet is longer than any may be";
  const RingFault in = state_->in.fault();
  return ring_fault_text(in != RingFault::kNone ? in : state_->out.fault());
}

uint64_t Channel::frames_in() const {
  return state_->frames_in;
}
uint64_t Channel::frames_out() const {
  return state_->frames_out;
}
uint64_t Channel::bells_rung() const {
  return state_->bells;
}

namespace {

Result<UniqueFd> duplicate(const UniqueFd& fd) {
  UniqueFd copy(fcntl(fd.get(), F_DUPFD_CLOEXEC, 0));
  if (!copy.valid()) return fail_errno("dup");
  return copy;
}

}  // namespace

Result<ChannelFds> Channel::copy_ends() const {
  ChannelFds copy;
  for (const auto& [from, to] :
       {std::pair{&state_->fds.segment, &copy.segment}, std::pair{&state_->fds.own_bell, &copy.own_bell},
        std::pair{&state_->fds.peer_bell, &copy.peer_bell}}) {
    Result<UniqueFd> fd = duplicate(*from);
    if (!fd) return fail(std::move(fd.error()));
    *to = std::move(*fd);
  }
  return copy;
}

Result<ChannelPair> create_channel(size_t ring_bytes) {
  Result<UniqueFd> segment = Segment::create(ring_bytes);
  if (!segment) return fail(std::move(segment.error()));
  UniqueFd server_bell(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  UniqueFd client_bell(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!server_bell.valid() || !client_bell.valid()) return fail_errno("eventfd");
  Result<UniqueFd> segment_copy = duplicate(*segment);
  Result<UniqueFd> server_copy = duplicate(server_bell);
  Result<UniqueFd> client_copy = duplicate(client_bell);
  if (!segment_copy) return fail(std::move(segment_copy.error()));
  if (!server_copy) return fail(std::move(server_copy.error()));
  if (!client_copy) return fail(std::move(client_copy.error()));
  ChannelPair pair;
  pair.server = {std::move(*segment), std::move(server_bell), std::move(client_bell)};
  pair.client = {std::move(*segment_copy), std::move(*client_copy), std::move(*server_copy)};
  return pair;
}

}  // namespace ctdb
