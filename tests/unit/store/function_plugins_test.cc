// SPDX-License-Identifier: GPL-3.0-or-later
// Plug-ins: what is loaded and what is refused, and what is believed of what their functions return.
#include "ctdb-store/backend/function_plugins.h"

#include <gtest/gtest.h>

#include "libctdbipc/wire/reader.h"

namespace ctdb {
namespace {

const std::string kExample = PLUGINS "/example_functions.so";
const std::string kBad = PLUGINS "/bad_functions.so";

int unchanged(const ctdb_function_input*, ctdb_function_output*) {
  return CTDB_FUNCTION_UNCHANGED;
}

class Plugins : public ::testing::Test {
 protected:
  void load(const std::vector<std::string>& files) {
    Result<std::unique_ptr<FunctionPlugins>> loaded = FunctionPlugins::load(files);
    ASSERT_TRUE(loaded) << loaded.error().text();
    plugins_ = std::move(*loaded);
  }
  int32_t run(std::string_view name, std::string_view value, std::string_view argument, size_t limit = 4096) {
    const std::string database = "test.tdb";
    const bool found = plugins_->run(
        name, {database, as_bytes("key"), as_bytes(value), as_bytes(argument), limit}, outcome_);
    return found ? outcome_.status : CTDB_FUNC_STATUS_NO_FUNCTION;
  }
  std::string refusal(const ctdb_function_table& table) {
    const Result<void> added = FunctionPlugins().add("/x.so", table);
    EXPECT_FALSE(added);
    if (added) return "";
    EXPECT_EQ(added.error().code, ErrorCode::kRefused);
    return added.error().text();
  }
  std::string value() const { return std::string(as_text(outcome_.value)); }
  std::string answer() const { return std::string(as_text(outcome_.result)); }
  static std::string number(uint64_t value) {
    Bytes bytes(sizeof value);
    store(bytes.data(), value);
    return std::string(as_text(bytes));
  }
  std::unique_ptr<FunctionPlugins> plugins_;
  FunctionOutcome outcome_;
};

TEST_F(Plugins, TheExampleKeepsTheLarger) {
  load({kExample});
  EXPECT_EQ(plugins_->names(), "keep-larger, take-line");
  EXPECT_EQ(run("keep-larger", "", number(0)), CTDB_FUNC_STATUS_DONE);
  EXPECT_TRUE(outcome_.changed);
  EXPECT_EQ(value(), number(0));
  EXPECT_EQ(run("keep-larger", number(5), number(7)), CTDB_FUNC_STATUS_DONE);
  EXPECT_EQ(value(), number(7));
  EXPECT_EQ(run("keep-larger", number(7), number(6)), CTDB_FUNC_STATUS_DONE);
  EXPECT_FALSE(outcome_.changed);
  EXPECT_EQ(answer(), number(7));
  EXPECT_EQ(run("keep-larger", "short", number(6)), CTDB_FUNC_STATUS_FAILED);
  EXPECT_FALSE(outcome_.changed);
  EXPECT_EQ(answer(), "record and argument must have 8 bytes");
  EXPECT_EQ(run("keep-smaller", "", ""), CTDB_FUNC_STATUS_NO_FUNCTION);
}

TEST_F(Plugins, TheExampleTakesLines) {
  load({kExample});
  EXPECT_EQ(run("take-line", "one\ntwo\n\nfour", ""), CTDB_FUNC_STATUS_DONE);
  EXPECT_EQ(answer(), "one");
  EXPECT_EQ(value(), "two\n\nfour");
  EXPECT_EQ(run("take-line", "\nfour", ""), CTDB_FUNC_STATUS_DONE);
  EXPECT_EQ(answer(), "");
  EXPECT_EQ(value(), "four");
  EXPECT_EQ(run("take-line", "four", ""), CTDB_FUNC_STATUS_DONE);
  EXPECT_TRUE(outcome_.changed);
  EXPECT_EQ(value(), "");
  EXPECT_EQ(run("take-line", "", ""), CTDB_FUNC_STATUS_UNEQUAL);
  EXPECT_EQ(run("take-line", "a\n" + std::string(5000, 'x'), ""), CTDB_FUNC_STATUS_FAILED);
}

TEST_F(Plugins, WhatBreaksItsContractChangesNothing) {
  load({kExample, kBad});
  for (const auto& [name, text] : {std::pair{"returns-nonsense", "it returned 77"},
                                   {"claims-a-large-value", "a value of 4097 bytes where 4096 are allowed"},
                                   {"claims-a-large-answer", "an answer of 18446744073709551615 bytes"}}) {
    EXPECT_EQ(run(name, "data", ""), CTDB_FUNC_STATUS_FAULT) << name;
    EXPECT_FALSE(outcome_.changed);
    EXPECT_EQ(answer(), std::string("function '") + name + "' broke its contract: " + text);
  }
}

TEST_F(Plugins, TablesThatAreNoneAreRefusedWithTheReason) {
  const ctdb_function good{"f", unchanged};
  EXPECT_NE(
      refusal({CTDB_FUNCTION_ABI + 1, 1, &good}).find("/x.so: it is made for interface 2, this store has 1"),
      std::string::npos);
  for (const ctdb_function_table& table : {ctdb_function_table{CTDB_FUNCTION_ABI, 0, &good},
                                           {CTDB_FUNCTION_ABI, 1u << 20, &good},
                                           {CTDB_FUNCTION_ABI, 1, nullptr}}) {
    EXPECT_NE(refusal(table).find("functions (1 to 256 are expected"), std::string::npos);
  }
  const std::string long_name(kFunctionNameBytesMax + 1, 'x');
  for (const ctdb_function& bad : {ctdb_function{nullptr, unchanged},
                                   {"", unchanged},
                                   {"a b", unchanged},
                                   {long_name.c_str(), unchanged},
                                   {"f", nullptr}}) {
    EXPECT_NE(refusal({CTDB_FUNCTION_ABI, 1, &bad}).find("no name of 1 to 64"), std::string::npos);
  }
  const ctdb_function twice[] = {good, good};
  EXPECT_NE(refusal({CTDB_FUNCTION_ABI, 2, twice}).find("there is a function 'f' already"),
            std::string::npos);
}

TEST_F(Plugins, FilesThatAreNoneAreRefusedWithTheReason) {
  for (const auto& [file, text] :
       {std::pair<std::string, const char*>{"/etc/passwd", "it cannot be loaded: "},
        {"libm.so.6", "it has no 'ctdb_functions'"}}) {
    const auto loaded = FunctionPlugins::load({file});
    ASSERT_FALSE(loaded) << file;
    EXPECT_EQ(loaded.error().code, ErrorCode::kRefused);
    EXPECT_NE(loaded.error().text().find(text), std::string::npos) << loaded.error().text();
  }
}

}  // namespace
}  // namespace ctdb
