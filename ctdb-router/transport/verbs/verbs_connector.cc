// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-router/transport/verbs/verbs_connector.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <system_error>
#include <utility>

namespace ctdb {
namespace {

int connect_pair(VerbsConnector::Work& work) {
  const int error = ibv_modify_qp(work.pair, &work.receive, work.receive_mask);
  return error != 0 ? error : ibv_modify_qp(work.pair, &work.send, work.send_mask);
}

}  // namespace

Result<std::unique_ptr<VerbsConnector>> VerbsConnector::start(EventLoop& loop, Done done) {
  std::unique_ptr<VerbsConnector> connector(new VerbsConnector(loop, std::move(done)));
  if (Result<void> begun = connector->begin(); !begun) return fail(std::move(begun.error()));
  return connector;
}

Result<void> VerbsConnector::begin() {
  bell_.reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!bell_.valid()) return fail_errno("a descriptor to connect queue pairs");
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
    begun = fail(ErrorCode::kLimit,
                 std::string("no thread to connect queue pairs (") + error.what() + "): TasksMax");
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return begun;
}

VerbsConnector::~VerbsConnector() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  more_.notify_one();
  if (thread_.joinable()) thread_.join();
  if (watched_) loop_.unwatch(bell_.get());
}

void VerbsConnector::connect(uint32_t number, const Work& work) {
  ++under_way_;
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back({number, work});
  }
  more_.notify_one();
}

void VerbsConnector::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    more_.wait(lock, [this] { return ending_ || !waiting_.empty(); });
    if (ending_) return;
    Item item = waiting_.front();
    waiting_.pop_front();
    lock.unlock();
    item.error = connect_pair(item.work);
    lock.lock();
    finished_.push_back(item);
    const uint64_t one = 1;
    (void)!write(bell_.get(), &one, sizeof one);
  }
}

void VerbsConnector::report() {
  uint64_t count = 0;
  (void)!read(bell_.get(), &count, sizeof count);
  std::deque<Item> finished;
  {
    const std::lock_guard lock(mutex_);
    finished.swap(finished_);
  }
  for (const Item& item : finished) {
    --under_way_;
    done_(item.number, item.error);
  }
}

}  // namespace ctdb
