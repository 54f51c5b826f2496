// SPDX-License-Identifier: GPL-3.0-or-later
#include "libctdbipc/runtime/log.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace ctdb {
namespace {

class LogTest : public testing::Test {
 protected:
  LogTest() {
    char name[] = "/tmp/ctdb-log-XXXXXX";
    directory_ = mkdtemp(name);
  }
  ~LogTest() override {
    EXPECT_TRUE(log_open("ctdb", "stderr", LogLevel::kNotice));
    std::filesystem::remove_all(directory_);
  }
  std::string text() {
    std::ifstream file(directory_ + "/log");
    return {std::istreambuf_iterator<char>(file), {}};
  }
  std::string directory_;
};

TEST_F(LogTest, WritesLinesUpToTheLevel) {
  ASSERT_TRUE(log_open("ctdb-x", "file:" + directory_ + "/log", LogLevel::kNotice));
  log_error("an error with {} and %s in it");
  log_notice("a notice");
  log_info("too much");
  EXPECT_NE(text().find("ctdb-x["), std::string::npos);
  EXPECT_NE(text().find("error: an error with {} and %s in it\n"), std::string::npos) << text();
  EXPECT_NE(text().find("a notice\n"), std::string::npos);
  EXPECT_EQ(text().find("too much"), std::string::npos);
  log_set_level(LogLevel::kDebug);
  EXPECT_EQ(log_level(), LogLevel::kDebug);
  log_debug("everything");
  EXPECT_NE(text().find("everything\n"), std::string::npos);
}

TEST_F(LogTest, RefusesPlacesThatDoNotExist) {
  const Result<void> missing = log_open("ctdb-x", "file:/proc/none/log", LogLevel::kNotice);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kSystem);
  const Result<void> unknown = log_open("ctdb-x", "carrier pigeon", LogLevel::kNotice);
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, ErrorCode::kInvalid);
}

TEST(LogLevels, WordsOfTheProtocol) {
  const std::pair<const char*, LogLevel> words[] = {
      {"ERROR", LogLevel::kError},   {"ERR", LogLevel::kError}, {"WARNING", LogLevel::kWarning},
      {"NOTICE", LogLevel::kNotice}, {"INFO", LogLevel::kInfo}, {"DEBUG", LogLevel::kDebug}};
  for (const auto& [word, expected] : words) {
    LogLevel level = LogLevel::kError;
    EXPECT_TRUE(parse_log_level(word, level));
    EXPECT_EQ(level, expected);
  }
  LogLevel level = LogLevel::kInfo;
  EXPECT_FALSE(parse_log_level("LOUD", level));
  EXPECT_FALSE(parse_log_level("", level));
  EXPECT_EQ(level, LogLevel::kInfo);
}

}  // namespace
}  // namespace ctdb
