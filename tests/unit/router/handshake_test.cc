// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-router/transport/tcp/handshake.h"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/unit/router/tcp_cluster.h"
#include "tests/unit/store/temporary_directory.h"

namespace ctdb {
namespace {

using test::test_key;

Hello some_hello(uint64_t session) {
  Hello hello;
  hello.session = session;
  hello.cluster_name = "fish";
  return hello;
}

std::string refusal(const Result<void>& result) {
  EXPECT_FALSE(result);
  if (result) return "";
  EXPECT_EQ(result.error().code, ErrorCode::kRefused);
  return result.error().context;
}

// Node 2 opens to node 1.
struct Pair {
  explicit Pair(const ClusterKey& key) : Pair(key, key) {}
  Pair(const ClusterKey& of_opener, const ClusterKey& of_acceptor)
      : opener(of_opener), acceptor(of_acceptor) {}
  void meet() {
    asked = opener.say(2, 1, some_hello(1));
    ASSERT_TRUE(acceptor.hear(2, 1, asked));
    answered = acceptor.say(1, 2, some_hello(7));
    ASSERT_TRUE(opener.hear(1, 2, answered));
  }
  Handshake opener, acceptor;
  Hello asked, answered;
};

TEST(HandshakeTest, BothSidesProveThatTheyKnowTheKey) {
  Pair pair(test_key());
  pair.meet();
  EXPECT_TRUE(same_proof(pair.opener.last_word(), pair.acceptor.last_word()));
  EXPECT_NE(pair.opener.last_word(), Proof{});
  EXPECT_NE(pair.asked.proof, pair.answered.proof);
}

TEST(HandshakeTest, WithoutAKeyAllProofsAreZeros) {
  Pair pair{ClusterKey()};
  pair.meet();
  EXPECT_EQ(pair.asked.nonce, HelloNonce{});
  EXPECT_EQ(pair.answered.proof, Proof{});
  EXPECT_FALSE(pair.opener.keyed());
}

TEST(HandshakeTest, AnotherKeyIsRefusedByBothSides) {
  Pair pair(test_key(), test_key("another secret of the same length as that one"));
  const Hello asked = pair.opener.say(2, 1, some_hello(1));
  EXPECT_NE(refusal(pair.acceptor.hear(2, 1, asked)).find("does not know this cluster's key"),
            std::string::npos);
  const Hello answered = pair.acceptor.say(1, 2, some_hello(7));
  EXPECT_NE(refusal(pair.opener.hear(1, 2, answered)).find("does not know this cluster's key"),
            std::string::npos);
}

TEST(HandshakeTest, AKeyOnOneSideOnlyIsNamed) {
  const Hello with = Handshake(test_key()).say(2, 1, some_hello(1));
  EXPECT_EQ(refusal(Handshake().hear(2, 1, with)),
            "it has a cluster key, this node has none ([cluster] key file)");
  const Hello without = Handshake().say(2, 1, some_hello(1));
  EXPECT_EQ(refusal(Handshake(test_key()).hear(2, 1, without)),
            "it has no cluster key, this node has one ([cluster] key file)");
}

TEST(HandshakeTest, NothingThatWasSaidCanBeChanged) {
  const Hello said = Handshake(test_key()).say(2, 1, some_hello(1));
  const auto refused = [&](const Hello& hello, uint32_t from = 2, uint32_t to = 1) {
    return !refusal(Handshake(test_key()).hear(from, to, hello)).empty();
  };
  EXPECT_TRUE(Handshake(test_key()).hear(2, 1, said));
  EXPECT_TRUE(refused(said, 3, 1)) << "another node's name";
  EXPECT_TRUE(refused(said, 2, 0)) << "meant for another node";
  Hello other = said;
  other.session = 2;
  EXPECT_TRUE(refused(other));
  other = said;
  other.features = kHelloRecordStream;
  EXPECT_TRUE(refused(other));
  other = said;
  other.nonce[15] ^= 1;
  EXPECT_TRUE(refused(other));
  for (size_t i = 0; i < said.proof.size(); ++i) {
    other = said;
    other.proof[i] ^= 1;
    EXPECT_TRUE(refused(other)) << i;
  }
}

TEST(HandshakeTest, ARecordedAnswerFitsNoOtherHello) {
  Pair first(test_key());
  first.meet();
  Handshake opener(test_key());
  opener.say(2, 1, some_hello(1));
  EXPECT_FALSE(opener.hear(1, 2, first.answered));
}

TEST(HandshakeTest, ARecordedHelloDoesNotGiveTheLastWord) {
  Pair first(test_key());
  first.meet();
  Handshake acceptor(test_key());
  ASSERT_TRUE(acceptor.hear(2, 1, first.asked)) << "nothing is wrong with it yet";
  acceptor.say(1, 2, some_hello(7));
  EXPECT_FALSE(same_proof(acceptor.last_word(), first.opener.last_word()));
}

TEST(HandshakeTest, ConnectionsBesideALinkBelongToThatLinkAlone) {
  Pair one(test_key()), other(test_key());
  one.meet();
  other.meet();
  const Hello side = Handshake(one.opener.key_for_sides()).say(2, 1, some_hello(1));
  EXPECT_TRUE(Handshake(one.acceptor.key_for_sides()).hear(2, 1, side));
  EXPECT_FALSE(Handshake(other.acceptor.key_for_sides()).hear(2, 1, side));
  EXPECT_FALSE(Handshake(test_key()).hear(2, 1, side));
}

class KeyFile : public testing::Test {
 protected:
  Result<ClusterKey> load(const std::string& text) {
    std::ofstream(path) << text;
    return ClusterKey::load(path);
  }
  TemporaryDirectory directory;
  const std::string path = directory.path() + "/key";
};

TEST_F(KeyFile, WhiteSpaceAtTheEndDoesNotCount) {
  const std::string secret(32, 'k');
  const Result<ClusterKey> plain = load(secret), edited = load(secret + " \r\n\n");
  ASSERT_TRUE(plain && edited);
  EXPECT_EQ(plain->prove({}), edited->prove({}));
  EXPECT_NE(plain->prove({}), load(std::string(33, 'k'))->prove({}));
}

TEST_F(KeyFile, WhatIsWrongWithItIsNamed) {
  const Result<ClusterKey> shorter = load(std::string(31, 'k') + "\n");
  ASSERT_FALSE(shorter);
  EXPECT_EQ(shorter.error().context, "key file " + path + " has less than 32 bytes");
  const Result<ClusterKey> missing = ClusterKey::load(path + "-none");
  ASSERT_FALSE(missing);
  EXPECT_NE(missing.error().text().find(path + "-none"), std::string::npos);
}

TEST(ClusterKeyTest, WhereAPartEndsCounts) {
  const ClusterKey key = test_key();
  EXPECT_NE(key.prove({as_bytes("ab"), as_bytes("c")}), key.prove({as_bytes("a"), as_bytes("bc")}));
  EXPECT_NE(key.prove({as_bytes("a")}), key.derive({as_bytes("b")}).prove({as_bytes("a")}));
}

}  // namespace
}  // namespace ctdb
