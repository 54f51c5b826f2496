// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-router/core/requests.h"

#include <gtest/gtest.h>

#include <set>

#include "libctdbipc/wire/layout.h"

namespace ctdb {
namespace {

TEST(Requests, FindsWhatWasAdded) {
  Requests requests;
  const uint32_t reqid = requests.add({7, 0, 99, false}, Asked::kNode, 3, 1234);
  ASSERT_NE(requests.find(reqid), nullptr);
  EXPECT_EQ(requests.find(reqid)->origin.client, 7u);
  EXPECT_EQ(requests.find(reqid)->origin.reqid, 99u);
  EXPECT_EQ(requests.find(reqid)->node, 3u);
  EXPECT_EQ(requests.size(), 1u);
}

TEST(Requests, LateAnswerToAReusedSlotFindsNothing) {
  Requests requests;
  const uint32_t first = requests.add({1, 0, 1, false}, Asked::kStore, 0, kNever);
  requests.remove(first);
  const uint32_t second = requests.add({2, 0, 2, false}, Asked::kStore, 0, kNever);
  EXPECT_NE(first, second);
  EXPECT_EQ(requests.find(first), nullptr);
  EXPECT_NE(requests.find(second), nullptr);
  requests.remove(first);
  EXPECT_EQ(requests.size(), 1u);
}

TEST(Requests, ReqidsAreNeverZeroNorInvalidAndDoNotRepeatSoon) {
  Requests requests;
  std::set<uint32_t> seen;
  for (int i = 0; i < 2000; ++i) {
    const uint32_t reqid = requests.add({1, 0, 1, false}, Asked::kStore, 0, kNever);
    EXPECT_NE(reqid, 0u);
    EXPECT_NE(reqid, CTDB_INVALID_REQID);
    EXPECT_TRUE(seen.insert(reqid).second) << i;
    requests.remove(reqid);
  }
}

TEST(Requests, VisitorMayRemoveWhatItIsGiven) {
  Requests requests;
  for (uint32_t i = 0; i < 10; ++i) requests.add({i + 1, 0, i, false}, Asked::kStore, 0, kNever);
  requests.for_each([&](uint32_t reqid, Request& request) {
    if (request.origin.client % 2 == 0) requests.remove(reqid);
  });
  EXPECT_EQ(requests.size(), 5u);
}

TEST(Requests, NonsenseIsNotFound) {
  Requests requests;
  EXPECT_EQ(requests.find(0), nullptr);
  EXPECT_EQ(requests.find(CTDB_INVALID_REQID), nullptr);
  EXPECT_EQ(requests.find(12345), nullptr);
  requests.remove(12345);
  EXPECT_EQ(requests.size(), 0u);
}

}  // namespace
}  // namespace ctdb
