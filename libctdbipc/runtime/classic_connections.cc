// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbipc/runtime/classic_connections.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "libctdbipc/base/assert.h"
#include "libctdbipc/base/limits.h"
#include "libctdbipc/runtime/log.h"

namespace ctdb {
namespace {

constexpr int kReadsPerEventMax = 4;
constexpr size_t kKeptBytesMax = 256u << 10;  // a larger output buffer is given back once it is empty

}  // namespace

ClassicConnections::Connection::Connection(uint32_t number, UniqueFd descriptor)
    : id(number), fd(std::move(descriptor)), reader(FrameReader::Policy::kClient, kPacketBytesMax) {}

ClassicConnections::~ClassicConnections() {
  drop_all();
}

Result<void> ClassicConnections::add(uint32_t id, UniqueFd socket) {
  const uint32_t interest = paused_ ? 0u : EPOLLIN;
  Result<void> watched =
      loop_.watch(socket.get(), interest, [this, id](uint32_t events) { on_event(id, events); });
  if (watched) connections_.emplace(id, std::make_unique<Connection>(id, std::move(socket)));
  return watched;
}

bool ClassicConnections::between_packets(uint32_t id) const {
  const auto found = connections_.find(id);
  if (found == connections_.end()) return false;
  const Connection& connection = *found->second;
  return !connection.doomed && connection.reader.empty() && connection.out.empty();
}

std::optional<Unfinished> ClassicConnections::unfinished(uint32_t id) const {
  const auto found = connections_.find(id);
  if (found == connections_.end() || found->second->doomed) return std::nullopt;
  const Connection& connection = *found->second;
  return Unfinished{connection.reader.unfinished(), ByteView(connection.out).subspan(connection.out_at),
                    connection.reader.position(), connection.written};
}

void ClassicConnections::go_on(uint32_t id, ByteView in, ByteView out) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) return;
  found->second->reader.put(in);
  if (!out.empty()) send(id, out);
}

int ClassicConnections::descriptor(uint32_t id) const {
  const auto found = connections_.find(id);
  return found == connections_.end() ? -1 : found->second->fd.get();
}

UniqueFd ClassicConnections::release(uint32_t id) {
  CTDB_ASSERT(between_packets(id));
  const auto found = connections_.find(id);
  UniqueFd socket = std::move(found->second->fd);
  loop_.unwatch(socket.get());
  std::erase(dirty_, found->second.get());
  connections_.erase(found);
  return socket;
}

void ClassicConnections::drop_all() {
  loop_.cancel(burial_);
  burial_ = 0;
  for (const auto& [id, connection] : connections_) loop_.unwatch(connection->fd.get());
  dirty_.clear();
  doomed_.clear();
  connections_.clear();
}

void ClassicConnections::on_event(uint32_t id, uint32_t events) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) return;
  Connection& connection = *found->second;
  if (connection.doomed) return;
  owner_.on_connection_ready(id);
  if ((events & EPOLLOUT) != 0) write_some(connection);
  // A hang-up is reported even while we do not want to read: then what is left is read to the end.
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 && !connection.doomed) read_some(connection);
}

void ClassicConnections::read_some(Connection& connection) {
  for (int reads = 0; reads < kReadsPerEventMax; ++reads) {
    const MutableBytes room = connection.reader.room();
    const ssize_t got = ::read(connection.fd.get(), room.data(), room.size());
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) return remove(connection.id);
    connection.reader.received(static_cast<size_t>(got));
    if (!deliver(connection) || static_cast<size_t>(got) < room.size()) return;
  }
}

// false: the client is doomed.
bool ClassicConnections::deliver(Connection& connection) {
  MutableBytes packet;
  FrameReader::Next next;
  while (!connection.doomed && (next = connection.reader.next(packet)) != FrameReader::Next::kMore) {
    if (next == FrameReader::Next::kFault) {
      doom(connection, connection.reader.fault());
    } else {
      owner_.on_connection_packet(connection.id, packet);
    }
  }
  skipped_ += connection.reader.skipped() - connection.skipped_seen;
  connection.skipped_seen = connection.reader.skipped();
  return !connection.doomed;
}

bool ClassicConnections::send(uint32_t id, ByteView packets) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) return false;
  Connection& connection = *found->second;
  if (connection.doomed) return true;
  if (connection.out.size() - connection.out_at + packets.size() > kClientSendQueueBytesMax) {
    doom(connection, "it does not read and its queue is full");
    return true;
  }
  connection.out.insert(connection.out.end(), packets.begin(), packets.end());
  if (!connection.dirty && !connection.write_wanted) {
    connection.dirty = true;
    dirty_.push_back(&connection);
  }
  return true;
}

size_t ClassicConnections::queued_bytes(uint32_t id) const {
  const auto found = connections_.find(id);
  return found == connections_.end() ? 0 : found->second->out.size() - found->second->out_at;
}

void ClassicConnections::flush() {
  for (Connection* connection : dirty_) {
    connection->dirty = false;
    if (!connection->doomed) write_some(*connection);
  }
  dirty_.clear();
}

void ClassicConnections::write_some(Connection& connection) {
  const size_t left = connection.out.size() - connection.out_at;
  const ssize_t done = ::send(connection.fd.get(), connection.out.data() + connection.out_at, left,
                              MSG_NOSIGNAL | MSG_DONTWAIT);
  // A client that closed its end is removed when its end is read; what it still sent counts.
  if (done < 0 && errno != EAGAIN && errno != EINTR && errno != EPIPE)
    return doom(connection, std::strerror(errno));
  if (done < 0 && errno == EPIPE) connection.out_at = connection.out.size();
  if (done > 0) {
    connection.out_at += static_cast<size_t>(done);
    connection.written += static_cast<uint64_t>(done);
  }
  const bool blocked = connection.out_at < connection.out.size();
  if (!blocked) {
    if (connection.out.capacity() > kKeptBytesMax) Bytes().swap(connection.out);
    connection.out.clear();
    connection.out_at = 0;
  } else if (connection.out_at >= connection.out.size() - connection.out_at) {
    connection.out.erase(connection.out.begin(),
                         connection.out.begin() + static_cast<ptrdiff_t>(connection.out_at));
    connection.out_at = 0;
  }
  if (blocked == connection.write_wanted) return;
  connection.write_wanted = blocked;
  set_interest(connection);
}

void ClassicConnections::set_interest(Connection& connection) {
  const uint32_t events = (paused_ ? 0u : EPOLLIN) | (connection.write_wanted ? EPOLLOUT : 0u);
  if (!loop_.rewatch(connection.fd.get(), events)) doom(connection, "its socket cannot be watched");
}

void ClassicConnections::pause(bool paused) {
  paused_ = paused;
  for (const auto& [id, connection] : connections_) {
    if (!connection->doomed) set_interest(*connection);
  }
}

void ClassicConnections::doom(Connection& connection, const char* why) {
  if (connection.doomed) return;
  connection.doomed = true;
  ++cut_;
  log_notice("client " + std::to_string(connection.id) + " is cut off: " + why);
  loop_.unwatch(connection.fd.get());
  doomed_.push_back(connection.id);
  if (burial_ == 0) burial_ = loop_.at(loop_.now(), [this] { bury(); });
}

void ClassicConnections::close(uint32_t id, const char* why) {
  if (const auto found = connections_.find(id); found != connections_.end()) doom(*found->second, why);
}

void ClassicConnections::bury() {
  burial_ = 0;
  const std::vector<uint32_t> doomed = std::move(doomed_);
  doomed_.clear();
  for (uint32_t id : doomed) remove(id);
}

void ClassicConnections::remove(uint32_t id) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) return;
  const std::unique_ptr<Connection> connection = std::move(found->second);
  connections_.erase(found);
  loop_.unwatch(connection->fd.get());
  shutdown(connection->fd.get(), SHUT_RDWR);  // others may have copies
  std::erase(dirty_, connection.get());
  owner_.on_connection_gone(id, connection->doomed);
}

}  // namespace ctdb
