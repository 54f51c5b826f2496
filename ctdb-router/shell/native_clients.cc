// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-router/shell/native_clients.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <string>
#include <vector>

#include "libctdbipc/base/limits.h"
#include "libctdbipc/ring/node_page.h"
#include "libctdbipc/runtime/log.h"
#include "libctdbipc/wire/packet.h"

namespace ctdb {

Result<ChannelFds> NativeClients::attach(uint32_t id, const PeerCredentials& credentials) {
  Result<ChannelPair> pair = create_channel(kClientRingBytes);
  if (!pair) return fail(std::move(pair.error()));
  if (SetupPeer* store = daemons_.store_setup(); store != nullptr) {
    SetupMessage attached;
    attached.kind = SetupKind::kClientAttached;
    attached.endpoint = id;
    attached.pid = static_cast<uint32_t>(credentials.pid);
    attached.uid = credentials.uid;
    attached.gid = credentials.gid;
    attached.channels.push_back(std::move(pair->server));
    store->send(std::move(attached));
  }
  // Without a store the client's calls wait in the ring, until the store comes and the channel is replaced.
  return std::move(pair->client);
}

Result<std::unique_ptr<ChannelQueue>> NativeClients::open(uint32_t id, ChannelFds end, ChannelLife life) {
  return ChannelQueue::create(
      loop_, std::move(end), ChannelSide::kServer, kClientSendQueueBytesMax,
      [this, id](const Channel::Frame& frame) { on_frame(id, frame); },
      [this, id](const char* why) { close(id, why); }, life);
}

NativeClients::Client& NativeClients::add(uint32_t id, std::unique_ptr<SetupPeer> setup,
                                          std::unique_ptr<ChannelQueue> channel) {
  setup->set_handlers([this, id](SetupMessage) { close(id, "it broke the set-up protocol"); },
                      [this, id] { on_end(id); });
  if (paused_) channel->pause();
  return clients_.emplace(id, Client{std::move(setup), std::move(channel)}).first->second;
}

// For the next router.
void NativeClients::note(uint32_t id) {
  noted_.add(id, [this, id]() -> Result<SetupMessage> {
    const Client& client = clients_.at(id);
    SetupMessage message;
    message.descriptor.reset(fcntl(client.setup->descriptor(), F_DUPFD_CLOEXEC, 0));
    if (!message.descriptor.valid()) return fail_errno("dup");
    Result<ChannelFds> ends = client.channel->copy_ends();
    if (!ends) return fail(std::move(ends.error()));
    message.channels.push_back(std::move(*ends));
    return message;
  });
}

Result<void> NativeClients::connect(const SetupMessage& request, std::unique_ptr<SetupPeer>& connection) {
  const bool goes_on = request.endpoint == kKeepsChannels;
  Result<ChannelPair> pair = create_channel(kClientRingBytes);
  if (!pair) return fail(std::move(pair.error()));
  Result<UniqueFd> page = NodePage::reader_fd(node_page_path_);
  if (!page) return fail(std::move(page.error()));
  const uint32_t id = ids_.take();
  if (id == 0) return fail(ErrorCode::kLimit, "too many clients are connected to this node");
  Result<std::unique_ptr<ChannelQueue>> channel =
      open(id, std::move(pair->server), goes_on ? ChannelLife::kReplaceable : ChannelLife::kOne);
  Result<ChannelFds> to_store =
      channel ? attach(id, connection->credentials()) : Result<ChannelFds>(fail(std::move(channel.error())));
  if (!to_store) {
    ids_.give_back(id);
    return fail(std::move(to_store.error()));
  }
  const Client& client = add(id, std::move(connection), std::move(*channel));
  SetupMessage reply;
  reply.kind = SetupKind::kReply;
  reply.endpoint = id;
  reply.pnn = pnn_;
  reply.channels.push_back(std::move(pair->client));
  reply.channels.push_back(std::move(*to_store));
  reply.descriptor = std::move(*page);
  client.setup->send(std::move(reply));
  if (goes_on) note(id);
  events_.on_client(id, client.setup->credentials().pid);
  return {};
}

// What it sends meanwhile is in its ring. Only it knows which of its requests the dead router has had.
void NativeClients::restore(SetupMessage& message, const ClientNote* note) {
  const uint32_t id = message.endpoint;
  UniqueFd socket = std::move(message.descriptor);
  if (!ids_.take_over(id)) {  // a client of this router; who has the socket finds that it has ended
    shutdown(socket.get(), SHUT_RDWR);
    return log_warning("client " + std::to_string(id) + " of the last router is ended: its number is in use");
  }
  UniqueFd copy(fcntl(socket.get(), F_DUPFD_CLOEXEC, 0));
  Result<std::unique_ptr<ChannelQueue>> channel =
      open(id, std::move(message.channels.front()), ChannelLife::kTakenOver);
  Result<std::unique_ptr<SetupPeer>> setup =
      channel ? SetupPeer::create(loop_, std::move(socket))
              : Result<std::unique_ptr<SetupPeer>>(fail(std::move(channel.error())));
  if (!setup) {
    if (copy.valid()) shutdown(copy.get(), SHUT_RDWR);
    ids_.give_back(id);
    detach(id);
    return log_error("client " + std::to_string(id) +
                     " of the last router is ended: " + setup.error().text());
  }
  const Client& client = add(id, std::move(*setup), std::move(*channel));
  const uint64_t read = client.channel->read_position();
  SetupMessage replaced;
  replaced.kind = SetupKind::kRouterReplaced;
  replaced.pid = static_cast<uint32_t>(read >> 32);
  replaced.uid = static_cast<uint32_t>(read);
  replaced.gid = note != nullptr ? 1 : 0;
  client.setup->send(std::move(replaced));
  this->note(id);
  events_.on_client(id, client.setup->credentials().pid);
  events_.on_client_restored(id, note == nullptr ? ByteView() : note->registered(), {});
}

void NativeClients::detach(uint32_t id) {
  SetupPeer* store = daemons_.store_setup();
  if (store == nullptr || store->unsend(SetupKind::kClientAttached, id)) return;
  SetupMessage detached;
  detached.kind = SetupKind::kClientDetached;
  detached.endpoint = id;
  store->send(std::move(detached));
}

void NativeClients::attach_all() {
  std::vector<uint32_t> failed;
  for (auto& [id, client] : clients_) {
    Result<ChannelFds> to_store = attach(id, client.setup->credentials());
    if (!to_store) {
      log_error("client " + std::to_string(id) + ": " + to_store.error().text());
      failed.push_back(id);
      continue;
    }
    SetupMessage replaced;
    replaced.kind = SetupKind::kChannelReplaced;
    replaced.channels.push_back(std::move(*to_store));
    client.setup->send(std::move(replaced));
  }
  for (uint32_t id : failed) close(id, "no channel to the store could be made");
}

void NativeClients::on_frame(uint32_t id, const Channel::Frame& frame) {
  if (check_header(frame.packet) != HeaderFault::kNone) return close(id, "it sent a frame that is no packet");
  if (read_header(frame.packet).operation == static_cast<uint32_t>(Operation::REQ_CONTROL))
    noted_.asked_native(id);
  events_.on_client_packet(id, frame.packet);
}

bool NativeClients::send(uint32_t id, ByteView packet) {
  const auto found = clients_.find(id);
  if (found == clients_.end()) return false;
  found->second.channel->send({}, packet);
  return true;
}

void NativeClients::pause(bool paused) {
  paused_ = paused;
  for (auto& [id, client] : clients_) {
    if (paused) {
      client.channel->pause();
    } else {
      client.channel->resume();
    }
  }
}

// A program may send and end at once: what it sent counts.
void NativeClients::on_end(uint32_t id) {
  const auto found = clients_.find(id);
  if (found != clients_.end()) found->second.channel->drain_last();
  remove(id);
}

void NativeClients::close(uint32_t id, const char* why) {
  if (clients_.count(id) == 0) return;
  ++cut_;
  log_notice("client " + std::to_string(id) + " is cut off: " + why);
  remove(id);
}

void NativeClients::remove(uint32_t id) {
  const auto found = clients_.find(id);
  if (found == clients_.end()) return;
  const Client gone = std::move(found->second);
  clients_.erase(found);
  shutdown(gone.setup->descriptor(), SHUT_RDWR);  // the store may have a copy
  noted_.remove(id);
  detach(id);
  ids_.give_back(id);
  events_.on_client_gone(id);
}

}  // namespace ctdb
