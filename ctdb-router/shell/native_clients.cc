// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-router/shell/native_clients.h"

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

Result<void> NativeClients::connect(std::unique_ptr<SetupPeer>& connection) {
  Result<ChannelPair> pair = create_channel(kClientRingBytes);
  if (!pair) return fail(std::move(pair.error()));
  Result<UniqueFd> page = NodePage::reader_fd(node_page_path_);
  if (!page) return fail(std::move(page.error()));
  const uint32_t id = ids_.take();
  if (id == 0) return fail(ErrorCode::kLimit, "too many clients are connected to this node");
  Result<std::unique_ptr<ChannelQueue>> channel = ChannelQueue::create(
      loop_, std::move(pair->server), ChannelSide::kServer, kClientSendQueueBytesMax,
      [this, id](const Channel::Frame& frame) { on_frame(id, frame); },
      [this, id](const char* why) { close(id, why); });
  Result<ChannelFds> to_store =
      channel ? attach(id, connection->credentials()) : Result<ChannelFds>(fail(std::move(channel.error())));
  if (!to_store) {
    ids_.give_back(id);
    return fail(std::move(to_store.error()));
  }
  Client client{std::move(connection), std::move(*channel)};
  client.setup->set_handlers([this, id](SetupMessage) { close(id, "it broke the set-up protocol"); },
                             [this, id] { on_end(id); });
  if (paused_) client.channel->pause();
  SetupMessage reply;
  reply.kind = SetupKind::kReply;
  reply.endpoint = id;
  reply.pnn = pnn_;
  reply.channels.push_back(std::move(pair->client));
  reply.channels.push_back(std::move(*to_store));
  reply.descriptor = std::move(*page);
  client.setup->send(std::move(reply));
  const int32_t pid = client.setup->credentials().pid;
  clients_.emplace(id, std::move(client));
  events_.on_client(id, pid);
  return {};
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
  if (SetupPeer* store = daemons_.store_setup();
      store != nullptr && !store->unsend(SetupKind::kClientAttached, id)) {
    SetupMessage detached;
    detached.kind = SetupKind::kClientDetached;
    detached.endpoint = id;
    store->send(std::move(detached));
  }
  ids_.give_back(id);
  events_.on_client_gone(id);
}

}  // namespace ctdb
