// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-store/backend/lock_workers.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "ctdb-store/backend/lock_worker_process.h"
#include "ctdb-store/backend/tdb_handle.h"
#include "libctdbipc/runtime/log.h"

namespace ctdb {
namespace {

// Before a worker that died without having said hello is made again (the machine is out of processes, say).
constexpr TimeNs kRespawnDelay = kSecond;
// A request without a worker for so long gets one of its own, up to kWorkersMax; the surplus goes when it was
// not needed for kShrinkDelay.
constexpr TimeNs kGrowDelay = 5 * kMillisecond;
constexpr TimeNs kShrinkDelay = 5 * kSecond;
constexpr size_t kWorkersMax = 256;

struct SocketPair {
  UniqueFd ours, theirs;
};

Result<SocketPair> socket_pair() {
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0) return fail_errno("socketpair");
  return SocketPair{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

bool send_descriptor(int socket, int fd) {
  char byte = 0;
  iovec part{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof fd)] = {};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = sizeof control;
  cmsghdr* c = CMSG_FIRSTHDR(&header);
  c->cmsg_level = SOL_SOCKET;
  c->cmsg_type = SCM_RIGHTS;
  c->cmsg_len = CMSG_LEN(sizeof fd);
  std::memcpy(CMSG_DATA(c), &fd, sizeof fd);
  return sendmsg(socket, &header, MSG_NOSIGNAL | MSG_DONTWAIT) == 1;
}

Bytes lock_order(uint64_t ticket, const std::string& path, int open_flags, ByteView key) {
  LockOrderHead head;
  head.order = LockOrder::kLock;
  head.open_flags = open_flags;
  head.ticket = ticket;
  head.path_size = static_cast<uint32_t>(path.size());
  head.key_size = static_cast<uint32_t>(key.size());
  Bytes packet(sizeof head);
  std::memcpy(packet.data(), &head, sizeof head);
  packet.insert(packet.end(), path.begin(), path.end());
  packet.insert(packet.end(), key.begin(), key.end());
  return packet;
}

}  // namespace

LockWorkers::LockWorkers(EventLoop& loop, size_t workers, Handlers handlers)
    : loop_(loop), size_(workers), handlers_(std::move(handlers)) {}

Result<std::unique_ptr<LockWorkers>> LockWorkers::start(EventLoop& loop, size_t workers, Handlers handlers) {
  tdb_mutexes_usable();  // asked here so that the workers inherit the answer
  auto pool = std::unique_ptr<LockWorkers>(new LockWorkers(loop, workers, std::move(handlers)));
  if (Result<void> started = pool->start_spawner(); !started) return fail(std::move(started.error()));
  for (size_t i = 0; i < workers; ++i) {
    pool->workers_.push_back(std::make_unique<Worker>());
    if (Result<void> spawned = pool->spawn(*pool->workers_.back()); !spawned)
      return fail(std::move(spawned.error()));
  }
  return pool;
}

LockWorkers::~LockWorkers() {
  for (const EventLoop::TimerId timer : {retry_timer_, grow_timer_, shrink_timer_}) loop_.cancel(timer);
  for (auto& worker : workers_) {
    if (worker->socket.valid()) loop_.unwatch(worker->socket.get());
  }
  if (!spawner_.valid()) return;
  loop_.unwatch(spawner_.get());
  spawner_.reset();  // it ends, and its workers with it
  waitpid(spawner_pid_, nullptr, 0);
}

Result<void> LockWorkers::start_spawner() {
  Result<SocketPair> pair = socket_pair();
  if (!pair) return fail(std::move(pair.error()));
  const pid_t self = getpid();
  const pid_t pid = fork();
  if (pid < 0) return fail_errno("fork of the lock workers' spawner");
  if (pid == 0) run_lock_spawner(pair->theirs.get(), self);
  spawner_pid_ = pid;
  spawner_ = std::move(pair->ours);
  return loop_.watch(spawner_.get(), EPOLLIN, [this](uint32_t) { on_spawner_gone(); });
}

// Something killed it (it took its workers along). Forking again from here costs more than at start-up, but
// that is better than a store that cannot wait for locks.
void LockWorkers::on_spawner_gone() {
  loop_.unwatch(spawner_.get());
  spawner_.reset();
  waitpid(spawner_pid_, nullptr, 0);
  log_error("the lock workers' spawner (pid " + std::to_string(spawner_pid_) +
            ") was killed; starting another");
  if (Result<void> started = start_spawner(); !started) log_error(started.error().text());
}

Result<void> LockWorkers::spawn(Worker& worker) {
  if (!spawner_.valid()) return fail(ErrorCode::kDisconnected, "no lock workers' spawner");
  Result<SocketPair> pair = socket_pair();
  if (!pair) return fail(std::move(pair.error()));
  if (!send_descriptor(spawner_.get(), pair->theirs.get())) return fail_errno("asking for a lock worker");
  worker.socket = std::move(pair->ours);
  worker.pid = 0;
  return loop_.watch(worker.socket.get(), EPOLLIN, [this, &worker](uint32_t) { on_readable(worker); });
}

void LockWorkers::spawn_missing() {
  retry_timer_ = 0;
  if (!spawner_.valid()) {
    if (Result<void> started = start_spawner(); !started) log_error(started.error().text());
  }
  bool all = true;
  for (auto& worker : workers_) all = (worker->socket.valid() || spawn(*worker)) && all;
  if (!all) retry_timer_ = loop_.at(loop_.now() + kRespawnDelay, [this] { spawn_missing(); });
  assign();
}

void LockWorkers::grow_later() {
  if (grow_timer_ == 0 && workers_.size() < kWorkersMax) {
    grow_timer_ = loop_.at(loop_.now() + kGrowDelay, [this] { grow(); });
  }
}

void LockWorkers::grow() {
  grow_timer_ = 0;
  if (queue_.empty() || retry_timer_ != 0) return;
  workers_.push_back(std::make_unique<Worker>());
  spawn_missing();
  shrink_later();
}

void LockWorkers::shrink_later() {
  loop_.cancel(shrink_timer_);
  shrink_timer_ = 0;
  if (workers_.size() > size_) shrink_timer_ = loop_.at(loop_.now() + kShrinkDelay, [this] { shrink(); });
}

void LockWorkers::shrink() {
  for (size_t i = workers_.size(); i-- > 0 && workers_.size() > size_;) {
    if (workers_[i]->state == State::kIdle) remove(*workers_[i]);
  }
  shrink_later();
}

// The end of its socket is what a worker leaves at.
void LockWorkers::remove(Worker& worker) {
  if (worker.socket.valid()) loop_.unwatch(worker.socket.get());
  std::erase_if(workers_, [&](const auto& one) { return one.get() == &worker; });
}

void LockWorkers::on_readable(Worker& worker) {
  uint8_t buffer[sizeof(LockNewsMessage)];
  for (;;) {
    const ssize_t got = recv(worker.socket.get(), buffer, sizeof buffer, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) break;
    if (got != static_cast<ssize_t>(sizeof buffer)) return on_gone(worker);
    on_reply(worker, buffer);
  }
  assign();
}

void LockWorkers::on_reply(Worker& worker, ByteView bytes) {
  LockNewsMessage message;
  std::memcpy(&message, bytes.data(), sizeof message);
  if (message.news == LockNews::kHello) {
    worker.pid = message.pid;
    return;
  }
  if (worker.state != State::kWaiting || message.ticket != worker.request.ticket) return;
  if (message.news == LockNews::kLocked) {
    worker.state = State::kHolding;
    if (worker.abandoned) return release(worker);
    return handlers_.on_locked(message.ticket);
  }
  worker.state = State::kIdle;
  message.text[sizeof message.text - 1] = '\0';
  if (!worker.abandoned) handlers_.on_lost(message.ticket, message.text);
}

void LockWorkers::on_gone(Worker& worker) {
  loop_.unwatch(worker.socket.get());
  worker.socket.reset();
  const bool had_started = worker.pid != 0;
  const State state = std::exchange(worker.state, State::kIdle);
  const uint64_t ticket = worker.request.ticket;
  if (state == State::kWaiting && !worker.abandoned) queue_.push_front(std::move(worker.request));
  log_warning("lock worker " + std::to_string(worker.pid) + " is gone" +
              (state == State::kHolding ? " with a lock it held" : "") + "; making another");
  // It is this process's child if the spawner died and this is process 1, as in a container. Else that asks for nobody.
  if (had_started) waitpid(worker.pid, nullptr, 0);
  worker.pid = 0;
  if (had_started) {
    spawn_missing();
  } else if (retry_timer_ == 0) {
    retry_timer_ = loop_.at(loop_.now() + kRespawnDelay, [this] { spawn_missing(); });
  }
  if (state == State::kHolding) handlers_.on_lost(ticket, "the lock worker was killed");
}

bool LockWorkers::send(Worker& worker, ByteView bytes) {
  // A worker's socket holds one order at the most when it is idle or holding, so this never waits.
  return ::send(worker.socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
}

void LockWorkers::assign() {
  for (auto& worker : workers_) {
    if (queue_.empty()) return;
    if (worker->state != State::kIdle || !worker->socket.valid()) continue;
    if (!send(*worker, queue_.front().packet)) continue;  // its end will be read soon
    worker->request = std::move(queue_.front());
    queue_.pop_front();
    worker->state = State::kWaiting;
    worker->abandoned = false;
  }
  if (!queue_.empty()) grow_later();
}

void LockWorkers::release(Worker& worker) {
  LockOrderHead head;
  head.order = LockOrder::kUnlock;
  head.ticket = worker.request.ticket;
  send(worker, {reinterpret_cast<const uint8_t*>(&head), sizeof head});
  worker.state = State::kIdle;
}

void LockWorkers::lock(uint64_t ticket, const std::string& path, int open_flags, ByteView key) {
  queue_.push_back({ticket, lock_order(ticket, path, open_flags, key)});
  assign();
}

void LockWorkers::unlock(uint64_t ticket) {
  if (std::erase_if(queue_, [&](const Request& request) { return request.ticket == ticket; }) > 0) return;
  for (auto& worker : workers_) {
    if (worker->state == State::kIdle || worker->request.ticket != ticket) continue;
    if (worker->state == State::kWaiting) {
      worker->abandoned = true;
      return;
    }
    release(*worker);
    return assign();
  }
}

size_t LockWorkers::waiting() const {
  return queue_.size() +
         static_cast<size_t>(std::count_if(workers_.begin(), workers_.end(), [](const auto& worker) {
           return worker->state == State::kWaiting && !worker->abandoned;
         }));
}

std::vector<pid_t> LockWorkers::pids() const {
  std::vector<pid_t> pids;
  for (const auto& worker : workers_) {
    if (worker->pid != 0) pids.push_back(worker->pid);
  }
  return pids;
}

}  // namespace ctdb
