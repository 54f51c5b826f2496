// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbipc/runtime/data_directory.h"

#include <fcntl.h>

#include <cerrno>

#include "libctdbipc/base/unique_fd.h"
#include "libctdbipc/runtime/daemon.h"
#include "libctdbipc/runtime/log.h"

namespace ctdb {
namespace {

constexpr off_t kRoomBytes = 65536;  // less is as good as none

Error unusable(int number, const std::string& path, const char* option) {
  return Error{ErrorCode::kSystem, number,
               "no files can be made in " + path + " (let this daemon's user write there, or name another '" +
                   option + "' in section [database] of ctdb.conf)"};
}

bool is_full(int number) {
  return number == ENOSPC || number == EDQUOT;
}

Result<void> warn_of_full(const std::string& path) {
  log_warning(path + " is full: make room there; until then what needs room is refused");
  return {};
}

}  // namespace

Result<void> check_data_directory(const std::string& path, const char* option) {
  if (const Result<void> made = make_directory(path); !made) {
    if (is_full(made.error().saved_errno)) return warn_of_full(path);
    return fail(unusable(made.error().saved_errno, path, option));
  }
  // A file without a name, which nobody has to tidy up.
  const UniqueFd fd(open(path.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  const int opened = fd.valid() ? 0 : errno;
  if (opened == EOPNOTSUPP || opened == EISDIR) return {};  // a file system without such files
  const int problem = opened != 0 ? opened : posix_fallocate(fd.get(), 0, kRoomBytes);
  if (is_full(problem)) return warn_of_full(path);
  if (opened != 0) return fail(unusable(opened, path, option));
  return {};
}

}  // namespace ctdb
