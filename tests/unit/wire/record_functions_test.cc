// SPDX-License-Identifier: GPL-3.0-or-later
#include "libctdbipc/wire/record_functions.h"

#include <gtest/gtest.h>

#include <limits>
#include <optional>
#include <string>

#include "libctdbipc/base/random.h"
#include "libctdbipc/wire/reader.h"

namespace ctdb {
namespace {

class RecordFunctions : public ::testing::Test {
 protected:
  int32_t run(uint32_t callid, ByteView argument) {
    run_record_function(callid, record, argument, limit, outcome);
    if (outcome.changed) record = outcome.value;
    return outcome.status;
  }
  int32_t add(int64_t amount) {
    Bytes argument;
    Writer(argument).i64(amount);
    return run(CTDB_FUNC_ADD, argument);
  }
  int32_t swap(std::string_view expected, std::string_view wanted) {
    Bytes argument;
    Writer writer(argument);
    writer.counted_bytes(as_bytes(expected));
    writer.bytes(as_bytes(wanted));
    return run(CTDB_FUNC_COMPARE_AND_SWAP, argument);
  }
  int32_t append_if(uint64_t size, std::string_view more) {
    Bytes argument;
    Writer writer(argument);
    writer.u64(size);
    writer.bytes(as_bytes(more));
    return run(CTDB_FUNC_APPEND_IF, argument);
  }
  int64_t number() const { return outcome.result.size() == 8 ? load<int64_t>(outcome.result.data()) : -1; }
  std::string text() const { return std::string(as_text(record)); }

  Bytes record;
  size_t limit = kValueBytesMax;
  FunctionOutcome outcome;
};

TEST_F(RecordFunctions, AddCountsFromNothing) {
  EXPECT_EQ(add(5), CTDB_FUNC_STATUS_DONE);
  EXPECT_EQ(number(), 5);
  EXPECT_EQ(add(-7), CTDB_FUNC_STATUS_DONE);
  EXPECT_EQ(number(), -2);
  EXPECT_EQ(load<int64_t>(record.data()), -2);
}

TEST_F(RecordFunctions, AddOfNothingReads) {
  EXPECT_EQ(add(0), CTDB_FUNC_STATUS_DONE);
  EXPECT_EQ(number(), 0);
  EXPECT_FALSE(outcome.changed);
  EXPECT_TRUE(record.empty());
}

TEST_F(RecordFunctions, AddRefusesASumThatDoesNotFit) {
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  EXPECT_EQ(add(kMax), CTDB_FUNC_STATUS_DONE);
  EXPECT_EQ(add(1), CTDB_FUNC_STATUS_OVERFLOW);
  EXPECT_EQ(as_text(outcome.result), "the sum does not fit into 64 bits");
  EXPECT_FALSE(outcome.changed);
  EXPECT_EQ(add(std::numeric_limits<int64_t>::min()), CTDB_FUNC_STATUS_DONE);
  EXPECT_EQ(number(), -1);
  EXPECT_EQ(add(std::numeric_limits<int64_t>::min()), CTDB_FUNC_STATUS_OVERFLOW);
}

TEST_F(RecordFunctions, AddRefusesWhatIsNoCounter) {
  for (const size_t size : {1u, 7u, 9u}) {
    record.assign(size, 0);
    EXPECT_EQ(add(1), CTDB_FUNC_STATUS_NO_COUNTER);
    EXPECT_EQ(record.size(), size);
  }
}

TEST_F(RecordFunctions, SwapsOnlyWhatIsExpected) {
  EXPECT_EQ(swap("", "one"), CTDB_FUNC_STATUS_DONE);
  EXPECT_EQ(text(), "one");
  EXPECT_TRUE(outcome.result.empty());
  EXPECT_EQ(swap("two", "three"), CTDB_FUNC_STATUS_UNEQUAL);
  EXPECT_EQ(as_text(outcome.result), "one");
  EXPECT_EQ(swap("on", "three"), CTDB_FUNC_STATUS_UNEQUAL);
  EXPECT_EQ(swap("one", ""), CTDB_FUNC_STATUS_DONE);
  EXPECT_EQ(text(), "");
  EXPECT_EQ(swap("", ""), CTDB_FUNC_STATUS_DONE);
  EXPECT_FALSE(outcome.changed);
}

TEST_F(RecordFunctions, AppendsAndTellsTheSize) {
  EXPECT_EQ(run(CTDB_FUNC_APPEND, as_bytes("ab")), CTDB_FUNC_STATUS_DONE);
  EXPECT_EQ(run(CTDB_FUNC_APPEND, as_bytes("c")), CTDB_FUNC_STATUS_DONE);
  EXPECT_EQ(number(), 3);
  EXPECT_EQ(text(), "abc");
  EXPECT_EQ(run(CTDB_FUNC_APPEND, {}), CTDB_FUNC_STATUS_DONE);
  EXPECT_FALSE(outcome.changed);
  EXPECT_EQ(number(), 3);
}

TEST_F(RecordFunctions, AppendsIfNothingWasAppendedMeanwhile) {
  EXPECT_EQ(append_if(0, "ab"), CTDB_FUNC_STATUS_DONE);
  EXPECT_EQ(append_if(0, "cd"), CTDB_FUNC_STATUS_UNEQUAL);
  EXPECT_EQ(number(), 2);
  EXPECT_EQ(append_if(2, "cd"), CTDB_FUNC_STATUS_DONE);
  EXPECT_EQ(number(), 4);
  EXPECT_EQ(text(), "abcd");
}

TEST_F(RecordFunctions, NothingGrowsTooBig) {
  record.assign(kValueBytesMax, 'x');
  EXPECT_EQ(run(CTDB_FUNC_APPEND, as_bytes("y")), CTDB_FUNC_STATUS_TOO_BIG);
  EXPECT_EQ(append_if(kValueBytesMax, "y"), CTDB_FUNC_STATUS_TOO_BIG);
  record.clear();
  EXPECT_EQ(swap("", std::string(kValueBytesMax + 1, 'x')), CTDB_FUNC_STATUS_TOO_BIG);
  EXPECT_TRUE(record.empty());
  // One that a classic client has made.
  record.assign(kValueBytesMax + 1, 'x');
  EXPECT_EQ(swap("", "small"), CTDB_FUNC_STATUS_TOO_BIG);
}

TEST_F(RecordFunctions, NothingGrowsBeyondTheLimitOfItsDatabase) {
  limit = 4096;
  record.assign(limit - 1, 'x');
  EXPECT_EQ(run(CTDB_FUNC_APPEND, as_bytes("y")), CTDB_FUNC_STATUS_DONE);
  EXPECT_EQ(run(CTDB_FUNC_APPEND, as_bytes("y")), CTDB_FUNC_STATUS_TOO_BIG);
  EXPECT_NE(as_text(outcome.result).find("[database] record limit"), std::string_view::npos);
  EXPECT_EQ(append_if(limit, "y"), CTDB_FUNC_STATUS_TOO_BIG);
  EXPECT_EQ(swap(text(), std::string(limit + 1, 'z')), CTDB_FUNC_STATUS_TOO_BIG);
  EXPECT_EQ(record.size(), limit);
  // One from before the limit is told, and may become smaller.
  record.assign(limit + 1, 'x');
  EXPECT_EQ(swap("", "small"), CTDB_FUNC_STATUS_UNEQUAL);
  EXPECT_EQ(swap(text(), "small"), CTDB_FUNC_STATUS_DONE);
  EXPECT_EQ(text(), "small");
}

TEST(NamedCalls, AreTheirNameAndTheirArgument) {
  const Bytes bytes = encode_named_call({"keep-larger", as_bytes("argument")});
  const std::optional<NamedCall> call = parse_named_call(bytes);
  ASSERT_TRUE(call);
  EXPECT_EQ(call->name, "keep-larger");
  EXPECT_EQ(as_text(call->argument), "argument");
  for (size_t size = 0; size < 4 + call->name.size(); ++size)
    EXPECT_FALSE(parse_named_call(ByteView(bytes).first(size))) << size;
}

TEST(NamedCalls, NamesAreShortWords) {
  EXPECT_TRUE(is_function_name("Keep_larger-2.0"));
  EXPECT_TRUE(is_function_name(std::string(kFunctionNameBytesMax, 'x')));
  for (const std::string& name : {std::string(), std::string("a b"), std::string("a/b"), std::string(1, '\0'),
                                  std::string(kFunctionNameBytesMax + 1, 'x')}) {
    EXPECT_FALSE(is_function_name(name)) << name;
    EXPECT_FALSE(parse_named_call(encode_named_call({name, {}}))) << name;
  }
}

TEST_F(RecordFunctions, RefusesMalformedArguments) {
  const Bytes short_one(7, 0), long_one(9, 0);
  for (const ByteView argument : {ByteView(), ByteView(short_one), ByteView(long_one)})
    EXPECT_EQ(run(CTDB_FUNC_ADD, argument), CTDB_FUNC_STATUS_BAD_ARGUMENT);
  EXPECT_EQ(run(CTDB_FUNC_APPEND_IF, short_one), CTDB_FUNC_STATUS_BAD_ARGUMENT);
  EXPECT_EQ(run(CTDB_FUNC_COMPARE_AND_SWAP, ByteView(short_one).first(3)), CTDB_FUNC_STATUS_BAD_ARGUMENT);
  const Bytes more_than_there_is = {4, 0, 0, 0, 'a', 'b', 'c'};
  EXPECT_EQ(run(CTDB_FUNC_COMPARE_AND_SWAP, more_than_there_is), CTDB_FUNC_STATUS_BAD_ARGUMENT);
  EXPECT_EQ(as_text(outcome.result), "the argument is malformed");
}

TEST_F(RecordFunctions, KnowsWhatItDoesNotKnow) {
  for (const uint32_t callid : {uint32_t{0}, CTDB_FUNC_FETCH, CTDB_FUNC_APPEND_IF + 1}) {
    EXPECT_EQ(run(callid, as_bytes("12345678")), CTDB_FUNC_STATUS_NO_FUNCTION);
    EXPECT_FALSE(outcome.changed);
  }
}

TEST_F(RecordFunctions, AnyBytesLeaveARecordThatIsWithinItsLimit) {
  Random random(7);
  for (int i = 0; i < 20000; ++i) {
    Bytes argument(random.below(24));
    for (uint8_t& byte : argument) byte = static_cast<uint8_t>(random.below(random.one_in(2) ? 4 : 256));
    const Bytes before = record;
    const int32_t status = run(CTDB_FUNC_ADD + static_cast<uint32_t>(random.below(5)), argument);
    EXPECT_TRUE(status == CTDB_FUNC_STATUS_DONE || record == before);
    EXPECT_TRUE(status >= 0 || !outcome.result.empty());
    if (random.one_in(100)) record.clear();
  }
}

}  // namespace
}  // namespace ctdb
