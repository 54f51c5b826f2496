// SPDX-License-Identifier: GPL-3.0-or-later
#include "libctdbipc/client/requests.h"

#include <gtest/gtest.h>

#include <set>

namespace ctdb {
namespace {

TEST(RequestTable, FindsWhatIsUnderWayAndNothingElse) {
  RequestTable table(8);
  Request* first = table.add();
  Request* second = table.add();
  EXPECT_NE(first->id, second->id);
  EXPECT_EQ(table.find(first->id), first);
  EXPECT_EQ(table.find(second->id), second);
  EXPECT_EQ(table.find(0), nullptr);
  EXPECT_EQ(table.find(0xFFFFFFFFu), nullptr);
  EXPECT_EQ(table.find(first->id + 7), nullptr);
}

TEST(RequestTable, LateAnswerFindsNothingAfterThePlaceIsUsedAgain) {
  RequestTable table(8);
  const uint32_t old_id = table.add()->id;
  table.release(*table.find(old_id));
  Request* again = table.add();
  EXPECT_NE(again->id, old_id);
  EXPECT_EQ(table.find(old_id), nullptr);
}

TEST(RequestTable, BuffersAreKeptUnlessTheyAreLarge) {
  RequestTable table(8);
  Request* request = table.add();
  request->packet.assign(1000, 1);
  table.release(*request);
  request = table.add();
  EXPECT_GE(request->packet.capacity(), 1000u);
  request->packet.assign(15u << 20, 1);
  table.release(*request);
  EXPECT_LT(table.add()->packet.capacity(), 1u << 20);
}

TEST(RequestTable, RefusesMoreThanItsLimit) {
  RequestTable table(3);
  for (int i = 0; i < 3; ++i) ASSERT_NE(table.add(), nullptr);
  EXPECT_EQ(table.add(), nullptr);
  EXPECT_EQ(table.size(), 3u);
}

TEST(RequestTable, IdsStayUniqueAndValidWhenTheyWrap) {
  RequestTable table(1);
  uint32_t last = 0;
  for (uint32_t i = 0; i < (1u << 20) + 10; ++i) {
    Request* request = table.add();
    ASSERT_NE(request->id, last);
    ASSERT_NE(request->id, 0u);
    ASSERT_NE(request->id, 0xFFFFFFFFu);
    last = request->id;
    table.release(*request);
  }
}

TEST(RequestTable, EntriesDoNotMoveWhenTheTableGrows) {
  RequestTable table(4096);
  Request* first = table.add();
  std::set<uint32_t> ids{first->id};
  for (int i = 1; i < 4096; ++i) ids.insert(table.add()->id);
  EXPECT_EQ(ids.size(), 4096u);
  EXPECT_EQ(table.find(first->id), first);
}

}  // namespace
}  // namespace ctdb
