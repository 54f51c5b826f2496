// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/unit/store/fake_router.h"

#include <sys/socket.h>
#include <time.h>

#include "libctdbipc/base/time.h"

namespace ctdb {
namespace {

constexpr int kWaitMs = 30000;

void sleep_a_little() {
  const timespec wait{0, 500000};
  nanosleep(&wait, nullptr);
}

}  // namespace

bool wait_until(const std::function<bool()>& condition) {
  for (int i = 0; i < 2 * kWaitMs; ++i) {
    if (condition()) return true;
    sleep_a_little();
  }
  return false;
}

FakeRouter::FakeRouter(const std::string& socket_path)
    : directory_(socket_path.substr(0, socket_path.rfind('/'))) {
  Result<UniqueFd> listener = listen_unix(socket_path, SOCK_SEQPACKET, 0700, 8);
  if (listener) listener_ = std::move(*listener);
  Result<std::unique_ptr<NodePage>> page = NodePage::open(directory_ + "/ctdb-node.page");
  if (page) page_ = std::move(*page);
  set_lease(kNever / 2);
}

// The keeper of a store that was killed ends when the lease does.
FakeRouter::~FakeRouter() {
  set_lease(0);
}

void FakeRouter::set_lease(TimeNs until) {
  page_->set_serve_until(until);
  (void)connect_unix(directory_ + "/keeper.sock");
}

bool FakeRouter::accept_store(uint32_t generation, uint32_t pnn) {
  if (!wait_until([this] {
        connection_.reset(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        return connection_.valid();
      })) {
    return false;
  }
  std::optional<SetupMessage> request;
  const bool asked = wait_until([&] {
    Result<std::optional<SetupMessage>> message = receive_setup(connection_.get());
    if (message && *message) request = std::move(**message);
    return request.has_value();
  });
  if (!asked || request->kind != SetupKind::kRequest || request->role != DaemonRole::kStore) return false;
  Result<ChannelPair> pair = create_channel(kDaemonRingBytes);
  if (!pair) return false;
  Result<std::unique_ptr<Channel>> channel = Channel::open(std::move(pair->server), ChannelSide::kServer);
  if (!channel) return false;
  channel_ = std::move(*channel);
  SetupMessage reply;
  reply.kind = SetupKind::kReply;
  reply.pnn = pnn;
  reply.generation = generation;
  reply.channels.push_back(std::move(pair->client));
  return send_setup(connection_.get(), reply).has_value();
}

void FakeRouter::hang_up() {
  connection_.reset();
  channel_.reset();
}

void FakeRouter::send(uint32_t endpoint, ByteView packet) {
  wait_until([&] { return channel_->push({endpoint, 0}, packet) != PushResult::kFull; });
  channel_->flush();
}

void FakeRouter::send_own(Operation operation, ByteView payload) {
  Header header;
  header.operation = static_cast<uint32_t>(operation);
  build_own(packet_, header, payload);
  send(0, packet_);
}

Bytes FakeRouter::receive(uint32_t* endpoint) {
  Bytes packet;
  wait_until([&] {
    const std::optional<Channel::Frame> frame = channel_->pop();
    if (!frame) return false;
    packet = to_bytes(frame->packet);
    if (endpoint != nullptr) *endpoint = frame->info.endpoint;
    return true;
  });
  channel_->flush();
  return packet;
}

Bytes FakeRouter::receive_own(Operation operation) {
  for (;;) {
    Bytes packet = receive();
    if (packet.empty()) return {};
    if (read_header(packet).operation == static_cast<uint32_t>(operation))
      return to_bytes(own_payload(packet));
  }
}

bool FakeRouter::open_generation(uint32_t generation, uint32_t base) {
  StoreRecover recover;
  recover.term = 1;
  recover.generation = generation;
  recover.base_generation = base;
  recover.members = {0};
  send_own(Operation::STORE_RECOVER, recover.encode());
  const auto recovered = StoreRecovered::decode(receive_own(Operation::STORE_RECOVERED));
  if (!recovered || !recovered->ok || recovered->generation != generation) return false;
  StoreOpen open;
  open.term = 1;
  open.generation = generation;
  send_own(Operation::STORE_OPEN, open.encode());
  return true;
}

std::optional<ReplyControl> FakeRouter::control(uint32_t endpoint, Control opcode, ByteView data) {
  Header header;
  header.reqid = 77;
  ReqControl request;
  request.opcode = static_cast<uint32_t>(opcode);
  request.data = data;
  build(packet_, header, request);
  send(endpoint, packet_);
  uint32_t to = 0;
  do {
    reply_ = receive(&to);
  } while (!reply_.empty() && to != endpoint);
  return reply_.empty() ? std::nullopt : parse_reply_control(reply_);
}

std::unique_ptr<Channel> FakeRouter::attach_client(uint32_t endpoint) {
  Result<ChannelPair> pair = create_channel(kClientRingBytes);
  if (!pair) return nullptr;
  SetupMessage attached;
  attached.kind = SetupKind::kClientAttached;
  attached.endpoint = endpoint;
  attached.channels.push_back(std::move(pair->server));
  if (!send_setup(connection_.get(), attached)) return nullptr;
  Result<std::unique_ptr<Channel>> channel = Channel::open(std::move(pair->client), ChannelSide::kClient);
  return channel ? std::move(*channel) : nullptr;
}

void FakeRouter::detach_client(uint32_t endpoint) {
  SetupMessage detached;
  detached.kind = SetupKind::kClientDetached;
  detached.endpoint = endpoint;
  (void)send_setup(connection_.get(), detached).has_value();
}

const ConnectionSlot* FakeRouter::hand_over(uint32_t endpoint, UniqueFd socket) {
  SetupMessage message;
  Result<UniqueFd> memory = ConnectionStates::create();
  if (!memory) return nullptr;
  states_ = std::move(*ConnectionStates::map(memory->get()));
  message.kind = SetupKind::kConnectionStates;
  message.descriptor = std::move(*memory);
  if (!send_setup(connection_.get(), message)) return nullptr;
  message.kind = SetupKind::kClientConnection;
  message.endpoint = endpoint;
  message.generation = 1;
  message.descriptor = std::move(socket);
  if (!send_setup(connection_.get(), message)) return nullptr;
  return wait_until([&] { return states_->find(endpoint, 1) != nullptr; }) ? states_->find(endpoint, 1)
                                                                           : nullptr;
}

void send_call(Channel& channel, uint32_t db_id, const std::string& key, uint32_t reqid) {
  Header header;
  header.reqid = reqid;
  ReqCall call;
  call.flags = CTDB_CALL_IMMEDIATE_MIGRATION;
  call.db_id = db_id;
  call.callid = CTDB_FUNC_NULL;
  call.key = as_bytes(key);
  Bytes packet;
  build(packet, header, call);
  wait_until([&] { return channel.push({}, packet) != PushResult::kFull; });
  channel.flush();
}

Bytes receive_packet(Channel& channel) {
  Bytes packet;
  wait_until([&] {
    const std::optional<Channel::Frame> frame = channel.pop();
    if (frame) packet = to_bytes(frame->packet);
    return frame.has_value() || channel.dead();
  });
  return packet;
}

}  // namespace ctdb
