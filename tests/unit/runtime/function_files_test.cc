// SPDX-License-Identifier: GPL-3.0-or-later
#include "libctdbipc/runtime/function_files.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

namespace ctdb {
namespace {

class FunctionFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/ctdb-functions-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    folder_ = name;
    file_ = folder_ + "/f.so";
    std::ofstream(file_) << "x";
    chmod(file_.c_str(), 0644);
  }
  void TearDown() override {
    unlink(file_.c_str());
    rmdir(folder_.c_str());
  }
  std::string problem(const std::string& path) {
    Config config;
    config.functions = {path};
    std::vector<ConfigProblem> problems;
    check_function_files(config, problems);
    return problems.empty() ? "" : problems[0].format();
  }
  std::string folder_, file_;
};

TEST_F(FunctionFiles, OfOnesOwnAreGood) {
  EXPECT_EQ(problem(file_), "");
}

TEST_F(FunctionFiles, ThatOthersMayChangeAreRefused) {
  for (const mode_t mode : {0664u, 0646u}) {
    chmod(file_.c_str(), mode);
    EXPECT_EQ(problem(file_),
              file_ + ": others may change it, and what is in it becomes part of ctdb-store (chmod go-w " +
                  file_ + ")");
  }
}

TEST_F(FunctionFiles, OfOthersAreRefused) {
  if (geteuid() != 0) GTEST_SKIP() << "only root gives files away";
  ASSERT_EQ(chown(file_.c_str(), 12345, 0), 0);
  EXPECT_EQ(problem(file_),
            file_ +
                ": it does not belong to root, and what is in it becomes part of ctdb-store (chown root " +
                file_ + ")");
}

TEST_F(FunctionFiles, ThatAreNoneAreRefused) {
  EXPECT_EQ(problem(folder_),
            folder_ + ": it is not a regular file (name a shared library in '[database] functions')");
  EXPECT_EQ(problem("/nowhere/f.so"),
            "/nowhere/f.so: these functions cannot be used: No such file or directory (install the file, or "
            "take it out of "
            "'[database] functions')");
}

}  // namespace
}  // namespace ctdb
