// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbipc/runtime/packet_stream.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace ctdb {
namespace {

// A link that delivers faster than we work must not keep the other sources waiting.
constexpr int kReadsPerEventMax = 4;

// After EPOLLOUT: true = connected, false = not yet. Errors: kSystem (refused, unreachable, timed out).
Result<bool> finished_connecting(int socket) {
  int error = 0;
  socklen_t size = sizeof error;
  if (getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size) != 0) return fail_errno("connecting");
  if (error != 0) {
    errno = error;
    return fail_errno("connecting");
  }
  sockaddr_storage peer{};
  socklen_t peer_size = sizeof peer;
  if (getpeername(socket, reinterpret_cast<sockaddr*>(&peer), &peer_size) == 0) return true;
  if (errno == ENOTCONN) return false;
  return fail_errno("connecting");
}

}  // namespace

PacketStream::PacketStream(EventLoop& loop, std::unique_ptr<ByteStream> stream, Owner& owner)
    : loop_(loop),
      stream_(std::move(stream)),
      owner_(owner),
      reader_(FrameReader::Policy::kLink, kHelloBytesMax) {}

Result<void> PacketStream::start(bool connecting) {
  connecting_ = connecting;
  write_wanted_ = connecting;
  const uint32_t events = connecting ? EPOLLOUT : EPOLLIN;
  Result<void> watched = loop_.watch(stream_->fd(), events, [this](uint32_t bits) { on_event(bits); });
  watched_ = watched.has_value();
  return watched;
}

void PacketStream::close() {
  if (!open()) return;
  if (watched_) loop_.unwatch(stream_->fd());
  watched_ = false;
  stream_.reset();
}

UniqueFd PacketStream::release() {
  if (!open()) return UniqueFd();
  if (watched_) loop_.unwatch(stream_->fd());
  watched_ = false;
  UniqueFd fd = stream_->release();
  stream_.reset();
  return fd;
}

void PacketStream::break_off(const std::string& why) {
  close();
  owner_.on_broken(*this, why);
}

void PacketStream::want_write(bool wanted) {
  if (wanted == write_wanted_) return;
  write_wanted_ = wanted;
  if (!loop_.rewatch(stream_->fd(), wanted ? EPOLLIN | EPOLLOUT : EPOLLIN))
    break_off("its socket cannot be watched");
}

void PacketStream::on_event(uint32_t events) {
  if (connecting_) return finish_connecting();
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) read_some();
  if (open() && (events & EPOLLOUT) != 0) flush();
}

void PacketStream::finish_connecting() {
  Result<bool> connected = finished_connecting(stream_->fd());
  if (!connected) return break_off(std::strerror(connected.error().saved_errno));
  if (!*connected) return;
  connecting_ = false;
  want_write(false);
  if (open()) owner_.on_connected(*this);
}

void PacketStream::read_some() {
  for (int reads = 0; open() && reads < kReadsPerEventMax; ++reads) {
    MutableBytes room = reader_.room();
    // Whoever has not introduced itself gets no more of our memory than a HELLO needs.
    if (!approved_) room = room.first(std::min(room.size(), kHelloBytesMax));
    room = room.first(std::min(room.size(), readable_bytes_));
    if (room.empty()) return break_off("it sent something else than the answer to HELLO");
    const ssize_t got = stream_->read(room);
    if (got == 0) return break_off("the other side closed the connection");
    if (got < 0) {
      if (errno == EAGAIN || errno == EINTR) return;
      return break_off(std::strerror(errno));
    }
    received_ = true;
    readable_bytes_ -= static_cast<size_t>(got);
    reader_.received(static_cast<size_t>(got));
    deliver();
    if (static_cast<size_t>(got) < room.size()) return;
  }
}

void PacketStream::deliver() {
  MutableBytes packet;
  while (open()) {
    switch (reader_.next(packet)) {
      case FrameReader::Next::kMore:
        return;
      case FrameReader::Next::kFault:
        return break_off(reader_.fault());
      case FrameReader::Next::kPacket:
        owner_.on_connection_packet(*this, packet);
    }
  }
}

void PacketStream::flush() {
  if (!open() || connecting_ || out_.empty()) return;
  iovec parts[3];
  const ssize_t done = stream_->write(parts, out_.parts(parts));
  if (done < 0 && errno != EAGAIN && errno != EINTR) return break_off(std::strerror(errno));
  if (done > 0) out_.written(static_cast<size_t>(done));
  want_write(!out_.empty());
}

}  // namespace ctdb
