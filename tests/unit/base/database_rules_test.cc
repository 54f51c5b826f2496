// SPDX-License-Identifier: GPL-3.0-or-later
#include "libctdbipc/base/database_rules.h"

#include <gtest/gtest.h>

#include "libctdbipc/base/limits.h"

namespace ctdb {
namespace {

TEST(Pattern, AStarIsAnyTextAndAQuestionMarkOneCharacter) {
  EXPECT_TRUE(matches_pattern("locking.tdb", "locking.tdb"));
  EXPECT_TRUE(matches_pattern("locking.tdb", "*"));
  EXPECT_TRUE(matches_pattern("locking.tdb", "lock*"));
  EXPECT_TRUE(matches_pattern("locking.tdb", "*.tdb"));
  EXPECT_TRUE(matches_pattern("locking.tdb", "l*k*g*.tdb*"));
  EXPECT_TRUE(matches_pattern("locking.tdb", "l?cking.tdb"));
  EXPECT_TRUE(matches_pattern("aab", "*ab")) << "the star takes more when what follows does not fit";
  EXPECT_TRUE(matches_pattern("", "**"));
}

TEST(Pattern, TheWholeNameMustFit) {
  EXPECT_FALSE(matches_pattern("locking.tdb", "locking"));
  EXPECT_FALSE(matches_pattern("locking.tdb", "ocking.tdb"));
  EXPECT_FALSE(matches_pattern("locking.tdb", "locking.tdb?"));
  EXPECT_FALSE(matches_pattern("locking.tdb", "*.tdb.0"));
  EXPECT_FALSE(matches_pattern("", "?"));
  EXPECT_FALSE(matches_pattern("a", ""));
}

TEST(CopiesRules, TheFirstThatMatchesCounts) {
  const std::vector<CopiesRule> rules = {
      {"smbXsrv_*_global.tdb", 3}, {"smbXsrv_*", 2}, {"plain", 1}, {"p*", 4}};
  EXPECT_EQ(copies_of(rules, "smbXsrv_session_global.tdb"), 3);
  EXPECT_EQ(copies_of(rules, "smbXsrv_x.tdb"), 2);
  EXPECT_EQ(copies_of(rules, "plain"), 1);
  EXPECT_EQ(copies_of(rules, "other.tdb"), 1);
  EXPECT_EQ(copies_of({}, "other.tdb"), 1);
}

TEST(RecordLimitRules, TheFirstThatMatchesCountsAndElseThePacketDoes) {
  const std::vector<RecordLimitRule> rules = {{"brlock.tdb", 8192}, {"*.tdb", 65536}};
  EXPECT_EQ(record_limit_of(rules, "brlock.tdb"), 8192u);
  EXPECT_EQ(record_limit_of(rules, "locking.tdb"), 65536u);
  EXPECT_EQ(record_limit_of(rules, "other"), kValueBytesMax);
  EXPECT_EQ(record_limit_of({}, "brlock.tdb"), kValueBytesMax);
}

TEST(RecordLimitRules, ARefusalNamesRecordDatabaseAndOption) {
  EXPECT_EQ(why_too_large("a.tdb", 4096, as_bytes("k"), 4096), "");
  EXPECT_EQ(why_too_large("a.tdb", 4096, as_bytes("k"), 4097),
            "record k would have 4097 bytes, and a.tdb may have 4096 in one ([database] record limit)");
}

}  // namespace
}  // namespace ctdb
