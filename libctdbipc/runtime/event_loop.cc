// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbipc/runtime/event_loop.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <time.h>

#include <algorithm>
#include <deque>
#include <map>
#include <unordered_map>

#include "libctdbipc/base/unique_fd.h"
#include "libctdbipc/ring/boot_time.h"
#include "libctdbipc/runtime/loop_channels.h"

namespace ctdb {
namespace {

constexpr size_t kDrainBudget = 256;  // frames per channel and turn
constexpr int kEventsPerWait = 64;

// Events carry {generation, descriptor}: an event of a descriptor that was closed and whose number was used
// again in the same batch must not reach the new owner.
struct FdSource {
  uint32_t generation;
  EventLoop::FdCallback callback;
};

uint64_t event_key(uint32_t generation, int fd) {
  return (uint64_t{generation} << 32) | static_cast<uint32_t>(fd);
}

class EpollLoop : public EventLoop {
 public:
  Result<void> init();

  Result<void> watch(int fd, uint32_t events, FdCallback callback) override;
  Result<void> rewatch(int fd, uint32_t events) override;
  void unwatch(int fd) override;
  Result<void> add_channel(Channel* channel, DrainCallback drain) override;
  void pause_channel(Channel* channel) override { channels_.pause(channel); }
  void resume_channel(Channel* channel) override { channels_.resume(channel); }
  void remove_channel(Channel* channel) override;
  void add_flush_hook(std::function<void()> hook) override { flush_hooks_.push_back(std::move(hook)); }
  void add_idle_hook(std::function<bool()> hook) override { idle_hooks_.push_back(std::move(hook)); }
  TimerId at(TimeNs deadline, std::function<void()> callback) override;
  void cancel(TimerId id) override;
  void on_terminate(std::function<void()> hook) override { terminate_ = std::move(hook); }
  void on_reload(std::function<void()> hook) override { reload_ = std::move(hook); }
  TimeNs now() const override { return now_; }
  Result<void> run() override;
  void stop() override { stopped_ = true; }
  void stay_awake_until(TimeNs until) override { awake_until_ = until; }
  uint64_t wakeups() const override { return wakeups_; }

 private:
  size_t run_timers();
  bool idle_work();
  void flush();
  Result<void> wait(bool may_sleep);
  void dispatch(uint64_t key, uint32_t events);
  void read_signals();

  UniqueFd epoll_;
  UniqueFd signals_;
  // Shared so that a callback stays alive while it runs, even if it unwatches itself.
  std::unordered_map<int, std::shared_ptr<FdSource>> fds_;
  LoopChannels channels_;
  uint32_t next_generation_ = 1;
  // Deques: a hook that adds a hook does not move the one that runs.
  std::deque<std::function<void()>> flush_hooks_;
  std::deque<std::function<bool()>> idle_hooks_;
  std::map<std::pair<TimeNs, TimerId>, std::function<void()>> timers_;
  std::unordered_map<TimerId, TimeNs> timer_deadlines_;
  TimerId next_timer_ = 1;
  std::function<void()> terminate_ = [this] { stop(); };
  std::function<void()> reload_ = [] {};
  TimeNs now_ = 0;
  TimeNs awake_until_ = 0;
  bool stopped_ = false;
  uint64_t wakeups_ = 0;
};

Result<void> EpollLoop::init() {
  epoll_.reset(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_.valid()) return fail_errno("epoll_create1");
  signal(SIGPIPE, SIG_IGN);
  sigset_t set;
  sigemptyset(&set);
  for (int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, number);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  signals_.reset(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals_.valid()) return fail_errno("signalfd");
  now_ = boot_time();
  return watch(signals_.get(), EPOLLIN, [this](uint32_t) { read_signals(); });
}

void EpollLoop::read_signals() {
  signalfd_siginfo info;
  while (read(signals_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    // A copy: the hook may replace itself.
    const std::function<void()> hook = info.ssi_signo == SIGHUP ? reload_ : terminate_;
    hook();
  }
}

Result<void> EpollLoop::watch(int fd, uint32_t events, FdCallback callback) {
  const uint32_t generation = next_generation_++;
  epoll_event event{};
  event.events = events;
  event.data.u64 = event_key(generation, fd);
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) return fail_errno("watching a descriptor");
  fds_[fd] = std::make_shared<FdSource>(FdSource{generation, std::move(callback)});
  return {};
}

Result<void> EpollLoop::rewatch(int fd, uint32_t events) {
  const auto found = fds_.find(fd);
  if (found == fds_.end()) return fail(ErrorCode::kNotFound, "descriptor is not watched");
  epoll_event event{};
  event.events = events;
  event.data.u64 = event_key(found->second->generation, fd);
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) != 0) return fail_errno("re-watching a descriptor");
  return {};
}

void EpollLoop::unwatch(int fd) {
  if (fds_.erase(fd) > 0) epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

Result<void> EpollLoop::add_channel(Channel* channel, DrainCallback drain) {
  const uint32_t generation = next_generation_++;
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;
  event.data.u64 = event_key(generation, channel->bell_fd());
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, channel->bell_fd(), &event) != 0) {
    return fail_errno("watching a channel's bell");
  }
  channels_.add(channel, std::move(drain), generation);
  return {};
}

void EpollLoop::remove_channel(Channel* channel) {
  if (channels_.remove(channel)) epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, channel->bell_fd(), nullptr);
}

EventLoop::TimerId EpollLoop::at(TimeNs deadline, std::function<void()> callback) {
  const TimerId id = next_timer_++;
  timers_.emplace(std::make_pair(deadline, id), std::move(callback));
  timer_deadlines_.emplace(id, deadline);
  return id;
}

void EpollLoop::cancel(TimerId id) {
  auto found = timer_deadlines_.find(id);
  if (found == timer_deadlines_.end()) return;
  timers_.erase({found->second, id});
  timer_deadlines_.erase(found);
}

size_t EpollLoop::run_timers() {
  size_t done = 0;
  const TimerId made_meanwhile = next_timer_;  // a callback that asks for "now" gets the next turn
  while (!timers_.empty() && timers_.begin()->first.first <= now_ && done < kDrainBudget) {
    if (timers_.begin()->first.second >= made_meanwhile) break;
    auto node = timers_.extract(timers_.begin());
    timer_deadlines_.erase(node.key().second);
    node.mapped()();
    ++done;
  }
  return done;
}

bool EpollLoop::idle_work() {
  bool more = false;
  for (auto& hook : idle_hooks_) more = hook() || more;
  return more;
}

void EpollLoop::flush() {
  for (auto& hook : flush_hooks_) hook();
  channels_.flush();
}

void EpollLoop::dispatch(uint64_t key, uint32_t events) {
  const int fd = static_cast<int>(key & 0xFFFFFFFFu);
  const uint32_t generation = static_cast<uint32_t>(key >> 32);
  if (channels_.rang(fd, generation)) return;
  if (const auto found = fds_.find(fd); found != fds_.end()) {
    const std::shared_ptr<FdSource> source = found->second;
    if (source->generation == generation) source->callback(events);
  }
}

Result<void> EpollLoop::wait(bool may_sleep) {
  timespec limit{0, 0};
  const timespec* timeout = &limit;
  if (may_sleep) {
    if (timers_.empty()) {
      timeout = nullptr;
    } else {
      const TimeNs left = std::max<TimeNs>(0, timers_.begin()->first.first - boot_time());
      limit.tv_sec = left / kSecond;
      limit.tv_nsec = left % kSecond;
    }
  }
  epoll_event events[kEventsPerWait];
  const int count = epoll_pwait2(epoll_.get(), events, kEventsPerWait, timeout, nullptr);
  if (count < 0 && errno != EINTR) return fail_errno("epoll_pwait2");
  now_ = boot_time();
  if (may_sleep) {
    ++wakeups_;
    channels_.awake();
  }
  for (int i = 0; i < count; ++i) dispatch(events[i].data.u64, events[i].events);
  return {};
}

Result<void> EpollLoop::run() {
  uint32_t turns_without_wait = 0;
  bool first = true;
  now_ = boot_time();
  while (!stopped_) {
    const size_t timers = run_timers();
    const size_t frames = channels_.drain(kDrainBudget);
    const bool more = idle_work();
    // Even a turn that only handled descriptors may have queued something.
    flush();
    // While rings keep filling up the descriptors are looked at every fourth turn; otherwise arm, look again
    // and sleep: a frame that arrives meanwhile makes arm() fail.
    const bool busy = first || more || (frames > 0 && !channels_.arm());
    first = false;
    if (busy && ++turns_without_wait < 4) {
      now_ = boot_time();
      continue;
    }
    turns_without_wait = 0;
    const bool stays_awake = awake_until_ != 0 && boot_time() < awake_until_;
    if (!stays_awake) awake_until_ = 0;  // no clock is read again before somebody asks anew
    const bool may_sleep = !stopped_ && !busy && !stays_awake && timers < kDrainBudget && channels_.arm();
    if (Result<void> waited = wait(may_sleep); !waited) return waited;
  }
  flush();
  stopped_ = false;
  return {};
}

}  // namespace

Result<std::unique_ptr<EventLoop>> EventLoop::create() {
  auto loop = std::make_unique<EpollLoop>();
  if (Result<void> ready = loop->init(); !ready) return fail(std::move(ready.error()));
  return std::unique_ptr<EventLoop>(std::move(loop));
}

}  // namespace ctdb
