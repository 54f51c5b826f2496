// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbipc/runtime/work_thread.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <system_error>

namespace ctdb {

Result<std::unique_ptr<WorkThread>> WorkThread::start(EventLoop& loop, const std::string& purpose) {
  std::unique_ptr<WorkThread> thread(new WorkThread(loop));
  if (Result<void> begun = thread->begin(purpose); !begun) return fail(std::move(begun.error()));
  return thread;
}

Result<void> WorkThread::begin(const std::string& purpose) {
  bell_.reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!bell_.valid()) return fail_errno("a descriptor " + purpose);
  if (Result<void> r = loop_.watch(bell_.get(), EPOLLIN, [this](uint32_t) { report(); }); !r) return r;
  watched_ = true;
  // Signals are the loop's.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  Result<void> begun;
  try {
    thread_ = std::thread([this] { work(); });
  } catch (const std::system_error& error) {
    begun = fail(ErrorCode::kLimit, "no thread " + purpose + " (" + error.what() + "): TasksMax");
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return begun;
}

WorkThread::~WorkThread() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  more_.notify_one();
  if (thread_.joinable()) thread_.join();
  if (watched_) loop_.unwatch(bell_.get());
}

void WorkThread::add(std::unique_ptr<Job> job) {
  ++under_way_;
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(std::move(job));
  }
  more_.notify_one();
}

void WorkThread::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    more_.wait(lock, [this] { return ending_ || !waiting_.empty(); });
    if (ending_) return;
    std::unique_ptr<Job> job = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    job->work();
    lock.lock();
    finished_.push_back(std::move(job));
    const uint64_t one = 1;
    (void)!write(bell_.get(), &one, sizeof one);
  }
}

void WorkThread::report() {
  uint64_t count = 0;
  (void)!read(bell_.get(), &count, sizeof count);
  Jobs finished;
  {
    const std::lock_guard lock(mutex_);
    finished.swap(finished_);
  }
  for (const std::unique_ptr<Job>& job : finished) {
    --under_way_;
    job->done();
  }
}

}  // namespace ctdb
