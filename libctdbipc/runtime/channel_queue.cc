// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbipc/runtime/channel_queue.h"

namespace ctdb {

Result<std::unique_ptr<ChannelQueue>> ChannelQueue::create(EventLoop& loop, ChannelFds fds, ChannelSide side,
                                                           size_t queue_bytes_max, OnFrame on_frame, OnDead on_dead) {
  Result<std::unique_ptr<Channel>> channel = Channel::open(std::move(fds), side);
  if (!channel) return fail(std::move(channel.error()));
  auto queue = std::unique_ptr<ChannelQueue>(
      new ChannelQueue(loop, std::move(*channel), queue_bytes_max, std::move(on_frame), std::move(on_dead)));
  ChannelQueue* self = queue.get();
  Result<void> added = loop.add_channel(self->channel_.get(), [self](size_t budget) { return self->drain(budget); });
  if (!added) return fail(std::move(added.error()));
  return queue;
}

ChannelQueue::ChannelQueue(EventLoop& loop, std::unique_ptr<Channel> channel, size_t queue_bytes_max, OnFrame on_frame,
                           OnDead on_dead)
    : loop_(loop), channel_(std::move(channel)), queue_bytes_max_(queue_bytes_max), on_frame_(std::move(on_frame)),
      on_dead_(std::move(on_dead)) {}

ChannelQueue::~ChannelQueue() {
  if (!paused_ && !dead_) loop_.remove_channel(channel_.get());
  if (destroyed_ != nullptr) *destroyed_ = true;
}

void ChannelQueue::die(const char* why) {
  if (dead_) return;
  dead_ = true;
  if (!paused_) loop_.remove_channel(channel_.get());
  // The owner destroys us in here or later; nothing of this object is touched afterwards.
  const OnDead on_dead = on_dead_;
  loop_.at(loop_.now(), [on_dead, why] { on_dead(why); });
}

void ChannelQueue::send(FrameInfo info, ByteView packet) {
  if (dead_) return;
  if (queue_.empty()) {
    switch (channel_->push(info, packet)) {
      case PushResult::kOk: return;
      case PushResult::kDead: return die(channel_->fault());
      case PushResult::kTooBig: return die("a packet is larger than half the ring");
      case PushResult::kFull: break;
    }
  }
  if (queued_bytes_ + packet.size() > queue_bytes_max_) return die("it does not read and its queue is full");
  queue_.push_back({info, to_bytes(packet)});
  queued_bytes_ += packet.size();
  channel_->want_space();
  empty_queue();  // space may have come between the two
}

void ChannelQueue::empty_queue() {
  while (!queue_.empty() && !dead_) {
    const Waiting& first = queue_.front();
    const PushResult pushed = channel_->push(first.info, first.packet);
    if (pushed == PushResult::kFull) return channel_->want_space();
    if (pushed != PushResult::kOk) return die(channel_->fault());
    queued_bytes_ -= first.packet.size();
    queue_.pop_front();
  }
}

size_t ChannelQueue::drain(size_t budget) {
  bool destroyed = false;
  destroyed_ = &destroyed;
  empty_queue();
  size_t done = 0;
  while (done < budget && !dead_) {
    const std::optional<Channel::Frame> frame = channel_->pop();
    if (!frame) break;
    ++done;
    on_frame_(*frame);
    if (destroyed) return done;
  }
  destroyed_ = nullptr;
  if (!dead_ && channel_->dead()) die(channel_->fault());
  return done;
}

void ChannelQueue::drain_last() {
  constexpr size_t kSmallestFrameBytes = 48;
  if (!dead_) drain(kDaemonRingBytes / kSmallestFrameBytes);
}

void ChannelQueue::pause() {
  if (paused_ || dead_) return;
  paused_ = true;
  loop_.remove_channel(channel_.get());
}

void ChannelQueue::resume() {
  if (!paused_ || dead_) return;
  paused_ = false;
  if (!loop_.add_channel(channel_.get(), [this](size_t budget) { return drain(budget); })) {
    die("its bell cannot be watched");
  }
}

}  // namespace ctdb
