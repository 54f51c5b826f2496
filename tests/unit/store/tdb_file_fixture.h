// SPDX-License-Identifier: GPL-3.0-or-later
// A directory with one volatile database file, as a store has it, with and without mutexes.
#ifndef CTDB_TESTS_UNIT_STORE_TDB_FILE_FIXTURE_H_
#define CTDB_TESTS_UNIT_STORE_TDB_FILE_FIXTURE_H_

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ctdb-store/backend/tdb_file.h"
#include "tests/unit/store/record_file_conformance.h"
#include "tests/unit/store/temporary_directory.h"

namespace ctdb {

namespace fs = std::filesystem;

// Few chains keep files small where the number does not matter.
inline constexpr uint32_t kFewChains = 131;

class TdbFile : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override { restart(); }
  // As a restarted store would: nothing of the former one is left.
  void restart() {
    file_.reset();
    files_ = make_tdb_files(
        {.volatile_directory = directory_.path(), .pnn = 0, .mutexes = GetParam(), .hash_size = hash_size_});
  }
  bool open(bool keep) {
    auto opened = files_->open("test.tdb", 0, keep);
    if (opened) file_ = std::move(*opened);
    error_ = opened ? Error{} : opened.error();
    return opened.has_value();
  }
  void put(const std::string& key, const std::string& data) {
    ASSERT_EQ(file_->try_lock(as_bytes(key)), RecordFile::Lock::kHeld);
    ASSERT_TRUE(file_->store(as_bytes(key), as_bytes("head"), as_bytes(data)).has_value());
    file_->unlock(as_bytes(key));
  }
  std::string get(const std::string& key) {
    Bytes value;
    return file_->fetch(as_bytes(key), value) ? std::string(as_text(value)) : "(none)";
  }
  std::string path() const { return directory_.path() + "/test.tdb.0"; }
  std::vector<std::string> kept_aside() const {
    std::vector<std::string> found;
    for (const auto& entry : fs::directory_iterator(directory_.path())) {
      const std::string name = entry.path().filename();
      if (name.find(".corrupted.") != std::string::npos) found.push_back(entry.path());
    }
    return found;
  }

  TemporaryDirectory directory_;
  uint32_t hash_size_ = kFewChains;
  std::unique_ptr<RecordFiles> files_;
  std::unique_ptr<RecordFile> file_;
  Error error_;
};

}  // namespace ctdb

#endif  // CTDB_TESTS_UNIT_STORE_TDB_FILE_FIXTURE_H_
