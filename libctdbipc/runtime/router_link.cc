// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbipc/runtime/router_link.h"

#include <sys/epoll.h>

#include <algorithm>
#include <utility>

#include "libctdbipc/runtime/log.h"

namespace ctdb {
namespace {

constexpr TimeNs kRetryMin = 20 * kMillisecond;
constexpr TimeNs kRetryMax = kSecond;

}  // namespace

RouterLink::RouterLink(EventLoop& loop, std::string path, DaemonRole role, uint32_t pnn, Handlers handlers)
    : loop_(loop),
      path_(std::move(path)),
      role_(role),
      pnn_(pnn),
      handlers_(std::move(handlers)),
      retry_after_(kRetryMin) {}

RouterLink::~RouterLink() {
  loop_.cancel(retry_timer_);
  if (socket_.valid()) loop_.unwatch(socket_.get());
}

void RouterLink::connect() {
  retry_timer_ = 0;
  if (Result<void> connected = try_connect(); !connected) {
    complain(connected.error().text());
    retry_later();
  }
}

Result<void> RouterLink::try_connect() {
  Result<UniqueFd> socket = connect_unix(path_);
  if (!socket) return fail(std::move(socket.error()));
  SetupMessage request;
  request.kind = SetupKind::kRequest;
  request.role = role_;
  if (role_ == DaemonRole::kStore) {
    request.generation = kKeepsClients;
    request.endpoint = kKeepsChannels;
    request.gid = kKeepsHalves;
  }
  if (Result<void> sent = send_setup(socket->get(), request); !sent)
    return fail(std::move(sent.error()).in(path_));
  Result<void> watched = loop_.watch(socket->get(), EPOLLIN, [this](uint32_t events) { on_event(events); });
  if (!watched) return watched;
  socket_ = std::move(*socket);
  return {};
}

void RouterLink::complain(const std::string& why) {
  if (!complained_) log_warning("no router yet: " + why);
  complained_ = true;
}

void RouterLink::retry_later() {
  retry_timer_ = loop_.at(loop_.now() + retry_after_, [this] { connect(); });
  retry_after_ = std::min(2 * retry_after_, kRetryMax);
}

void RouterLink::drop() {
  loop_.unwatch(socket_.get());
  socket_.reset();
  up_ = write_wanted_ = false;
  waiting_.clear();
}

Result<void> RouterLink::on_first(SetupMessage& reply) {
  if (reply.kind == SetupKind::kRefused) return fail(ErrorCode::kRefused, "refused: " + reply.text);
  if (reply.kind != SetupKind::kReply) return fail(ErrorCode::kInvalid, "unexpected set-up message");
  if (reply.pnn != pnn_) {
    return fail(ErrorCode::kRefused, "the router is node " + std::to_string(reply.pnn) + ", this is node " +
                                         std::to_string(pnn_) + " (use one configuration for both)");
  }
  up_ = true;  // the handler may send
  return handlers_.on_up(reply);
}

void RouterLink::on_event(uint32_t events) {
  if ((events & EPOLLOUT) != 0) write_some();
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) on_readable();
}

void RouterLink::on_readable() {
  while (socket_.valid()) {
    Result<std::optional<SetupMessage>> message = receive_setup(socket_.get());
    if (!message) return give_up(message.error().text());
    if (!*message) return;
    if (up_) {
      handlers_.on_message(**message);
      continue;
    }
    if (Result<void> taken = on_first(**message); !taken) {
      complain(taken.error().text());
      drop();
      return retry_later();
    }
    retry_after_ = kRetryMin;
    complained_ = false;
    log_notice("connected to the router");
  }
}

void RouterLink::send(SetupMessage message) {
  if (!up_) return;
  waiting_.push_back(std::move(message));
  if (waiting_.size() == 1) write_some();
}

void RouterLink::write_some() {
  bool blocked = false;
  while (!waiting_.empty() && !blocked) {
    const Result<void> sent = send_setup(socket_.get(), waiting_.front());
    if (!sent && sent.error().code == ErrorCode::kDisconnected)
      return waiting_.clear();  // its end is to be read
    blocked = !sent && sent.error().saved_errno == EAGAIN;
    if (!sent && !blocked) log_warning(sent.error().text());
    if (!blocked) waiting_.pop_front();
  }
  if (blocked == write_wanted_) return;
  write_wanted_ = blocked;
  if (Result<void> watched = loop_.rewatch(socket_.get(), blocked ? EPOLLIN | EPOLLOUT : EPOLLIN); !watched)
    log_error(watched.error().text());
}

bool RouterLink::offer(const SetupMessage& message) {
  return up_ && waiting_.empty() && send_setup(socket_.get(), message).has_value();
}

void RouterLink::give_up(const std::string& why) {
  if (!socket_.valid()) return;
  const bool was_up = up_;
  drop();
  if (was_up) {
    log_warning("the router is gone: " + why);
    handlers_.on_down();
  } else {
    complain(why);
  }
  retry_later();
}

}  // namespace ctdb
