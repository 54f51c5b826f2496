// SPDX-License-Identifier: GPL-3.0-or-later
#include "libctdbipc/wire/node_list.h"

#include <gtest/gtest.h>

namespace ctdb {
namespace {

const NodeList kThree = {"10.0.0.1", "10.0.0.2", "10.0.0.3"};

TEST(NodeList, DeletedNodesAtTheEndMeanNothing) {
  EXPECT_EQ(node_list_digest({"10.0.0.1", "", ""}), node_list_digest({"10.0.0.1"}));
  EXPECT_EQ(node_list_difference({"10.0.0.1", ""}, {"10.0.0.1"}), "");
}

TEST(NodeList, NumberAndAddressBothCount) {
  EXPECT_NE(node_list_digest(kThree), node_list_digest({"10.0.0.1", "10.0.0.2"}));
  EXPECT_NE(node_list_digest(kThree), node_list_digest({"10.0.0.1", "10.0.0.3", "10.0.0.2"}));
  EXPECT_NE(node_list_digest({"", "10.0.0.1"}), node_list_digest({"10.0.0.1"}));
}

TEST(NodeList, DifferencesAreNamedFromBothSides) {
  const NodeList other = {"10.0.0.1", "10.0.0.9", "10.0.0.3", "10.0.0.4"};
  EXPECT_EQ(node_list_difference(kThree, other),
            "node 1: 10.0.0.2 here, 10.0.0.9 there; node 3: none here, 10.0.0.4 there");
  EXPECT_EQ(node_list_difference(kThree, {}),
            "node 0: 10.0.0.1 here, none there; node 1: 10.0.0.2 here, none there; node 2: "
            "10.0.0.3 here, none there");
  EXPECT_EQ(node_list_difference({"a", "b", "c", "d", "e"}, {}),
            "node 0: a here, none there; node 1: b here, none there; node 2: c here, none "
            "there; and 2 more");
}

TEST(NodeList, WhoIsAWitnessIsADifferenceToo) {
  NodeList other = kThree;
  other[2].witness = true;
  EXPECT_TRUE(is_witness(other, 2));
  EXPECT_FALSE(is_witness(other, 1) || is_witness(other, 3));
  EXPECT_NE(node_list_digest(kThree), node_list_digest(other));
  EXPECT_EQ(node_list_difference(kThree, other), "node 2: 10.0.0.3 here, 10.0.0.3 witness there");
}

TEST(NodeList, NumbersInUse) {
  EXPECT_EQ(numbers_of({"", "a", "", "b"}), (std::vector<uint32_t>{1, 3}));
  EXPECT_TRUE(in_list(kThree, 2));
  EXPECT_FALSE(in_list(kThree, 3));
  EXPECT_FALSE(in_list({""}, 0));
}

}  // namespace
}  // namespace ctdb
