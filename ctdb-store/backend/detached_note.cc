// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-store/backend/detached_note.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "ctdb-store/backend/tdb_file.h"
#include "libctdbipc/base/unique_fd.h"

namespace ctdb {
namespace {

constexpr char kSuffix[] = ".detached";

}  // namespace

Result<void> note_detached(const std::string& path) {
  const std::string note = path + kSuffix;
  UniqueFd fd(::open(note.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  if (!fd.valid()) return fail_errno("making " + note);
  return {};
}

bool is_noted_detached(const std::string& path) {
  return access((path + kSuffix).c_str(), F_OK) == 0;
}

Result<void> drop_detached_note(const std::string& path) {
  const std::string note = path + kSuffix;
  const bool dropped = unlink(note.c_str()) == 0;
  const bool never_was = !dropped && (errno == ENOENT || errno == ENAMETOOLONG);
  if (!dropped && !never_was) return fail_errno("removing " + note);
  return {};
}

std::vector<std::string> noted_detached(const std::string& directory, const std::string& suffix) {
  return database_names(directory, suffix + kSuffix);
}

}  // namespace ctdb
