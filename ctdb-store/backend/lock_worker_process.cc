// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-store/backend/lock_worker_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <memory>
#include <string>

#include "ctdb-store/backend/process_start.h"
#include "ctdb-store/backend/tdb_handle.h"
#include "libctdbipc/base/limits.h"
#include "libctdbipc/runtime/log.h"

namespace ctdb {
namespace {

constexpr size_t kPathBytesMax = 4096;
constexpr size_t kOrderBytesMax = sizeof(LockOrderHead) + kPathBytesMax + kKeyBytesMax;
constexpr int kSocket = 3;

class Worker {
 public:
  [[noreturn]] void run();

 private:
  void lock(const LockOrderHead& head, ByteView rest);
  void unlock();
  Result<TdbHandle*> file(const std::string& path, int open_flags);
  void tell(LockNews news, uint64_t ticket, const std::string& text = "");

  std::map<std::string, TdbHandle> files_;
  TdbHandle* held_ = nullptr;
  Bytes key_;
  uint64_t ticket_ = 0;
};

void Worker::tell(LockNews news, uint64_t ticket, const std::string& text) {
  LockNewsMessage message;
  message.news = news;
  message.pid = getpid();
  message.ticket = ticket;
  text.copy(message.text, sizeof message.text - 1);
  // The store is gone: leaving frees the lock.
  if (::send(kSocket, &message, sizeof message, 0) < 0) _exit(0);
}

bool same_file(const TdbHandle& handle) {
  struct stat open_one, named_one;
  return fstat(handle.descriptor(), &open_one) == 0 && stat(handle.path().c_str(), &named_one) == 0 &&
         open_one.st_dev == named_one.st_dev && open_one.st_ino == named_one.st_ino;
}

Result<TdbHandle*> Worker::file(const std::string& path, int open_flags) {
  const auto found = files_.find(path);
  if (found != files_.end()) {
    if (same_file(found->second)) return &found->second;
    files_.erase(found);  // the file was replaced by another of its name
  }
  Result<TdbHandle> opened = TdbHandle::open(path, 0, open_flags, false);
  if (!opened) return fail(std::move(opened.error()));
  return &files_.emplace(path, std::move(*opened)).first->second;
}

void Worker::lock(const LockOrderHead& head, ByteView rest) {
  const std::string path(as_text(rest.first(head.path_size)));
  key_ = to_bytes(rest.subspan(head.path_size, head.key_size));
  Result<TdbHandle*> tdb = file(path, head.open_flags);
  if (!tdb) return tell(LockNews::kFailed, head.ticket, tdb.error().text());
  if (Result<void> locked = (*tdb)->lock_waiting(key_); !locked) {
    return tell(LockNews::kFailed, head.ticket, locked.error().text());
  }
  held_ = *tdb;
  ticket_ = head.ticket;
  tell(LockNews::kLocked, head.ticket);
}

void Worker::unlock() {
  if (held_ != nullptr) held_->unlock(key_);
  held_ = nullptr;
}

void Worker::run() {
  tell(LockNews::kHello, 0);
  // Memory that no order has needed is none.
  const auto buffer = std::make_unique_for_overwrite<uint8_t[]>(kOrderBytesMax);
  for (;;) {
    const ssize_t got = recv(kSocket, buffer.get(), kOrderBytesMax, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < static_cast<ssize_t>(sizeof(LockOrderHead))) _exit(0);
    LockOrderHead head;
    std::memcpy(&head, buffer.get(), sizeof head);
    const ByteView rest(buffer.get() + sizeof head, static_cast<size_t>(got) - sizeof head);
    if (head.order == LockOrder::kUnlock) {
      if (head.ticket == ticket_) unlock();
    } else if (uint64_t{head.path_size} + head.key_size == rest.size()) {
      lock(head, rest);
    } else {
      tell(LockNews::kFailed, head.ticket, "lock worker: malformed order");
    }
  }
}

// The descriptor that came with a message, -1: the store is gone.
int receive_descriptor(int socket) {
  char byte;
  iovec part{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = sizeof control;
  ssize_t got;
  do {
    got = recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  const cmsghdr* c = got > 0 ? CMSG_FIRSTHDR(&header) : nullptr;
  if (c == nullptr || c->cmsg_type != SCM_RIGHTS) return -1;
  int fd;
  std::memcpy(&fd, CMSG_DATA(c), sizeof fd);
  return fd;
}

}  // namespace

void run_lock_spawner(int socket, pid_t parent) {
  become_helper("ctdb-lock-worker", socket, kSocket);
  settle_in(parent, "ctdb-lock-spawn");
  signal(SIGCHLD, SIG_IGN);  // nobody waits for workers
  for (;;) {
    const int fd = receive_descriptor(kSocket);
    if (fd < 0) _exit(0);
    const pid_t self = getpid();
    if (fork() == 0) {
      dup2(fd, kSocket);
      close(fd);
      settle_in(self, "ctdb-lock");
      Worker().run();
    }
    close(fd);  // a failed fork shows as the end of the new worker's socket
  }
}

}  // namespace ctdb
