// SPDX-License-Identifier: LGPL-3.0-or-later
// The one loop of a daemon: epoll, timers, signals and rings. One thread. A turn drains once every source in which
// something happens, bounded in work, then calls the flush hooks (writev per link, one bell per channel), then sleeps
// when nothing is left. Channels in which nothing happens cost a turn nothing, however many there are.
//
// A sleeping process uses no CPU: there is no periodic tick unless a timer asks for it.
#ifndef LIBCTDBIPC_RUNTIME_EVENT_LOOP_H_
#define LIBCTDBIPC_RUNTIME_EVENT_LOOP_H_

#include <cstdint>
#include <functional>
#include <memory>

#include "libctdbipc/base/result.h"
#include "libctdbipc/base/time.h"

namespace ctdb {

class Channel;

class EventLoop {
 public:
  static Result<std::unique_ptr<EventLoop>> create();
  virtual ~EventLoop() = default;

  // Watches a descriptor; `events` are EPOLL* bits. The callback gets the bits that fired. The descriptor
  // stays the caller's and must be unwatched before it is closed. It is safe to unwatch anything from inside
  // any callback.
  using FdCallback = std::function<void(uint32_t events)>;
  virtual Result<void> watch(int fd, uint32_t events, FdCallback callback) = 0;
  virtual Result<void> rewatch(int fd, uint32_t events) = 0;
  virtual void unwatch(int fd) = 0;

  // Watches a channel: `drain` is called when frames may be there; it pops at most `budget` frames and
  // returns how many it did. The loop arms the channel before it sleeps and flushes it at the end of each
  // turn. A channel stays the caller's and must be removed before it is destroyed.
  using DrainCallback = std::function<size_t(size_t budget)>;
  virtual Result<void> add_channel(Channel* channel, DrainCallback drain) = 0;
  virtual void remove_channel(Channel* channel) = 0;
  // A paused channel is still flushed and its bell is still watched, but frames that arrive neither keep the
  // loop awake nor wake it: `drain` is called only when the bell rings, which then means space in the
  // outgoing ring, or after a push() that was refused, and must not pop.
  virtual void pause_channel(Channel* channel) = 0;
  virtual void resume_channel(Channel* channel) = 0;

  // Called at the end of each turn that did work, before the channels are flushed: write what was queued.
  virtual void add_flush_hook(std::function<void()> hook) = 0;
  // Asked before sleeping; returns true when there is more work to do now (bounded slices of a scan, say).
  virtual void add_idle_hook(std::function<bool()> hook) = 0;

  // One-shot timers with nanosecond deadlines on now()'s clock. Cancelling an id that fired or is 0 does
  // nothing.
  using TimerId = uint64_t;
  virtual TimerId at(TimeNs deadline, std::function<void()> callback) = 0;
  virtual void cancel(TimerId id) = 0;

  // SIGTERM and SIGINT call this (default: stop()). SIGHUP calls the hook set by on_reload.
  virtual void on_terminate(std::function<void()> hook) = 0;
  virtual void on_reload(std::function<void()> hook) = 0;

  // CLOCK_BOOTTIME, read once per turn and once more after every wait.
  virtual TimeNs now() const = 0;

  // Runs until stop(), and may be called again afterwards. Returns an error only when epoll itself fails.
  virtual Result<void> run() = 0;
  virtual void stop() = 0;

  // Looks again instead of sleeping until then; 0: sleeps as usual. kNever: it does not sleep any more.
  virtual void stay_awake_until(TimeNs until) = 0;

  virtual uint64_t wakeups() const = 0;  // times it slept and woke
};

}  // namespace ctdb

#endif  // LIBCTDBIPC_RUNTIME_EVENT_LOOP_H_
