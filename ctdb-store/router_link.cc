// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-store/router_link.h"

#include <sys/epoll.h>

#include <algorithm>
#include <utility>

#include "libctdbipc/runtime/log.h"

namespace ctdb {
namespace {

constexpr TimeNs kRetryMin = 20 * kMillisecond;
constexpr TimeNs kRetryMax = kSecond;
constexpr int kAnswerTimeoutMs = 1000;

}  // namespace

RouterLink::RouterLink(EventLoop& loop, std::string path, Handlers handlers)
    : loop_(loop), path_(std::move(path)), handlers_(std::move(handlers)), retry_after_(kRetryMin) {}

RouterLink::~RouterLink() {
  loop_.cancel(retry_timer_);
  if (socket_.valid()) loop_.unwatch(socket_.get());
}

void RouterLink::connect() {
  retry_timer_ = 0;
  if (Result<void> connected = try_connect(); !connected) {
    if (!complained_) log_warning("no router yet: " + connected.error().text());
    complained_ = true;
    return retry_later();
  }
  retry_after_ = kRetryMin;
  complained_ = false;
  log_notice("connected to the router");
}

Result<void> RouterLink::try_connect() {
  Result<SetupConnection> connection = connect_setup(path_, DaemonRole::kStore, kAnswerTimeoutMs);
  if (!connection) return fail(std::move(connection.error()));
  const int fd = connection->socket.get();
  Result<void> watched = loop_.watch(fd, EPOLLIN, [this](uint32_t) { on_readable(); });
  if (!watched) return watched;
  socket_ = std::move(connection->socket);
  Result<void> accepted = handlers_.on_up(connection->reply);
  if (!accepted) {
    loop_.unwatch(fd);
    socket_.reset();
  }
  return accepted;
}

void RouterLink::retry_later() {
  retry_timer_ = loop_.at(loop_.now() + retry_after_, [this] { connect(); });
  retry_after_ = std::min(2 * retry_after_, kRetryMax);
}

void RouterLink::on_readable() {
  while (socket_.valid()) {
    Result<std::optional<SetupMessage>> message = receive_setup(socket_.get());
    if (!message) return give_up(message.error().text());
    if (!*message) return;
    handlers_.on_message(**message);
  }
}

void RouterLink::send(const SetupMessage& message) {
  if (!socket_.valid()) return;
  if (Result<void> sent = send_setup(socket_.get(), message); !sent) log_warning(sent.error().text());
}

void RouterLink::give_up(const std::string& why) {
  if (!socket_.valid()) return;
  log_warning("the router is gone: " + why);
  loop_.unwatch(socket_.get());
  socket_.reset();
  handlers_.on_down();
  retry_later();
}

}  // namespace ctdb
