// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbipc/ring/channel.h"

#include <fcntl.h>
#include <sys/eventfd.h>

#include "libctdbipc/ring/segment.h"
#include "libctdbipc/ring/spsc_ring.h"

namespace ctdb {

struct Channel::State {
  State(Segment mapped, ChannelFds given, size_t out_ring)
      : segment(std::move(mapped)), fds(std::move(given)), out_control(segment.control(out_ring)),
        in_control(segment.control(1 - out_ring)), out(out_control, segment.data(out_ring)),
        in(in_control, segment.data(1 - out_ring)) {}

  Segment segment;
  ChannelFds fds;
  RingControl* out_control;
  RingControl* in_control;
  RingProducer out;
  RingConsumer in;
  Bytes packet;  // private copy of the frame popped last
  bool pushed = false;
  bool popped = false;
  uint64_t frames_in = 0;
  uint64_t frames_out = 0;
  uint64_t bells = 0;
};

Channel::Channel(std::unique_ptr<State> state) : state_(std::move(state)) {}
Channel::~Channel() = default;

Result<std::unique_ptr<Channel>> Channel::open(ChannelFds fds, ChannelSide side) {
  Result<Segment> segment = Segment::map(fds.segment.get());
  if (!segment) return fail(std::move(segment.error()));
  const size_t out_ring = side == ChannelSide::kServer ? 0 : 1;
  fds.segment.reset();  // the mapping keeps it alive
  auto state = std::make_unique<State>(std::move(*segment), std::move(fds), out_ring);
  return std::unique_ptr<Channel>(new Channel(std::move(state)));
}

PushResult Channel::push(FrameInfo info, ByteView packet) {
  switch (state_->out.push(info.endpoint, info.flags, packet)) {
    case RingProducer::Outcome::kOk: break;
    case RingProducer::Outcome::kFull: return PushResult::kFull;
    case RingProducer::Outcome::kTooBig: return PushResult::kTooBig;
    case RingProducer::Outcome::kFault: return PushResult::kDead;
  }
  state_->pushed = true;
  ++state_->frames_out;
  return PushResult::kOk;
}

size_t Channel::space() const { return state_->out.space(); }

std::optional<Channel::Frame> Channel::pop() {
  Frame frame;
  if (!state_->in.pop(frame.info.endpoint, frame.info.flags, state_->packet)) return std::nullopt;
  frame.packet = state_->packet;
  state_->popped = true;
  ++state_->frames_in;
  return frame;
}

void Channel::flush() {
  State& s = *state_;
  bool ring = false;
  if (s.popped) {
    s.popped = false;
    s.in.release();
    // Pairs with the fence in want_space(): either we see the wish or the producer sees the space.
    std::atomic_thread_fence(std::memory_order_seq_cst);
    ring = s.in_control->producer_waits.load(std::memory_order_relaxed) != 0 &&
           s.in_control->producer_waits.exchange(0, std::memory_order_relaxed) != 0;
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

bool Channel::arm() {
  State& s = *state_;
  s.in_control->consumer_armed.store(1, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_seq_cst);  // pairs with flush() of the peer
  if (!s.in.readable()) return true;
  s.in_control->consumer_armed.store(0, std::memory_order_relaxed);
  return false;
}

void Channel::disarm() { state_->in_control->consumer_armed.store(0, std::memory_order_relaxed); }

void Channel::want_space() {
  state_->out_control->producer_waits.store(1, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_seq_cst);  // pairs with flush() of the consumer
}

int Channel::bell_fd() const { return state_->fds.own_bell.get(); }

bool Channel::dead() const {
  return state_->in.fault() != RingFault::kNone || state_->out.fault() != RingFault::kNone;
}

const char* Channel::fault() const {
  const RingFault in = state_->in.fault();
  return ring_fault_text(in != RingFault::kNone ? in : state_->out.fault());
}

uint64_t Channel::frames_in() const { return state_->frames_in; }
uint64_t Channel::frames_out() const { return state_->frames_out; }
uint64_t Channel::bells_rung() const { return state_->bells; }

namespace {

Result<UniqueFd> duplicate(const UniqueFd& fd) {
  UniqueFd copy(fcntl(fd.get(), F_DUPFD_CLOEXEC, 0));
  if (!copy.valid()) return fail_errno("dup");
  return copy;
}

}  // namespace

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
