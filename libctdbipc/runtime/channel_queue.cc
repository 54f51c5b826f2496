// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbipc/runtime/channel_queue.h"

namespace ctdb {
namespace {

constexpr char kTooBigText[] = "a packet for it is larger than any may be";

}  // namespace

Result<std::unique_ptr<ChannelQueue>> ChannelQueue::create(EventLoop& loop, ChannelFds fds, ChannelSide side,
                                                           size_t queue_bytes_max, OnFrame on_frame,
                                                           OnDead on_dead, ChannelLife life) {
  Result<std::unique_ptr<Channel>> channel = Channel::open(std::move(fds), side, life);
  if (!channel) return fail(std::move(channel.error()));
  auto queue = std::unique_ptr<ChannelQueue>(
      new ChannelQueue(loop, std::move(*channel), queue_bytes_max, std::move(on_frame), std::move(on_dead)));
  ChannelQueue* self = queue.get();
  Result<void> added =
      loop.add_channel(self->channel_.get(), [self](size_t budget) { return self->drain(budget); });
  if (!added) return fail(std::move(added.error()));
  return queue;
}

ChannelQueue::ChannelQueue(EventLoop& loop, std::unique_ptr<Channel> channel, size_t queue_bytes_max,
                           OnFrame on_frame, OnDead on_dead)
    : loop_(loop),
      channel_(std::move(channel)),
      queue_bytes_max_(queue_bytes_max),
      on_frame_(std::move(on_frame)),
      on_dead_(std::move(on_dead)) {}

ChannelQueue::~ChannelQueue() {
  loop_.cancel(death_);
  if (!dead_) loop_.remove_channel(channel_.get());
  if (draining_ == nullptr) return;
  draining_->destroyed = true;
  draining_->channel = std::move(channel_);
}

void ChannelQueue::die(const char* why) {
  if (dead_) return;
  dead_ = true;
  loop_.remove_channel(channel_.get());
  queue_.clear();
  queued_bytes_ = 0;
  death_ = loop_.at(loop_.now(), [this, why] {
    death_ = 0;
    const OnDead on_dead = std::move(on_dead_);  // the owner may destroy us in here
    on_dead(why);
  });
}

void ChannelQueue::send(FrameInfo info, ByteView packet) {
  if (dead_) return;
  if (queue_.empty()) {
    switch (channel_->push(info, packet)) {
      case PushResult::kOk:
        return;
      case PushResult::kDead:
        return die(channel_->fault());
      case PushResult::kTooBig:
        return die(kTooBigText);
      case PushResult::kFull:
        break;
    }
  }
  if (queued_bytes_ + packet.size() > queue_bytes_max_) return die("it does not read and its queue is full");
  queue_.push_back({info, to_bytes(packet)});
  queued_bytes_ += packet.size();
}

void ChannelQueue::empty_queue() {
  while (!queue_.empty() && !dead_) {
    const Waiting& first = queue_.front();
    const PushResult pushed = channel_->push(first.info, first.packet);
    if (pushed == PushResult::kFull) return;  // the loop drains us again when the peer has made room
    if (pushed != PushResult::kOk)
      return die(pushed == PushResult::kTooBig ? kTooBigText : channel_->fault());
    queued_bytes_ -= first.packet.size();
    queue_.pop_front();
  }
}

size_t ChannelQueue::drain(size_t budget) {
  Draining draining;
  draining_ = &draining;
  // A callback that destroys us must not destroy itself or the frame it looks at: both are ours until it
  // returns.
  OnFrame on_frame = std::move(on_frame_);
  empty_queue();
  size_t done = 0;
  while (done < budget && !paused_ && !dead_) {
    const std::optional<Channel::Frame> frame = channel_->pop();
    if (!frame) break;
    ++done;
    on_frame(*frame);
    if (draining.destroyed) return done;
  }
  on_frame_ = std::move(on_frame);
  draining_ = nullptr;
  if (channel_->dead()) die(channel_->fault());
  return done;
}

void ChannelQueue::drain_last() {
  constexpr size_t kSmallestFrameBytes = 32;  // a header and a word about a connection
  if (dead_ || draining_ != nullptr) return;
  paused_ = false;
  drain(kDaemonRingBytes / kSmallestFrameBytes);
}

void ChannelQueue::pause() {
  if (paused_) return;
  paused_ = true;
  if (!dead_) loop_.pause_channel(channel_.get());
}

void ChannelQueue::resume() {
  if (!paused_) return;
  paused_ = false;
  if (!dead_) loop_.resume_channel(channel_.get());
}

}  // namespace ctdb
