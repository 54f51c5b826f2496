// SPDX-License-Identifier: LGPL-3.0-or-later
// A channel in an event loop with a bounded queue in front of it: what does not fit into the ring now waits
// here, in order, and nothing is dropped silently. Every daemon talks to rings through this.
#ifndef LIBCTDBIPC_RUNTIME_CHANNEL_QUEUE_H_
#define LIBCTDBIPC_RUNTIME_CHANNEL_QUEUE_H_

#include <deque>
#include <functional>
#include <memory>

#include "libctdbipc/ring/channel.h"
#include "libctdbipc/runtime/event_loop.h"

namespace ctdb {

class ChannelQueue {
 public:
  // May send, pause, and destroy this object; the frame stays valid until the callback returns.
  using OnFrame = std::function<void(const Channel::Frame&)>;
  // Called once, from the loop and never out of send(), when the channel broke its rules or the queue
  // overflowed; the owner then destroys this object from a later turn or at once. Not called after
  // destruction.
  using OnDead = std::function<void(const char* why)>;

  static Result<std::unique_ptr<ChannelQueue>> create(EventLoop& loop, ChannelFds fds, ChannelSide side,
                                                      size_t queue_bytes_max, OnFrame on_frame,
                                                      OnDead on_dead, ChannelLife life = ChannelLife::kOne);
  ~ChannelQueue();
  ChannelQueue(const ChannelQueue&) = delete;
  ChannelQueue& operator=(const ChannelQueue&) = delete;

  // Copies the packet into the ring, or into the queue when the ring is full. The bell rings at the end of
  // the turn.
  void send(FrameInfo info, ByteView packet);
  // Stops and resumes reading (back-pressure); sending goes on, and what waits in the queue still leaves.
  void pause();
  void resume();
  // The peer is gone: hands out what it had sent before, at most a ring full (a peer that lives on in secret cannot
  // keep us here).
  void drain_last();
  const DeathNotes& peer_notes() const { return channel_->peer_notes(); }
  size_t queued_bytes() const { return queued_bytes_; }
  // Channel::copy_ends(), Channel::read_position().
  Result<ChannelFds> copy_ends() const { return channel_->copy_ends(); }
  uint64_t read_position() const { return channel_->read_position(); }
  // Everything that was sent is in the ring.
  bool all_in_ring() const { return queue_.empty() && !channel_->unsent(); }

 private:
  ChannelQueue(EventLoop& loop, std::unique_ptr<Channel> channel, size_t queue_bytes_max, OnFrame on_frame,
               OnDead on_dead);
  size_t drain(size_t budget);
  void empty_queue();
  void die(const char* why);

  struct Waiting {
    FrameInfo info;
    Bytes packet;
  };
  struct Draining {
    bool destroyed = false;
    std::unique_ptr<Channel> channel;  // kept until the callback that destroyed us has returned
  };

  EventLoop& loop_;
  std::unique_ptr<Channel> channel_;
  size_t queue_bytes_max_;
  OnFrame on_frame_;
  OnDead on_dead_;
  std::deque<Waiting> queue_;
  size_t queued_bytes_ = 0;
  bool paused_ = false;
  bool dead_ = false;
  EventLoop::TimerId death_ = 0;
  Draining* draining_ = nullptr;  // set while drain() runs
};

}  // namespace ctdb

#endif  // LIBCTDBIPC_RUNTIME_CHANNEL_QUEUE_H_
