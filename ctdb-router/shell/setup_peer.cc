// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-router/shell/setup_peer.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace ctdb {
namespace {

constexpr TimeNs kRetry = 10 * kMillisecond;

}  // namespace

Result<std::unique_ptr<SetupPeer>> SetupPeer::create(EventLoop& loop, UniqueFd socket) {
  Result<PeerCredentials> credentials = peer_credentials(socket.get());
  if (!credentials) return fail(std::move(credentials.error()));
  auto connection = std::unique_ptr<SetupPeer>(new SetupPeer(loop, std::move(socket), *credentials));
  SetupPeer* self = connection.get();
  Result<void> watched =
      loop.watch(self->socket_.get(), EPOLLIN, [self](uint32_t events) { self->on_event(events); });
  if (!watched) {
    self->socket_.reset();
    return fail(std::move(watched.error()));
  }
  return connection;
}

SetupPeer::~SetupPeer() {
  if (socket_.valid()) loop_.unwatch(socket_.get());
  loop_.cancel(end_timer_);
  loop_.cancel(retry_timer_);
}

void SetupPeer::set_handlers(OnMessage on_message, OnEnd on_end) {
  on_message_ = std::move(on_message);
  on_end_ = std::move(on_end);
}

void SetupPeer::on_event(uint32_t events) {
  if ((events & EPOLLOUT) != 0) write_some();
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0 || end_timer_ != 0) return;
  Result<std::optional<SetupMessage>> message = receive_setup(socket_.get());
  if (message && !*message) return;
  // Copies: a handler may replace the handlers or destroy us.
  if (message) {
    const OnMessage on_message = on_message_;
    on_message(std::move(**message));
  } else {
    const OnEnd on_end = on_end_;
    on_end();
  }
}

void SetupPeer::send(SetupMessage message) {
  waiting_.push_back(std::move(message));
  if (waiting_.size() == 1) write_some();
}

void SetupPeer::write_some() {
  bool blocked = false;
  while (!waiting_.empty() && !blocked && end_timer_ == 0 && retry_timer_ == 0) {
    Result<void> sent = send_setup(socket_.get(), waiting_.front());
    if (sent) {
      waiting_.pop_front();
    } else if (sent.error().saved_errno == ETOOMANYREFS) {
      // Too many descriptors are under way to processes that have not taken them yet; no event says when that is over.
      retry_timer_ = loop_.at(loop_.now() + kRetry, [this] {
        retry_timer_ = 0;
        write_some();
      });
    } else if (sent.error().saved_errno == EAGAIN) {
      blocked = true;
    } else {
      return end_later();
    }
  }
  if (blocked == write_wanted_) return;
  write_wanted_ = blocked;
  if (!loop_.rewatch(socket_.get(), blocked ? EPOLLIN | EPOLLOUT : EPOLLIN)) end_later();
}

void SetupPeer::end_later() {
  waiting_.clear();
  if (end_timer_ != 0) return;
  end_timer_ = loop_.at(loop_.now(), [this] {
    const OnEnd on_end = on_end_;
    on_end();
  });
}

bool SetupPeer::unsend(SetupKind kind, uint32_t endpoint) {
  const auto found = std::find_if(waiting_.begin(), waiting_.end(), [&](const SetupMessage& message) {
    return message.kind == kind && message.endpoint == endpoint;
  });
  if (found == waiting_.end()) return false;
  waiting_.erase(found);
  return true;
}

bool SetupPeer::ended() const {
  return end_timer_ != 0 || closed();
}

bool SetupPeer::closed() const {
  char byte;
  const ssize_t got = recv(socket_.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
}

}  // namespace ctdb
