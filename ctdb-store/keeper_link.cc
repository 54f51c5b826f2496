// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-store/keeper_link.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <utility>

#include "libctdbipc/runtime/log.h"
#include "libctdbipc/runtime/setup_socket.h"

namespace ctdb {
namespace {

// Before one that could not be made, or ended at once, is made again.
constexpr TimeNs kRetryDelay = 100 * kMillisecond;

SetupMessage introduction() {
  SetupMessage message;
  message.kind = SetupKind::kRequest;
  message.role = DaemonRole::kStore;
  return message;
}

}  // namespace

KeeperLink::KeeperLink(EventLoop& loop, NodePage& page, KeeperOptions options, std::function<void()> on_new)
    : loop_(loop), page_(page), options_(std::move(options)), on_new_(std::move(on_new)) {}

KeeperLink::~KeeperLink() {
  loop_.cancel(retry_timer_);
  if (socket_.valid()) loop_.unwatch(socket_.get());
}

Result<void> KeeperLink::start() {
  Result<UniqueFd> old = connect_unix(options_.socket_path);
  if (!old || !send_setup(old->get(), introduction())) return fork_one();
  log_notice("the keeper of the store before is on duty, process " + std::to_string(page_.keeper_pid()));
  child_ = 0;
  return adopt(std::move(*old));
}

Result<void> KeeperLink::fork_one() {
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) != 0)
    return fail_errno("socketpair for the keeper");
  UniqueFd ours(fds[0]), theirs(fds[1]);
  const pid_t pid = fork();
  if (pid < 0) return fail_errno("fork of the keeper");
  if (pid == 0) run_keeper(options_, page_, theirs.get());
  child_ = pid;
  return adopt(std::move(ours));
}

Result<void> KeeperLink::adopt(UniqueFd socket) {
  socket_ = std::move(socket);
  made_at_ = loop_.now();
  return loop_.watch(socket_.get(), EPOLLIN | EPOLLRDHUP, [this](uint32_t) { on_readable(); });
}

// It says nothing; what can be read is its end.
void KeeperLink::on_readable() {
  if (Result<std::optional<SetupMessage>> message = receive_setup(socket_.get()); message) return;
  lost();
}

void KeeperLink::lost() {
  log_warning("the keeper is gone; native clients wait until there is another");
  let_go();
  if (loop_.now() - made_at_ >= kRetryDelay) return replace();
  replace_later();
}

// It may live: then it is found by its socket, and not waited for.
void KeeperLink::let_go() {
  loop_.unwatch(socket_.get());
  socket_.reset();
  if (child_ != 0) former_.push_back(std::exchange(child_, 0));
  reap();
}

void KeeperLink::reap() {
  std::erase_if(former_, [](pid_t pid) { return waitpid(pid, nullptr, WNOHANG) != 0; });
}

void KeeperLink::replace() {
  const Result<void> started = start();
  if (started) return on_new_();
  log_error(started.error().text());
  replace_later();
}

void KeeperLink::replace_later() {
  loop_.cancel(retry_timer_);
  retry_timer_ = loop_.at(loop_.now() + kRetryDelay, [this] {
    retry_timer_ = 0;
    replace();
  });
}

bool KeeperLink::hold(uint32_t pnn, UniqueFd wire) {
  reap();
  if (!socket_.valid()) return false;
  SetupMessage message;
  message.kind = SetupKind::kKeeperWire;
  message.endpoint = pnn;
  message.descriptor = std::move(wire);
  const Result<void> sent = send_setup(socket_.get(), message);
  if (sent) return true;
  // It must not go on duty, or stay there, without a wire that others rely on: all once more.
  log_warning("the keeper does not take a wire: " + sent.error().text());
  let_go();
  replace_later();
  return false;
}

void KeeperLink::ready(uint32_t router) {
  if (!socket_.valid()) return;
  SetupMessage message;
  message.kind = SetupKind::kKeeperReady;
  message.generation = router;
  if (Result<void> sent = send_setup(socket_.get(), message); !sent) log_warning(sent.error().text());
}

}  // namespace ctdb
