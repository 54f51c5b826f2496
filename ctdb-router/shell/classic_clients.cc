// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-router/shell/classic_clients.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "libctdbipc/base/limits.h"
#include "libctdbipc/runtime/log.h"
#include "libctdbipc/runtime/setup_socket.h"

namespace ctdb {
namespace {

constexpr int kReadsPerEventMax = 4;
constexpr mode_t kSocketMode = 0700;
constexpr int kBacklog = 100;
constexpr size_t kKeptBytesMax = 256u << 10;  // a larger output buffer is given back once it is empty

}  // namespace

ClassicClients::Client::Client(uint32_t number, UniqueFd descriptor)
    : id(number), fd(std::move(descriptor)), reader(FrameReader::Policy::kClient, kPacketBytesMax) {}

ClassicClients::ClassicClients(EventLoop& loop, EndpointIds& ids, ClientEvents& events)
    : loop_(loop), ids_(ids), events_(events) {}

ClassicClients::~ClassicClients() {
  loop_.cancel(burial_);
  for (const auto& [id, client] : clients_) loop_.unwatch(client->fd.get());
}

Result<void> ClassicClients::listen(const std::string& path) {
  Result<UniqueFd> socket = listen_unix(path, SOCK_STREAM, kSocketMode, kBacklog);
  if (!socket) return fail(std::move(socket.error()));
  Result<std::unique_ptr<Listener>> listener = Listener::create(
      loop_, std::move(*socket), [this](UniqueFd fd, const sockaddr_storage&) { accept_one(std::move(fd)); });
  if (!listener) return fail(std::move(listener.error()));
  listener_ = std::move(*listener);
  return {};
}

void ClassicClients::accept_one(UniqueFd socket) {
  Result<PeerCredentials> credentials = peer_credentials(socket.get());
  if (!credentials) return log_error("classic socket: " + credentials.error().text());
  const uint32_t id = ids_.take();
  if (id == 0) return log_error("classic socket: too many clients, one was refused");
  const int fd = socket.get();
  const uint32_t interest = paused_ ? 0u : EPOLLIN;
  if (Result<void> watched = loop_.watch(fd, interest, [this, id](uint32_t events) { on_event(id, events); });
      !watched) {
    ids_.give_back(id);
    return log_error("classic socket: " + watched.error().text());
  }
  clients_.emplace(id, std::make_unique<Client>(id, std::move(socket)));
  events_.on_client(id, credentials->pid);
}

void ClassicClients::on_event(uint32_t id, uint32_t events) {
  const auto found = clients_.find(id);
  if (found == clients_.end()) return;
  Client& client = *found->second;
  if (client.doomed) return;
  if ((events & EPOLLOUT) != 0) write_some(client);
  // A hang-up is reported even while we do not want to read: then what is left is read to the end.
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 && !client.doomed) read_some(client);
}

void ClassicClients::read_some(Client& client) {
  for (int reads = 0; reads < kReadsPerEventMax; ++reads) {
    const MutableBytes room = client.reader.room();
    const ssize_t got = ::read(client.fd.get(), room.data(), room.size());
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) return remove(client.id);
    client.reader.received(static_cast<size_t>(got));
    if (!deliver(client) || static_cast<size_t>(got) < room.size()) return;
  }
}

// false: the client is doomed.
bool ClassicClients::deliver(Client& client) {
  MutableBytes packet;
  FrameReader::Next next;
  while (!client.doomed && (next = client.reader.next(packet)) != FrameReader::Next::kMore) {
    if (next == FrameReader::Next::kFault) {
      doom(client, client.reader.fault());
    } else {
      events_.on_client_packet(client.id, packet);
    }
  }
  skipped_ += client.reader.skipped() - client.skipped_seen;
  client.skipped_seen = client.reader.skipped();
  return !client.doomed;
}

bool ClassicClients::send(uint32_t id, ByteView packet) {
  const auto found = clients_.find(id);
  if (found == clients_.end()) return false;
  Client& client = *found->second;
  if (client.doomed) return true;
  if (client.out.size() - client.out_at + packet.size() > kClientSendQueueBytesMax) {
    doom(client, "it does not read and its queue is full");
    return true;
  }
  client.out.insert(client.out.end(), packet.begin(), packet.end());
  if (!client.dirty && !client.write_wanted) {
    client.dirty = true;
    dirty_.push_back(&client);
  }
  return true;
}

void ClassicClients::flush() {
  for (Client* client : dirty_) {
    client->dirty = false;
    if (!client->doomed) write_some(*client);
  }
  dirty_.clear();
}

void ClassicClients::write_some(Client& client) {
  const size_t left = client.out.size() - client.out_at;
  const ssize_t done =
      ::send(client.fd.get(), client.out.data() + client.out_at, left, MSG_NOSIGNAL | MSG_DONTWAIT);
  // A client that closed its end is removed when its end is read; what it still sent counts.
  if (done < 0 && errno != EAGAIN && errno != EINTR && errno != EPIPE)
    return doom(client, std::strerror(errno));
  if (done < 0 && errno == EPIPE) client.out_at = client.out.size();
  if (done > 0) client.out_at += static_cast<size_t>(done);
  const bool blocked = client.out_at < client.out.size();
  if (!blocked) {
    if (client.out.capacity() > kKeptBytesMax) Bytes().swap(client.out);
    client.out.clear();
    client.out_at = 0;
  } else if (client.out_at >= client.out.size() - client.out_at) {
    client.out.erase(client.out.begin(), client.out.begin() + static_cast<ptrdiff_t>(client.out_at));
    client.out_at = 0;
  }
  if (blocked == client.write_wanted) return;
  client.write_wanted = blocked;
  set_interest(client);
}

void ClassicClients::set_interest(Client& client) {
  const uint32_t events = (paused_ ? 0u : EPOLLIN) | (client.write_wanted ? EPOLLOUT : 0u);
  if (!loop_.rewatch(client.fd.get(), events)) doom(client, "its socket cannot be watched");
}

void ClassicClients::pause(bool paused) {
  paused_ = paused;
  for (const auto& [id, client] : clients_) {
    if (!client->doomed) set_interest(*client);
  }
}

void ClassicClients::doom(Client& client, const char* why) {
  if (client.doomed) return;
  client.doomed = true;
  ++cut_;
  log_notice("client " + std::to_string(client.id) + " is cut off: " + why);
  loop_.unwatch(client.fd.get());
  doomed_.push_back(client.id);
  if (burial_ == 0) burial_ = loop_.at(loop_.now(), [this] { bury(); });
}

void ClassicClients::close(uint32_t id, const char* why) {
  if (const auto found = clients_.find(id); found != clients_.end()) doom(*found->second, why);
}

void ClassicClients::bury() {
  burial_ = 0;
  const std::vector<uint32_t> doomed = std::move(doomed_);
  doomed_.clear();
  for (uint32_t id : doomed) remove(id);
}

void ClassicClients::remove(uint32_t id) {
  const auto found = clients_.find(id);
  if (found == clients_.end()) return;
  Client* client = found->second.get();
  loop_.unwatch(client->fd.get());
  std::erase(dirty_, client);
  clients_.erase(found);
  ids_.give_back(id);
  events_.on_client_gone(id);
}

}  // namespace ctdb
