// SPDX-License-Identifier: GPL-3.0-or-later
// Controls the router serves itself (wire-protocol §8).
#include "tests/unit/router/core_fixture.h"

namespace ctdb::test {
namespace {

class Controls : public CoreTest {};

TEST_F(Controls, ValuesThatTravelInTheStatus) {
  EXPECT_EQ(ask(Control::PING).status, 2);
  EXPECT_EQ(ask(Control::GET_PID).status, 4711);
  EXPECT_EQ(ask(Control::GET_PNN).status, 1);
  EXPECT_EQ(ask(Control::GET_RECMODE).status, static_cast<int32_t>(CTDB_RECOVERY_ACTIVE));
  cluster_state(healthy());
  EXPECT_EQ(ask(Control::GET_RECMODE).status, static_cast<int32_t>(CTDB_RECOVERY_NORMAL));
}

TEST_F(Controls, AreServedUnderTheOwnNumberToo) {
  from_client(control(Control::PING, kSelf));
  EXPECT_EQ(answer().status, 2);
}

TEST_F(Controls, NoreplyGetsNone) {
  from_client(control(Control::PING, CTDB_CURRENT_NODE, {}, CTDB_CONTROL_NOREPLY));
  EXPECT_TRUE(out.take().empty());
}

TEST_F(Controls, UnknownAndObsoleteOnesAreRefused) {
  EXPECT_EQ(ask(static_cast<Control>(5555)).status, -1);
  EXPECT_EQ(ask(Control::SET_DMASTER).status, -1);
  EXPECT_EQ(ask(Control::GET_RECMASTER).status, -1);
}

TEST_F(Controls, OneByteMoreOrLessIsRefused) {
  EXPECT_EQ(ask(Control::PING, Bytes(1)).status, -1);
  EXPECT_EQ(ask(Control::PROCESS_EXISTS, Bytes(3)).status, -1);
  EXPECT_EQ(ask(Control::PROCESS_EXISTS, Bytes(5)).status, -1);
  EXPECT_EQ(ask(Control::CHECK_PID_SRVID, Bytes(11)).status, -1);
  EXPECT_EQ(ask(Control::GET_PNN, Bytes(7)).status, 1) << "any size is good there";
}

TEST_F(Controls, EveryControlOfTheRouterIsServed) {
  for (uint32_t number = 0; number < 0x1010; ++number) {
    const ControlRow* row = find_control(number);
    if (row == nullptr || row->server != Server::router) continue;
    const ReplyControl reply = ask(static_cast<Control>(number));
    EXPECT_NE(reply.error, "control is not served") << row->name;
  }
}

TEST_F(Controls, LinksAreWhatTheTransportSays) {
  out.link_reports = {{2, LinkKind::kTcp, 5, "no device", 0, 1, 0, 3, 4, 0, 0, {}}};
  const ReplyControl reply = ask(Control::GET_LINKS);
  EXPECT_EQ(reply.status, 0);
  const std::optional<LinkReports> links = LinkReports::decode(reply.data);
  ASSERT_TRUE(links && links->links.size() == 1);
  EXPECT_EQ(links->links[0].node, 2u);
  EXPECT_EQ(links->links[0].why, "no device");
}

TEST_F(Controls, WhoServesWhat) {
  daemons_up();
  from_client(control(Control::GET_DBMAP));
  Sent sent = only();
  EXPECT_EQ(sent.where, Sent::Where::kStore);
  EXPECT_EQ(sent.to, kClient);
  EXPECT_EQ(sent.header().destnode, kSelf);
  EXPECT_EQ(sent.header().srcnode, kSelf);
  EXPECT_EQ(parse_req_control(sent.packet)->client_id, kClient) << "what the client wrote is replaced";
  from_client(control(Control::UPTIME));
  sent = only();
  EXPECT_EQ(sent.where, Sent::Where::kRecoveryd);
  EXPECT_EQ(sent.lane, Lane::kData);
}

TEST_F(Controls, ProcessExistsKnowsConnectedClientsOnly) {
  EXPECT_EQ(ask(Control::PROCESS_EXISTS, numbers(1001)).status, 0);
  EXPECT_EQ(ask(Control::PROCESS_EXISTS, numbers(1)).status, -1);
  EXPECT_TRUE(out.closed.empty());
}

TEST_F(Controls, ProcessExistsOnAnInactiveNodeEndsTheClient) {
  router.on_client(99, 1001);
  ClusterState state = healthy();
  state.node_flags[kSelf] = CTDB_NODE_STOPPED;
  cluster_state(state);
  EXPECT_EQ(ask(Control::PROCESS_EXISTS, numbers(1001)).status, -1);
  EXPECT_EQ(out.closed, std::vector<uint32_t>{99}) << "the newest connection";
}

TEST_F(Controls, CheckPidSrvid) {
  Bytes data;
  Writer(data).u32(1001);
  Writer(data).u64(0xabc);
  EXPECT_EQ(ask(Control::CHECK_PID_SRVID, data).status, -1);
  listen(0xabc, kOther);
  EXPECT_EQ(ask(Control::CHECK_PID_SRVID, data).status, 0);
  from_client(control(Control::DEREGISTER_SRVID, CTDB_CURRENT_NODE, {}, 0, 0xabc), kOther);
  EXPECT_EQ(answer(kOther).status, 0);
  EXPECT_EQ(ask(Control::CHECK_PID_SRVID, data).status, -1);
}

TEST_F(Controls, DeregisterOfWhatIsNotThereIsTwo) {
  EXPECT_EQ(ask(Control::DEREGISTER_SRVID, {}, 5).status, 2);
}

TEST_F(Controls, NodemapShowsLinksAndStates) {
  link_up(0);
  ClusterState state = healthy();
  state.node_flags[0] = CTDB_NODE_STOPPED;
  cluster_state(state);
  const ReplyControl reply = ask(Control::GET_NODEMAP);
  ASSERT_EQ(reply.status, 0);
  ASSERT_EQ(reply.data.size(), 4u + 4 * 36);
  const auto entry = [&](uint32_t pnn) { return reply.data.data() + 4 + pnn * 36; };
  EXPECT_EQ(load<uint32_t>(reply.data.data()), 4u);
  EXPECT_EQ(load<uint32_t>(entry(0) + 4), CTDB_NODE_STOPPED);
  EXPECT_EQ(load<uint32_t>(entry(1) + 4), 0u);
  EXPECT_EQ(load<uint32_t>(entry(2) + 4), CTDB_NODE_DISCONNECTED | CTDB_NODE_UNHEALTHY);
  EXPECT_EQ(load<uint32_t>(entry(3) + 4), CTDB_NODE_DELETED | CTDB_NODE_DISCONNECTED);
  EXPECT_EQ(*(entry(2) + 8), 2) << "its address";
}

TEST_F(Controls, TheNodesFileIsReadWhenItIsAskedFor) {
  out.file_nodes = {{Bytes(28, 7), false, false, 0, "10.0.0.1"}, {Bytes(28, 0), true, false, 0, ""}};
  const ReplyControl file = ask(Control::GET_NODES_FILE);
  ASSERT_EQ(file.data.size(), 4u + kNodes * 36) << "numbers that the node knows are not missing";
  EXPECT_EQ(load<uint32_t>(file.data.data() + 4 + 4), 0u);
  EXPECT_EQ(file.data[4 + 8], 7u);
  EXPECT_EQ(load<uint32_t>(file.data.data() + 4 + 36 + 4), CTDB_NODE_DELETED);
  EXPECT_EQ(load<uint32_t>(file.data.data() + 4 + 3 * 36 + 4), CTDB_NODE_DELETED);
  out.file_fault = "nodes:3: 'x' is no address (write one)";
  const ReplyControl wrong = ask(Control::GET_NODES_FILE);
  EXPECT_EQ(wrong.status, -1);
  EXPECT_EQ(wrong.error, out.file_fault);
}

TEST_F(Controls, VnnmapAndRunstateComeFromTheClusterState) {
  cluster_state(healthy());
  EXPECT_EQ(to_bytes(ask(Control::GETVNNMAP).data), numbers(900, 3, 0, 1, 2));
  EXPECT_EQ(to_bytes(ask(Control::GET_RUNSTATE).data), numbers(5));
}

Bytes tunable_name(std::string_view name) {
  Bytes data;
  Writer(data).counted_bytes(as_bytes(name));
  return data;
}

Bytes set_tunable(std::string_view name, uint32_t value) {
  Bytes data;
  Writer w(data);
  w.u32(value);
  w.counted_bytes(as_bytes(std::string(name) + '\0'));
  return data;
}

TEST_F(Controls, TunablesGoToTheStoreWhenItConnectsAndWhenTheyChange) {
  EXPECT_EQ(ask(Control::SET_TUNABLE, set_tunable("AllowClientDBAttach", 0)).status, 0);
  router.on_daemon(Server::store, true, 1, now);
  Sent sent = only();
  EXPECT_EQ(sent.where, Sent::Where::kStore);
  ASSERT_TRUE(sent.is(Operation::TUNABLES));
  auto tunables = TunablesMessage::decode(own_payload(sent.packet));
  ASSERT_TRUE(tunables);
  EXPECT_EQ((*tunables)[Tunable::AllowClientDBAttach], 0u);
  EXPECT_EQ((*tunables)[Tunable::TraverseTimeout], 20u);
  from_client(control(Control::SET_TUNABLE, CTDB_CURRENT_NODE, set_tunable("traversetimeout", 7)));
  const std::vector<Sent> both = out.take();
  ASSERT_EQ(both.size(), 2u);
  tunables = TunablesMessage::decode(own_payload(both[0].packet));
  ASSERT_TRUE(tunables);
  EXPECT_EQ((*tunables)[Tunable::TraverseTimeout], 7u);
  EXPECT_EQ(both[1].to, kClient) << "the answer comes after it";
  EXPECT_EQ(ask(Control::SET_TUNABLE, set_tunable("NoSuchThing", 0)).status, -1);
}

TEST_F(Controls, TunablesCompareWithoutCase) {
  EXPECT_EQ(to_bytes(ask(Control::GET_TUNABLE, tunable_name("controlTIMEOUT")).data), numbers(60));
  Bytes change;
  Writer(change).u32(7);
  Writer(change).counted_bytes(as_bytes(std::string_view("ControlTimeout\0", 15)));
  EXPECT_EQ(ask(Control::SET_TUNABLE, change).status, 0);
  EXPECT_EQ(to_bytes(ask(Control::GET_TUNABLE, tunable_name("ControlTimeout")).data), numbers(7));
}

TEST_F(Controls, SettingsAreTheDaemonsAndTheNodesAndTunablesInUse) {
  out.daemons_settings = "[database] copies = *=2\n";
  EXPECT_EQ(ask(Control::SET_TUNABLE, set_tunable("recovertimeout", 7)).status, 0);
  const ReplyControl reply = ask(Control::GET_SETTINGS);
  EXPECT_EQ(reply.status, 0);
  const std::string text(as_text(reply.data));
  EXPECT_TRUE(text.starts_with("[database] copies = *=2\nnodes = 0 ")) << text;
  EXPECT_NE(text.find("\ntunable RecoverTimeout = 7\n"), std::string::npos) << text;
  EXPECT_EQ(text.find("MaxRedirectCount"), std::string::npos) << "it has no meaning any more";
  EXPECT_TRUE(text.ends_with(std::string("\n\0", 2))) << "a string, with its end";
}

TEST_F(Controls, TunableStatuses) {
  EXPECT_EQ(ask(Control::GET_TUNABLE, tunable_name("Nonsense")).status, -22);
  Bytes change;
  Writer(change).u32(1);
  Writer(change).counted_bytes(as_bytes("MaxRedirectCount"));
  EXPECT_EQ(ask(Control::SET_TUNABLE, change).status, 1) << "obsolete, set all the same";
  EXPECT_EQ(ask(Control::SET_TUNABLE, Bytes(3)).status, -1);
  EXPECT_EQ(ask(Control::SET_TUNABLE, numbers(1, 4000)).status, -1) << "the name is longer than the packet";
}

TEST_F(Controls, TunableLists) {
  const ReplyControl all = ask(Control::GET_ALL_TUNABLES);
  ASSERT_EQ(all.data.size(), 248u);
  EXPECT_EQ(load<uint32_t>(all.data.data() + 4), 1000u);
  const ReplyControl list = ask(Control::LIST_TUNABLES);
  const std::string_view text = as_text(list.data.subspan(4));
  EXPECT_EQ(load<uint32_t>(list.data.data()), text.size());
  EXPECT_EQ(text.substr(0, 30), ":SeqnumInterval:ControlTimeout");
  EXPECT_EQ(text.find("MaxRedirectCount"), text.npos) << "obsolete ones are not listed";
  EXPECT_EQ(text.back(), '\0');
}

TEST_F(Controls, EchoComesBackAfterItsDelay) {
  Bytes data;
  Writer(data).u32(250);
  Writer(data).counted_bytes(as_bytes("parrot"));
  from_client(control(Control::ECHO_DATA, CTDB_CURRENT_NODE, data));
  EXPECT_TRUE(out.take().empty());
  EXPECT_EQ(router.next_deadline(), now + 250 * kMillisecond);
  now += 249 * kMillisecond;
  router.tick(now);
  EXPECT_TRUE(out.take().empty());
  now += kMillisecond;
  router.tick(now);
  EXPECT_EQ(to_bytes(answer().data), data);
  EXPECT_EQ(router.next_deadline(), kNever);
}

// An echo in a minute.
Bytes late_echo(size_t bytes) {
  Bytes data;
  Writer(data).u32(60000);
  Writer(data).counted_bytes(Bytes(bytes));
  return data;
}

TEST_F(Controls, EchoesAreBounded) {
  const Bytes data = late_echo(8u << 20);
  int refused = 0;
  for (int i = 0; i < 10; ++i) {
    from_client(control(Control::ECHO_DATA, CTDB_CURRENT_NODE, data));
    refused += static_cast<int>(out.take().size());
  }
  EXPECT_GT(refused, 0);
  router.on_client_gone(kClient, now);
  EXPECT_EQ(router.next_deadline(), kNever) << "its echoes went with it";
}

TEST_F(Controls, EchoesOfOneSenderTakeNobodyElsesRoom) {
  link_up(2);
  link_up(0);
  out.take();
  const Bytes data = late_echo(0);
  for (int i = 0; i < 4096; ++i) {
    from_client(control(Control::ECHO_DATA, CTDB_CURRENT_NODE, data));
    EXPECT_TRUE(from_link(2, control(Control::ECHO_DATA, 0, data)));
  }
  EXPECT_TRUE(out.take().empty());
  EXPECT_EQ(ask(Control::ECHO_DATA, data).status, -1);
  EXPECT_TRUE(from_link(2, control(Control::ECHO_DATA, 0, data)));
  EXPECT_EQ(parse_reply_control(only().packet)->status, -1);
  from_client(control(Control::ECHO_DATA, CTDB_CURRENT_NODE, data), kOther);
  EXPECT_TRUE(from_link(0, control(Control::ECHO_DATA, 0, data)));
  EXPECT_TRUE(out.take().empty()) << "accepted";
}

TEST_F(Controls, ANodesEchoesGoWithItsLink) {
  link_up(2);
  EXPECT_TRUE(from_link(2, control(Control::ECHO_DATA, 0, late_echo(0))));
  EXPECT_NE(router.next_deadline(), kNever);
  link_down(2);
  EXPECT_EQ(router.next_deadline(), kNever);
}

TEST_F(Controls, DebugLevelQuietAndShutdownReachTheShell) {
  EXPECT_EQ(to_bytes(ask(Control::GET_DEBUG).data), numbers(3));
  EXPECT_EQ(ask(Control::SET_DEBUG, numbers(10)).status, 0);
  EXPECT_EQ(out.level, 10);
  EXPECT_EQ(ask(Control::NODE_QUIET).status, 0);
  EXPECT_TRUE(out.quiet);
  EXPECT_EQ(ask(Control::NODE_ACTIVE).status, 0);
  EXPECT_FALSE(out.quiet);
  EXPECT_EQ(ask(Control::SHUTDOWN).status, 0);
  EXPECT_TRUE(out.stopped);
}

TEST_F(Controls, Statistics) {
  out.outside.calls = 17;
  cluster_state(healthy());
  link_up(0);
  from_client(message(5, 0));
  out.take();
  const ReplyControl reply = ask(Control::STATISTICS);
  ASSERT_EQ(reply.data.size(), 488u);
  const auto at = [&](size_t offset) { return load<uint32_t>(reply.data.data() + offset); };
  EXPECT_EQ(at(0), 2u) << "clients";
  EXPECT_EQ(at(16), 2u) << "packets from clients";
  EXPECT_EQ(at(20), 1u) << "packets to nodes";
  EXPECT_EQ(at(76), 1u) << "messages of clients";
  EXPECT_EQ(at(280), 17u) << "calls, from the store";
  EXPECT_EQ(load<int64_t>(reply.data.data() + 464), 1234567890);
  EXPECT_EQ(ask(Control::STATISTICS_RESET).status, 0);
  EXPECT_EQ(load<uint32_t>(ask(Control::STATISTICS).data.data() + 76), 0u);
  EXPECT_EQ(ask(Control::GET_STAT_HISTORY).data.size(), 8u + 488);
}

TEST_F(Controls, AClusterWithoutPublicAddresses) {
  EXPECT_EQ(to_bytes(ask(Control::GET_PUBLIC_IPS).data), numbers(0));
  EXPECT_EQ(ask(Control::TCP_CLIENT, Bytes(56)).status, 0);
  EXPECT_EQ(ask(Control::GET_TCP_TICKLE_LIST, Bytes(28)).status, 1);
  EXPECT_EQ(ask(Control::GET_PUBLIC_IP_INFO, Bytes(28)).status, -1);
}

TEST_F(Controls, TooManyInFlightOnOneConnectionAreRefused) {
  daemons_up();
  for (uint32_t i = 0; i < 4096; ++i) from_client(control(Control::GET_DBMAP));
  EXPECT_EQ(out.take().size(), 4096u);
  EXPECT_EQ(ask(Control::GET_DBMAP).status, -1);
  from_client(control(Control::GET_DBMAP), kOther);
  EXPECT_EQ(only().where, Sent::Where::kStore) << "others are not concerned";
}

}  // namespace
}  // namespace ctdb::test
