// SPDX-License-Identifier: LGPL-3.0-or-later
// A thread for system calls that take as long as a disk or a network likes: a loop that waited for them would send no heart-beats.
// What it is given is done in order, one piece at a time, and shares nothing with the loop meanwhile.
#ifndef LIBCTDBIPC_RUNTIME_WORK_THREAD_H_
#define LIBCTDBIPC_RUNTIME_WORK_THREAD_H_

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>

#include "libctdbipc/base/result.h"
#include "libctdbipc/base/unique_fd.h"
#include "libctdbipc/runtime/event_loop.h"

namespace ctdb {

class WorkThread {
 public:
  // `purpose`, for who reads an error: "to connect queue pairs". Errors: kSystem (no descriptor), kLimit (no thread).
  static Result<std::unique_ptr<WorkThread>> start(EventLoop& loop, const std::string& purpose);
  // Waits for the piece it is at; of the others nothing is done any more, and of none is anything said.
  ~WorkThread();
  WorkThread(const WorkThread&) = delete;
  WorkThread& operator=(const WorkThread&) = delete;

  // work() runs in the thread and must not throw; then done(what it returned) in the loop, where it may not destroy this object.
  template <typename Work, typename Done>
  void run(Work work, Done done) {
    add(std::make_unique<Piece<Work, Done>>(std::move(work), std::move(done)));
  }
  // Something is not done, or it has not been told.
  bool busy() const { return under_way_ > 0; }

 private:
  struct Job {
    virtual ~Job() = default;
    virtual void work() = 0;
    virtual void done() = 0;
  };
  template <typename Work, typename Done>
  struct Piece : Job {
    Piece(Work does, Done tells) : work_(std::move(does)), done_(std::move(tells)) {}
    void work() override { result_.emplace(work_()); }
    void done() override { done_(std::move(*result_)); }
    Work work_;
    Done done_;
    std::optional<std::invoke_result_t<Work&>> result_;
  };
  using Jobs = std::deque<std::unique_ptr<Job>>;

  explicit WorkThread(EventLoop& loop) : loop_(loop) {}
  Result<void> begin(const std::string& purpose);
  void add(std::unique_ptr<Job> job);
  void work();
  void report();

  EventLoop& loop_;
  UniqueFd bell_;
  bool watched_ = false;
  size_t under_way_ = 0;  // the loop's
  std::mutex mutex_;      // of what follows
  std::condition_variable more_;
  Jobs waiting_, finished_;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace ctdb

#endif  // LIBCTDBIPC_RUNTIME_WORK_THREAD_H_
