// SPDX-License-Identifier: GPL-3.0-or-later
#include "libctdbipc/base/result.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <memory>

#include "libctdbipc/base/assert.h"

namespace ctdb {
namespace {

Result<int> parse_digit(char c) {
  if (c < '0' || c > '9') return fail(ErrorCode::kInvalid, std::string("'") + c + "' is no digit");
  return c - '0';
}

Result<std::unique_ptr<int>> boxed(char c) {
  Result<int> digit = parse_digit(c);
  if (!digit) return fail(std::move(digit.error()).in("boxing"));
  return std::make_unique<int>(*digit);
}

TEST(Result, HoldsAValue) {
  const Result<int> seven = parse_digit('7');
  ASSERT_TRUE(seven);
  EXPECT_EQ(*seven, 7);
}

TEST(Result, HoldsAnError) {
  const Result<int> none = parse_digit('x');
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, ErrorCode::kInvalid);
  EXPECT_EQ(none.error().text(), "'x' is no digit");
}

TEST(Result, ContextGrowsOutwards) {
  const Result<std::unique_ptr<int>> none = boxed('x');
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().text(), "boxing: 'x' is no digit");
  EXPECT_EQ(none.error().code, ErrorCode::kInvalid);
}

TEST(Result, CarriesValuesThatCanOnlyMove) {
  Result<std::unique_ptr<int>> box = boxed('4');
  ASSERT_TRUE(box);
  EXPECT_EQ(**box, 4);
}

TEST(Result, SystemErrorsKeepErrnoAndNameIt) {
  errno = ENOENT;
  const Result<void> missing = fail_errno("opening /x");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kSystem);
  EXPECT_EQ(missing.error().saved_errno, ENOENT);
  EXPECT_EQ(missing.error().text(), "opening /x: No such file or directory");
}

TEST(AssertDeathTest, EndsTheProcessAndNamesTheExpression) {
  EXPECT_DEATH(CTDB_ASSERT(1 + 1 == 3), "assertion failed: 1 \\+ 1 == 3");
  CTDB_ASSERT(1 + 1 == 2);
}

}  // namespace
}  // namespace ctdb
