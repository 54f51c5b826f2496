// SPDX-License-Identifier: GPL-3.0-or-later
// The file that keeps recoveryd's durable state. Used by the shell, in every election and recovery, so it must be fast: two
// slots, written in turn and in place into a file whose size never changes. One fdatasync then has no metadata to
// write (a file written beside and renamed costs two journal commits, hundreds of times as long), and a full disk
// does not matter. state_slot.h says what is in them.
//
// One process at a time has it, any other is refused: if it waited for the first to end it would go on with what was so when it was
// started, and vote again in terms in which the first has voted.
#ifndef CTDB_RECOVERYD_STATE_FILE_H_
#define CTDB_RECOVERYD_STATE_FILE_H_

#include <string>

#include "libctdbipc/base/bytes.h"
#include "libctdbipc/base/result.h"
#include "libctdbipc/base/unique_fd.h"

namespace ctdb {

class StateFile {
 public:
  static constexpr size_t kPayloadBytesMax = 8000;

  // Makes directory and file when they are missing. A file that holds something but no whole slot is damaged: it is
  // kept as "<name>.damaged", damaged() says so and a new one is begun. A file that does not exist yet and finds no room
  // is none the less open: it is empty, ready() says so, and each replace() tries again. Errors: kSystem.
  static Result<StateFile> open(const std::string& directory, const std::string& name);

  // What was replaced last; empty at first.
  const Bytes& contents() const { return contents_; }
  bool damaged() const { return damaged_; }
  bool ready() const { return no_room_.empty(); }
  // On disk when it returns. Errors: kSystem (the contents are then the old or the new ones), kLimit (too much, or no room
  // for the file yet; nothing was written).
  Result<void> replace(ByteView bytes);
  const std::string& path() const { return path_; }

 private:
  StateFile(const std::string& directory, const std::string& name)
      : directory_(directory), path_(directory + "/" + name) {}
  Result<void> begin();
  Result<void> open_or_create();
  Result<bool> load();

  std::string directory_;
  std::string path_;
  std::string no_room_;  // why there is no file yet
  UniqueFd fd_;
  Bytes contents_;
  uint64_t sequence_ = 0;
  bool damaged_ = false;
};

}  // namespace ctdb

#endif  // CTDB_RECOVERYD_STATE_FILE_H_
