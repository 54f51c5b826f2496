// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-store/backend/detached_note.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "ctdb-store/backend/durable_file.h"
#include "ctdb-store/backend/tdb_file.h"
#include "libctdbipc/base/unique_fd.h"
#include "libctdbipc/base/write_all.h"
#include "libctdbipc/wire/reader.h"

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

// The new list, whole, or the old one.
Result<void> write_detached_list(const std::string& path, const std::vector<DetachedNote>& notes) {
  if (notes.empty()) {
    if (unlink(path.c_str()) != 0 && errno != ENOENT) return fail_errno("removing " + path);
    return {};
  }
  Bytes bytes;
  Writer w(bytes);
  for (const DetachedNote& note : notes) {
    w.u32(note.generation);
    w.u32(note.attempt);
    w.counted_bytes(as_bytes(note.name));
  }
  const std::string draft = path + ".new";
  UniqueFd fd(::open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!fd.valid()) return fail_errno("making " + draft);
  if (Result<void> written = write_all_at(fd.get(), bytes, 0, draft); !written) {
    unlink(draft.c_str());
    return written;
  }
  if (rename(draft.c_str(), path.c_str()) != 0) return fail_errno("renaming " + draft + " to " + path);
  return {};
}

Result<std::vector<DetachedNote>> read_detached_list(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid() && errno == ENOENT) return std::vector<DetachedNote>();
  struct stat info {};
  if (!fd.valid() || fstat(fd.get(), &info) != 0) return fail_errno("opening " + path);
  Bytes bytes(static_cast<size_t>(info.st_size));
  if (Result<void> read = read_whole(fd.get(), bytes, path); !read) return fail(std::move(read.error()));
  Reader r(bytes);
  std::vector<DetachedNote> notes;
  while (r.ok() && r.left() > 0) {
    DetachedNote note;
    note.generation = r.u32();
    note.attempt = r.u32();
    note.name = std::string(as_text(r.counted_bytes()));
    notes.push_back(std::move(note));
  }
  if (!r.ok())
    return fail(ErrorCode::kCorrupt, path + " is damaged: which databases were detached is not known");
  return notes;
}

}  // namespace ctdb
