// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbipc/runtime/listener.h"

#include <sys/epoll.h>

#include <cerrno>
#include <cstring>

#include "libctdbipc/runtime/log.h"
#include "libctdbipc/runtime/service.h"

namespace ctdb {
namespace {

constexpr int kLocalBacklog = 128;
constexpr int kAcceptsPerTurnMax = 32;
constexpr TimeNs kRest = 100 * kMillisecond;

}  // namespace

Result<std::unique_ptr<Listener>> Listener::create(EventLoop& loop, UniqueFd socket, OnAccept on_accept) {
  auto listener = std::unique_ptr<Listener>(new Listener(loop, std::move(socket), std::move(on_accept)));
  if (Result<void> watched = listener->watch(); !watched) return fail(std::move(watched.error()));
  return listener;
}

Result<std::unique_ptr<Listener>> Listener::create_local(EventLoop& loop, const std::string& path, int type,
                                                         mode_t mode,
                                                         std::function<void(UniqueFd socket)> on_accept) {
  Result<UniqueFd> socket = service_socket(path, type, mode, kLocalBacklog);
  if (!socket) return fail(std::move(socket.error()));
  return create(loop, std::move(*socket),
                [on_accept = std::move(on_accept)](UniqueFd accepted, const sockaddr_storage&) {
                  on_accept(std::move(accepted));
                });
}

Listener::~Listener() {
  if (watched_) loop_.unwatch(socket_.get());
  loop_.cancel(rest_timer_);
}

Result<void> Listener::watch() {
  Result<void> watched = loop_.watch(socket_.get(), EPOLLIN, [this](uint32_t) { accept_some(); });
  watched_ = watched.has_value();
  return watched;
}

void Listener::accept_some() {
  for (int i = 0; i < kAcceptsPerTurnMax; ++i) {
    sockaddr_storage peer{};
    socklen_t size = sizeof peer;
    UniqueFd fd(
        accept4(socket_.get(), reinterpret_cast<sockaddr*>(&peer), &size, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (fd.valid()) {
      complained_ = false;
      on_accept_(std::move(fd), peer);
      continue;
    }
    // A connection that died in the queue is no failure of ours.
    if (errno == ECONNABORTED || errno == EINTR) continue;
    if (errno != EAGAIN) rest();
    return;
  }
}

void Listener::rest() {
  if (!complained_) log_error(std::string("no connection can be accepted: ") + std::strerror(errno));
  complained_ = true;
  loop_.unwatch(socket_.get());
  watched_ = false;
  rest_timer_ = loop_.at(loop_.now() + kRest, [this] {
    if (!watch()) rest();
  });
}

}  // namespace ctdb
