// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-router/shell/daemons.h"

#include <unistd.h>

#include <algorithm>
#include <string>

#include "libctdbipc/base/limits.h"
#include "libctdbipc/runtime/log.h"

namespace ctdb {
namespace {

const char* name_of(Server who) {
  return who == Server::store ? "ctdb-store" : "ctdb-recoveryd";
}

}  // namespace

Result<void> Daemons::may_connect(Server who, const SetupPeer& connection) {
  const PeerCredentials& peer = connection.credentials();
  // Users of their own share the router's group; whoever else may open the socket is in it as a guest at most.
  if (peer.uid != 0 && peer.uid != geteuid() && peer.gid != getegid()) {
    return fail(ErrorCode::kRefused,
                std::string(name_of(who)) + " must run as root, as the router's user or in its group");
  }
  Port& old = port(who);
  if (old.setup == nullptr) return {};
  // The old one may be dead without our having read its end yet.
  if (old.setup->ended()) {
    end(who, old.instance, "it is gone");
    return {};
  }
  return fail(ErrorCode::kRefused, std::string("another ") + name_of(who) + " is connected (process " +
                                       std::to_string(old.setup->credentials().pid) + "): stop it first");
}

Result<ChannelFds> Daemons::open_lane(Server who, Lane lane, uint64_t instance,
                                      std::unique_ptr<ChannelQueue>& queue) {
  Result<ChannelPair> pair = create_channel(kDaemonRingBytes);
  if (!pair) return fail(std::move(pair.error()));
  Result<std::unique_ptr<ChannelQueue>> opened = ChannelQueue::create(
      loop_, std::move(pair->server), ChannelSide::kServer, kDaemonQueueBytesMax,
      [this, who](const Channel::Frame& frame) {
        if (who == Server::store && frame.info.flags != 0) {
          events_.on_connection_frame(frame.info, frame.packet);
        } else {
          events_.on_daemon_packet(who, frame.info.endpoint, frame.packet);
        }
      },
      [this, who, instance](const char* why) { end(who, instance, why); });
  if (!opened)
    return fail(std::move(opened.error()).in(lane == Lane::kControl ? "control lane" : "data lane"));
  queue = std::move(*opened);
  return std::move(pair->client);
}

Result<void> Daemons::connect(const SetupMessage& request, std::unique_ptr<SetupPeer>& connection,
                              uint32_t generation) {
  const Server who = request.role == DaemonRole::kStore ? Server::store : Server::recoveryd;
  if (Result<void> allowed = may_connect(who, *connection); !allowed) return allowed;
  Port fresh;
  fresh.instance = (boot_id_ << 32) | ++connections_;
  fresh.keeps = who == Server::store && request.generation == kKeepsClients;
  fresh.keeps_channels = fresh.keeps && request.endpoint == kKeepsChannels;
  fresh.keeps_halves = fresh.keeps && request.gid == kKeepsHalves;
  SetupMessage reply;
  reply.kind = SetupKind::kReply;
  reply.role = request.role;
  if (who == Server::store) {
    reply.endpoint = kKeepsClients;
    reply.pid = static_cast<uint32_t>(boot_id_);
    reply.uid = kKeepsChannels;
    reply.gid = kKeepsHalves;
  }
  reply.pnn = pnn_;
  reply.generation = generation;
  // The control lane is added to the loop first: it is drained first in every turn.
  Result<ChannelFds> control = ChannelFds{};
  if (who == Server::recoveryd) control = open_lane(who, Lane::kControl, fresh.instance, fresh.lanes[0]);
  if (!control) return fail(std::move(control.error()));
  Result<ChannelFds> data = open_lane(who, Lane::kData, fresh.instance, fresh.lanes[1]);
  if (!data) return fail(std::move(data.error()));
  reply.channels.push_back(std::move(*data));
  if (who == Server::recoveryd) reply.channels.push_back(std::move(*control));

  const uint64_t instance = fresh.instance;
  fresh.setup = std::move(connection);
  fresh.setup->set_handlers(
      [this, who, instance](SetupMessage message) { on_setup_message(who, instance, message); },
      [this, who, instance] { end(who, instance, "it is gone"); });
  fresh.setup->send(std::move(reply));
  log_notice(std::string(name_of(who)) + " connected, process " +
             std::to_string(fresh.setup->credentials().pid));
  port(who) = std::move(fresh);
  events_.on_daemon(who, true, instance);
  return {};
}

void Daemons::on_setup_message(Server who, uint64_t instance, SetupMessage& message) {
  if (who == Server::store && message.kind == SetupKind::kClientDetached) {
    return events_.on_store_cut_client(message.endpoint);
  }
  const bool broken = message.kind == SetupKind::kRecordStreamEnd;
  if (who == Server::store && (broken || message.kind == SetupKind::kRenewSession)) {
    return events_.on_stream_report(message.endpoint, broken);
  }
  if (who == Server::store && message.kind == SetupKind::kKeeperWire) {
    return events_.on_keeper_holds(message.endpoint, message.generation);
  }
  if (who == Server::store && message.kind == SetupKind::kKeeperReady) return events_.on_keeper();
  const bool kept = message.kind == SetupKind::kClientNotes || message.kind == SetupKind::kKeptClient ||
                    message.kind == SetupKind::kKeptEnd || message.kind == SetupKind::kHalfPackets;
  if (who == Server::store && kept) return events_.on_kept(message);
  end(who, instance, "it broke the set-up protocol");
}

void Daemons::give_keeper_wire(uint32_t pnn, uint32_t number, UniqueFd wire) {
  if (!store_up()) return;
  SetupMessage message;
  message.kind = SetupKind::kKeeperWire;
  message.endpoint = pnn;
  message.generation = number;
  message.descriptor = std::move(wire);
  store_.setup->send(std::move(message));
}

void Daemons::keeper_ready() {
  if (!store_up()) return;
  SetupMessage message;
  message.kind = SetupKind::kKeeperReady;
  message.generation = static_cast<uint32_t>(boot_id_);
  store_.setup->send(std::move(message));
}

void Daemons::give_record_stream(uint32_t pnn, UniqueFd stream) {
  if (!store_up()) return;
  SetupMessage message;
  message.kind = SetupKind::kRecordStream;
  message.endpoint = pnn;
  message.descriptor = std::move(stream);
  store_.setup->send(std::move(message));
}

void Daemons::end_record_stream(uint32_t pnn) {
  if (!store_up() || store_.setup->unsend(SetupKind::kRecordStream, pnn)) return;
  SetupMessage message;
  message.kind = SetupKind::kRecordStreamEnd;
  message.endpoint = pnn;
  store_.setup->send(std::move(message));
}

bool Daemons::to_store(FrameInfo info, ByteView packet) {
  if (!store_up()) return false;
  if (info.flags != 0) events_.on_connection_frame_sent(info, packet);
  store_.lanes[static_cast<size_t>(Lane::kData)]->send(info, packet);
  return true;
}

bool Daemons::to_recoveryd(Lane lane, uint32_t endpoint, ByteView packet) {
  if (!recoveryd_up()) return false;
  recoveryd_.lanes[static_cast<size_t>(lane)]->send({endpoint, 0}, packet);
  return true;
}

size_t Daemons::queued_bytes() const {
  size_t most = 0;
  for (const Port* p : {&store_, &recoveryd_}) {
    for (const std::unique_ptr<ChannelQueue>& lane : p->lanes) {
      if (lane != nullptr) most = std::max(most, lane->queued_bytes());
    }
  }
  return most;
}

void Daemons::end(Server who, uint64_t instance, const char* why) {
  Port& p = port(who);
  if (p.setup == nullptr || p.instance != instance) return;
  // What it said before it ended counts.
  for (const std::unique_ptr<ChannelQueue>& lane : p.lanes) {
    if (lane != nullptr) lane->drain_last();
  }
  log_warning(std::string(name_of(who)) + " is disconnected: " + why);
  const bool dead = p.setup->closed();
  p = Port{};
  if (who == Server::store) events_.on_connections_lost(dead);
  events_.on_daemon(who, false, instance);
}

// Not by a signal: they may be of other users.
void Daemons::shutdown() {
  for (Port* p : {&store_, &recoveryd_}) {
    SetupMessage message;
    message.kind = SetupKind::kShutdown;
    if (p->setup != nullptr) p->setup->send(std::move(message));
  }
}

}  // namespace ctdb
