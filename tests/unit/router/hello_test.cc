// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-router/transport/tcp/hello.h"

#include <gtest/gtest.h>

#include "libctdbipc/base/limits.h"
#include "libctdbipc/runtime/config.h"

namespace ctdb {
namespace {

class HelloRulesTest : public testing::Test {
 protected:
  HelloRulesTest() {
    rules.pnn = 1;
    rules.cluster_name = "fish";
    rules.nodes = {{0, "10.0.0.1", false}, {1, "10.0.0.2", false}, {2, "10.0.0.3", false}, {3, "", true}};
    hello.cluster_name = "fish";
    hello.boot_id = 5;
    hello.session = 6;
  }
  Bytes packet(uint32_t source = 2, uint32_t destination = 1) const {
    Bytes out;
    build_own(out, {0, 0, static_cast<uint32_t>(Operation::HELLO), destination, source, 0}, hello.encode());
    return out;
  }
  std::string refusal(const Bytes& bytes, uint32_t peer = 2, bool incoming = true) const {
    Result<Hello> result = check_hello(rules, peer, incoming, bytes);
    EXPECT_FALSE(result);
    if (result) return "";
    EXPECT_EQ(result.error().code, ErrorCode::kRefused);
    return result.error().context;
  }

  HelloRules rules;
  Hello hello;
};

TEST_F(HelloRulesTest, AGoodHelloIsTaken) {
  Result<Hello> result = check_hello(rules, 2, true, packet());
  ASSERT_TRUE(result);
  EXPECT_EQ(result->boot_id, 5u);
  EXPECT_EQ(result->session, 6u);
  EXPECT_TRUE(check_hello(rules, 0, false, packet(0)));
}

TEST_F(HelloRulesTest, VersionRangesMustOverlap) {
  hello.version_max = 99;
  EXPECT_TRUE(check_hello(rules, 2, true, packet()));
  hello.version_min = 98;
  EXPECT_EQ(refusal(packet()),
            "no common version: 98 to 99 there, 1 to 2 here (node 1 has the older release: upgrade it)");
  hello.version_min = hello.version_max = 0;
  EXPECT_EQ(refusal(packet()),
            "no common version: 0 to 0 there, 1 to 2 here (node 2 has the older release: upgrade it)");
}

TEST_F(HelloRulesTest, ThereIsRoomForTheLongestClusterName) {
  const Hello hello{1, 1, ~uint64_t{0}, 7, 8, std::string(kClusterNameBytesMax, 'n')};
  Bytes packet;
  build_own(packet, {0, 0, static_cast<uint32_t>(Operation::HELLO), 0, 1, 0}, hello.encode());
  EXPECT_LE(packet.size(), kHelloBytesMax);
}

TEST_F(HelloRulesTest, ClusterNameMustBeOurs) {
  hello.cluster_name = "fowl\x1b[2J";
  EXPECT_EQ(refusal(packet()), "cluster name is 'fowl?[2J' there and 'fish' here");
}

TEST_F(HelloRulesTest, NodeNumbersMustFitTheAddress) {
  EXPECT_NE(refusal(packet(0)).find("says it is node 0"), std::string::npos);
  EXPECT_NE(refusal(packet(2, 0)).find("it wants node 0"), std::string::npos);
}

TEST_F(HelloRulesTest, TheHigherNumberOpens) {
  EXPECT_NE(refusal(packet(), 2, false).find("wrong side"), std::string::npos);
  EXPECT_NE(refusal(packet(0), 0, true).find("wrong side"), std::string::npos);
}

TEST_F(HelloRulesTest, AnythingElseIsRefused) {
  Bytes message;
  build(message, {0, 0, 0, 1, 2, 0}, ReqMessage{1, {}});
  EXPECT_EQ(refusal(message), "the first packet is not a HELLO");
  Bytes cut = packet();
  cut.resize(40);
  store(cut.data(), uint32_t{40});
  EXPECT_EQ(refusal(cut), "HELLO is malformed");
  Bytes refused;
  build_own(refused, {0, 0, static_cast<uint32_t>(Operation::HELLO_REFUSED), 1, 2, 0},
            HelloRefused{"go away"}.encode());
  EXPECT_EQ(refusal(refused), "the other side refused: 'go away'");
}

TEST_F(HelloRulesTest, OnlyNodesThatMayOpenALinkAreKnown) {
  ASSERT_TRUE(node_of_address(rules, "10.0.0.3"));
  EXPECT_EQ(*node_of_address(rules, "10.0.0.3"), 2u);
  EXPECT_NE(node_of_address(rules, "10.0.0.1").error().context.find("must not open"), std::string::npos);
  EXPECT_NE(node_of_address(rules, "10.0.0.2").error().context.find("itself"), std::string::npos);
  EXPECT_NE(node_of_address(rules, "10.0.0.9").error().context.find("not in the nodes file"),
            std::string::npos);
  EXPECT_FALSE(node_of_address(rules, "")) << "a deleted node has no address";
}

}  // namespace
}  // namespace ctdb
