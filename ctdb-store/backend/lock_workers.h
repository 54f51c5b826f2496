// SPDX-License-Identifier: GPL-3.0-or-later
// Waits for chain locks in the store's place: a small pool of processes, each of which waits in libtdb for
// one lock at a time, holds it and says so. The store's shell is the only caller, from its loop.
//
// The pool grows for a while when all of its processes are stuck: their locks may be held by clients that
// wait for an answer of this store, which in turn waits in the queue. A pool of fixed size could so wait for
// itself.
//
// The processes are made by a small process of their own (the spawner), forked at start-up before the store
// has grown, so that the store itself does not fork while it serves.
//
// Invariants:
//  1. on_locked(ticket) means: a worker holds the chain until unlock(ticket), or until on_lost(ticket).
//  2. Requests get a worker in the order they came. A worker that dies while it waits is replaced and its
//  request
//     starts again; one that dies while it holds is reported, its lock is free by then.
//  3. All of them die with the store (PR_SET_PDEATHSIG), and their locks with them.
#ifndef CTDB_STORE_BACKEND_LOCK_WORKERS_H_
#define CTDB_STORE_BACKEND_LOCK_WORKERS_H_

#include <sys/types.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "libctdbipc/base/bytes.h"
#include "libctdbipc/base/result.h"
#include "libctdbipc/base/unique_fd.h"
#include "libctdbipc/runtime/event_loop.h"

namespace ctdb {

class LockWorkers {
 public:
  struct Handlers {
    std::function<void(uint64_t ticket)> on_locked;
    // The lock is not held (any more): the worker died or libtdb refused. Called from the loop.
    std::function<void(uint64_t ticket, const std::string& why)> on_lost;
  };
  // Forks. Call it before anything else of the store is made.
  static Result<std::unique_ptr<LockWorkers>> start(EventLoop& loop, size_t workers, Handlers handlers);
  ~LockWorkers();
  LockWorkers(const LockWorkers&) = delete;
  LockWorkers& operator=(const LockWorkers&) = delete;

  // Tickets are the caller's numbers; one that is in use must not be used again.
  void lock(uint64_t ticket, const std::string& path, int open_flags, ByteView key);
  // Gives the lock back, or takes the request back; afterwards the ticket is not heard of again.
  void unlock(uint64_t ticket);

  size_t waiting() const;           // requests without a lock yet
  std::vector<pid_t> pids() const;  // workers that are up, for tests and logs

 private:
  struct Request {
    uint64_t ticket = 0;
    Bytes packet;  // as it goes to the worker
  };
  enum class State : uint8_t { kIdle, kWaiting, kHolding };
  struct Worker {
    UniqueFd socket;
    pid_t pid = 0;  // 0: has not said hello yet
    State state = State::kIdle;
    bool abandoned = false;  // kWaiting, but nobody wants the lock any more
    Request request;
  };

  LockWorkers(EventLoop& loop, size_t workers, Handlers handlers);
  Result<void> start_spawner();
  void on_spawner_gone();
  Result<void> spawn(Worker& worker);
  void spawn_missing();
  void grow_later();
  void grow();
  void shrink_later();
  void shrink();
  void remove(Worker& worker);
  void on_readable(Worker& worker);
  void on_reply(Worker& worker, ByteView bytes);
  void on_gone(Worker& worker);
  void release(Worker& worker);
  void assign();
  bool send(Worker& worker, ByteView bytes);

  EventLoop& loop_;
  size_t size_;  // workers that are always there
  Handlers handlers_;
  UniqueFd spawner_;
  pid_t spawner_pid_ = 0;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::deque<Request> queue_;
  EventLoop::TimerId retry_timer_ = 0;   // set while a worker could not be made
  EventLoop::TimerId grow_timer_ = 0;    // set while requests wait for a worker
  EventLoop::TimerId shrink_timer_ = 0;  // set while there are more than size_
};

}  // namespace ctdb

#endif  // CTDB_STORE_BACKEND_LOCK_WORKERS_H_
