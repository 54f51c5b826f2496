// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-router/transport/tcp/keeper_wires.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>

#include "libctdbipc/runtime/log.h"

namespace ctdb {
namespace {

constexpr uint8_t kArmed = 'K';

// A router that lives says so with a reset: it must not look like the end of one that died, not even when its keeper is dead,
// or is the last to let go (the option belongs to the connection, not to the descriptor).
void let_go(UniqueFd& socket) {
  const linger reset{1, 0};
  if (setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset) != 0)
    log_error("a keeper wire cannot be ended with a reset");
  socket.reset();
}

}  // namespace

KeeperWires::~KeeperWires() {
  for (auto& [pnn, wire] : wires_) {
    if (wire.socket.valid()) loop_.unwatch(wire.socket.get());
  }
}

void KeeperWires::add(uint32_t pnn, UniqueFd socket, Bytes answer) {
  drop(pnn);
  Wire& wire = wires_[pnn];
  wire.number = ++numbers_;
  wire.opened = wire.armed = answer.empty();
  wire.answer = std::move(answer);
  wire.socket = std::move(socket);
  const auto watched =
      loop_.watch(wire.socket.get(), EPOLLIN | EPOLLRDHUP, [this, pnn](uint32_t) { on_readable(pnn); });
  if (watched) return;
  log_error(watched.error().text());
  wires_.erase(pnn);
}

void KeeperWires::give(uint32_t pnn, TransportEvents& events) {
  if (!have(pnn)) return;
  UniqueFd copy(fcntl(wires_[pnn].socket.get(), F_DUPFD_CLOEXEC, 0));
  if (copy.valid()) events.on_keeper_wire(pnn, wires_[pnn].number, std::move(copy));
}

// The socket is new, so a few bytes always fit.
void KeeperWires::held(uint32_t pnn, uint32_t number) {
  if (!have(pnn) || wires_[pnn].number != number || wires_[pnn].told) return;
  Wire& wire = wires_[pnn];
  const ByteView said = wire.opened ? ByteView(&kArmed, 1) : ByteView(wire.answer);
  wire.told = ::send(wire.socket.get(), said.data(), said.size(), MSG_NOSIGNAL | MSG_DONTWAIT) ==
              static_cast<ssize_t>(said.size());
  if (!wire.told) end(pnn, false);
}

void KeeperWires::drop(uint32_t pnn) {
  const auto found = wires_.find(pnn);
  if (found == wires_.end()) return;
  if (UniqueFd& socket = found->second.socket; socket.valid()) {
    loop_.unwatch(socket.get());
    let_go(socket);
  }
  wires_.erase(found);
}

bool KeeperWires::have(uint32_t pnn) const {
  const auto found = wires_.find(pnn);
  return found != wires_.end() && found->second.socket.valid();
}

bool KeeperWires::proved_gone(uint32_t pnn) const {
  const auto found = wires_.find(pnn);
  return found != wires_.end() && found->second.gone;
}

void KeeperWires::on_readable(uint32_t pnn) {
  Wire& wire = wires_[pnn];
  for (;;) {
    uint8_t byte = 0;
    const ssize_t got = recv(wire.socket.get(), &byte, 1, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got < 0) return end(pnn, false);  // a reset, whoever made it
    if (got == 0) return end(pnn, wire.armed);
    if (wire.opened || wire.armed || byte != kArmed) return end(pnn, false);
    wire.armed = true;
  }
}

void KeeperWires::end(uint32_t pnn, bool gone) {
  Wire& wire = wires_[pnn];
  loop_.unwatch(wire.socket.get());
  let_go(wire.socket);
  wire.gone = gone;
  on_end_(pnn, gone);
}

}  // namespace ctdb
