// SPDX-License-Identifier: GPL-3.0-or-later
// Local clients of both kinds on a whole router.
#include <sys/stat.h>

#include "ctdb-router/shell/endpoint_ids.h"
#include "tests/unit/router/shell_fixture.h"

namespace ctdb::test {
namespace {

class ShellClients : public ShellTest {};

TEST(EndpointIds, AreNeverTheStoresOwnNumber) {
  EndpointIds ids(0xFFFFFFFDu);
  EXPECT_EQ(ids.take(), 0xFFFFFFFEu);
  EXPECT_EQ(ids.take(), 1u);
}

TEST_F(ShellClients, SocketsAreForTheirOwnerOnly) {
  for (const std::string& path : {context.config.socket_path, context.config.setup_socket_path}) {
    struct stat status;
    ASSERT_EQ(stat(path.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0700u) << path;
  }
}

TEST_F(ShellClients, BothKindsAreAnswered) {
  PacketSocket first = classic();
  EXPECT_EQ(ask(first, control(Control::PING)), 1);
  ChannelPeer second = native();
  EXPECT_EQ(second.reply.pnn, 0u);
  EXPECT_NE(second.reply.endpoint, 0u);
  EXPECT_EQ(second.channels.size(), 2u);
  EXPECT_EQ(ask(second, control(Control::PING)), 2);
  EXPECT_EQ(ask(first, control(Control::PROCESS_EXISTS, numbers(getpid()))), 0) << "its pid is known";
}

TEST_F(ShellClients, ManyPacketsInOneWriteAreAllAnswered) {
  PacketSocket client = classic();
  Bytes stream;
  for (int i = 0; i < 1000; ++i) {
    const Bytes packet = control(Control::GET_PNN);
    stream.insert(stream.end(), packet.begin(), packet.end());
  }
  std::thread writer([&] { client.send(stream); });
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(status_of(client.receive()), 0);
  writer.join();
}

TEST_F(ShellClients, MalformedInputOfClassicClients) {
  for (const uint32_t length : {0u, 3u, 0xffffffffu}) {
    PacketSocket client = classic();
    Bytes bytes(32, 0);
    store(bytes.data(), length);
    client.send(bytes);
    EXPECT_TRUE(client.ended()) << length;
  }
  PacketSocket client = classic();
  Bytes shorter(16, 0);
  store(shorter.data(), uint32_t{16});
  client.send(shorter);
  Bytes magic = control(Control::PING);
  magic[5] ^= 1;
  client.send(magic);
  Bytes version = control(Control::PING);
  version[8] = 9;
  client.send(version);
  Bytes operation = control(Control::PING);
  operation[16] = 77;
  client.send(operation);
  Bytes unaligned = control(Control::GET_PNN);
  unaligned.resize(CTDB_REQ_CONTROL_FIXED + 1);
  store(unaligned.data(), static_cast<uint32_t>(unaligned.size()));
  EXPECT_EQ(ask(client, unaligned), 0) << "the rest was skipped, the connection stays";
  EXPECT_TRUE(eventually([&] { return counters().value(Counter::router_bad_packets) == 4; }));
  EXPECT_EQ(counters().value(Counter::router_clients_cut), 3u);
}

TEST_F(ShellClients, MessagesBetweenTheKinds) {
  PacketSocket first = classic();
  ChannelPeer second = native();
  EXPECT_EQ(ask(first, control(Control::REGISTER_SRVID, {}, 5)), 0);
  EXPECT_EQ(ask(second, control(Control::REGISTER_SRVID, {}, 6)), 0);
  second.send(message(5, 0));
  const std::optional<Bytes> at_first = first.receive();
  ASSERT_TRUE(at_first);
  EXPECT_EQ(parse_req_message(*at_first)->srvid, 5u);
  first.send(message(6, CTDB_CURRENT_NODE));
  const std::optional<Channel::Frame> at_second = second.receive();
  ASSERT_TRUE(at_second);
  EXPECT_EQ(parse_req_message(at_second->packet)->srvid, 6u);
}

TEST_F(ShellClients, WhatAClientSentBeforeItEndedIsDelivered) {
  PacketSocket listener = classic();
  EXPECT_EQ(ask(listener, control(Control::REGISTER_SRVID, {}, 5)), 0);
  for (int round = 0; round < 50; ++round) {
    if (round % 2 == 0) {
      ChannelPeer sender = native();
      for (int i = 0; i < 20; ++i) sender.send(message(5, 0));
    } else {
      PacketSocket sender = classic();
      for (int i = 0; i < 20; ++i) sender.send(message(5, 0));
    }
  }
  for (int i = 0; i < 50 * 20; ++i) ASSERT_TRUE(listener.receive()) << i;
}

TEST_F(ShellClients, AMessageThatCannotBeDeliveredIsReportedToNativeClientsOnly) {
  ChannelPeer sender = native();
  Bytes packet = message(5, 1);
  set_reqid(packet, 4711);
  sender.send(packet);
  const std::optional<Channel::Frame> frame = sender.receive();
  ASSERT_TRUE(frame);
  EXPECT_EQ(read_header(frame->packet).operation, static_cast<uint32_t>(Operation::MESSAGE_FAILED));
  EXPECT_EQ(read_header(frame->packet).reqid, 4711u);
  EXPECT_EQ(MessageFailed::decode(own_payload(frame->packet))->reason, MessageFault::kNoLink);
  PacketSocket classic_sender = classic();
  classic_sender.send(packet);
  EXPECT_GT(ask(classic_sender, control(Control::PING)), 0) << "the next packet is the answer to this";
}

TEST_F(ShellClients, TheNodesFileIsAnsweredAsItIsNow) {
  PacketSocket client = classic();
  EXPECT_EQ(ask(client, control(Control::GET_NODES_FILE)), -1) << "there is none";
  std::ofstream(context.config.nodes_file) << "127.0.0.1\n127.0.0.2\n#127.0.0.3\n";
  client.send(control(Control::GET_NODES_FILE));
  std::optional<Bytes> answer = client.receive();
  ASSERT_TRUE(answer);
  EXPECT_EQ(parse_reply_control(*answer)->data.size(), 4u + 3 * 36);
  std::ofstream(context.config.nodes_file) << "127.0.0.1\n127.0.0.2\nno address\n";
  client.send(control(Control::GET_NODES_FILE));
  answer = client.receive();
  ASSERT_TRUE(answer);
  EXPECT_EQ(parse_reply_control(*answer)->status, -1);
  EXPECT_EQ(parse_reply_control(*answer)->error.find(context.config.nodes_file + ":3: "), 0u);
}

TEST_F(ShellClients, AFrameThatIsNoPacketCutsItsClientOnly) {
  ChannelPeer good = native();
  for (int round = 0; round < 3; ++round) {
    ChannelPeer bad = native();
    Bytes packet = control(Control::PING);
    if (round == 0) packet.resize(20);
    if (round == 1) packet[4] ^= 1;
    if (round == 2) store(packet.data(), static_cast<uint32_t>(packet.size() + 8));
    bad.send(packet);
    EXPECT_FALSE(bad.receive_message());
  }
  EXPECT_EQ(ask(good, control(Control::PING)), 1);
  EXPECT_TRUE(eventually([&] { return counters().value(Counter::router_clients_cut) == 3; }));
}

TEST_F(ShellClients, AClientThatDoesNotReadIsCutAndNobodyElse) {
  PacketSocket sender = classic();
  PacketSocket deaf = classic();
  ChannelPeer deaf_native = native();
  EXPECT_EQ(ask(deaf, control(Control::REGISTER_SRVID, {}, 5)), 0);
  EXPECT_EQ(ask(deaf_native, control(Control::REGISTER_SRVID, {}, 5)), 0);
  const Bytes large = message(5, 0, 100000);
  for (size_t sent = 0; sent < kClientSendQueueBytesMax + (8u << 20); sent += large.size())
    sender.send(large);
  EXPECT_TRUE(eventually([&] { return counters().value(Counter::router_clients_cut) == 2; }));
  EXPECT_EQ(ask(sender, control(Control::PING)), 1);
}

TEST_F(ShellClients, AnIdleRouterSleeps) {
  PacketSocket client = classic();
  EXPECT_EQ(ask(client, control(Control::PING)), 1);
  const auto switches = [this] {
    std::ifstream file("/proc/self/task/" + std::to_string(thread_id) + "/status");
    for (std::string word; file >> word;) {
      if (word == "voluntary_ctxt_switches:") {
        uint64_t count = 0;
        file >> count;
        return count;
      }
    }
    return uint64_t{0};
  };
  EXPECT_TRUE(eventually([&] {
    const uint64_t before = switches();
    usleep(400000);
    return switches() == before;
  }));
  EXPECT_GE(counters().value(Counter::router_client_packets_in), 1u) << "published when it went idle";
  EXPECT_EQ(counters().status, "no link to 1; ctdb-store missing; ctdb-recoveryd missing");
}

}  // namespace
}  // namespace ctdb::test
