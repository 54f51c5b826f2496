// SPDX-License-Identifier: GPL-3.0-or-later
// The file that keeps recoveryd's durable state: replaced whole, safe on disk when replace() returns.
#ifndef CTDB_RECOVERYD_STATE_FILE_H_
#define CTDB_RECOVERYD_STATE_FILE_H_

#include <string>

#include "libctdbipc/base/bytes.h"
#include "libctdbipc/base/result.h"

namespace ctdb {

class StateFile {
 public:
  // Makes the directory when it is missing. Errors: kSystem.
  static Result<StateFile> open(const std::string& directory, const std::string& name);

  // The contents; empty when there is no file. Errors: kSystem, kLimit (larger than any state can be).
  Result<Bytes> read() const;
  // Puts the file out of the way as "<name>.damaged" (it is kept for people to look at).
  Result<void> set_aside() const;
  // Writes beside, syncs, renames, syncs the directory.
  Result<void> replace(ByteView bytes) const;
  const std::string& path() const { return path_; }

 private:
  StateFile(std::string directory, std::string path)
      : directory_(std::move(directory)), path_(std::move(path)) {}
  std::string directory_;
  std::string path_;
};

}  // namespace ctdb

#endif  // CTDB_RECOVERYD_STATE_FILE_H_
