// SPDX-License-Identifier: GPL-3.0-or-later
#include "libctdbipc/base/copies_rules.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace ctdb
