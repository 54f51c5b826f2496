// SPDX-License-Identifier: GPL-3.0-or-later
// A directory that goes with its owner.
#ifndef CTDB_TESTS_UNIT_STORE_TEMPORARY_DIRECTORY_H_
#define CTDB_TESTS_UNIT_STORE_TEMPORARY_DIRECTORY_H_

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

namespace ctdb {

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "ctdb-store-XXXXXX").string();
    if (mkdtemp(name.data()) != nullptr) path_ = name;
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    if (!path_.empty() && getpid() == owner_) std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  pid_t owner_ = getpid();  // a forked child leaves it alone
};

}  // namespace ctdb

#endif  // CTDB_TESTS_UNIT_STORE_TEMPORARY_DIRECTORY_H_
