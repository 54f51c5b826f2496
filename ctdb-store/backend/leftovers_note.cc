// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-store/backend/leftovers_note.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <set>
#include <utility>

#include "ctdb-store/backend/durable_file.h"
#include "libctdbipc/base/unique_fd.h"
#include "libctdbipc/base/write_all.h"

namespace ctdb {
namespace {

std::string note_of(const std::string& path) {
  return path + ".leftovers";
}

// Each key stands behind its size. With this in the size it is none any more.
constexpr uint32_t kNoneAnyMore = 0x80000000;

void add(Bytes& bytes, const Bytes& key, uint32_t flag) {
  uint8_t size[sizeof(uint32_t)];
  store(size, static_cast<uint32_t>(key.size()) | flag);
  bytes.insert(bytes.end(), size, size + sizeof size);
  bytes.insert(bytes.end(), key.begin(), key.end());
}

struct Note {
  std::set<Bytes> keys;
  size_t end = 0;  // of what is whole: a store may have died while it wrote what is behind that
};

std::optional<Note> parse(ByteView bytes) {
  Note note;
  for (ByteView left = bytes; left.size() >= sizeof(uint32_t);) {
    const auto word = load<uint32_t>(left.data());
    const uint32_t size = word & ~kNoneAnyMore;
    left = left.subspan(sizeof word);
    if (size > left.size() && (word & kNoneAnyMore) == 0) return std::nullopt;
    if (size > left.size()) break;
    if ((word & kNoneAnyMore) == 0) {
      note.keys.insert(to_bytes(left.first(size)));
    } else {
      note.keys.erase(to_bytes(left.first(size)));
    }
    left = left.subspan(size);
    note.end = bytes.size() - left.size();
  }
  return note;
}

}  // namespace

// The new note, whole, or the old one.
Result<void> write_leftovers_note(const std::string& path, const std::vector<Bytes>& keys) {
  const std::string note = note_of(path), draft = note + ".new";
  if (keys.empty()) {
    if (unlink(note.c_str()) != 0 && errno != ENOENT) return fail_errno("removing " + note);
    return {};
  }
  Bytes bytes;
  for (const Bytes& key : keys) add(bytes, key, 0);
  UniqueFd fd(::open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!fd.valid()) return fail_errno("making " + draft);
  if (Result<void> written = write_all_at(fd.get(), bytes, 0, draft); !written) {
    unlink(draft.c_str());
    return written;
  }
  if (rename(draft.c_str(), note.c_str()) != 0) return fail_errno("renaming " + draft + " to " + note);
  return {};
}

Result<void> shorten_leftovers_note(const std::string& path, const std::vector<Bytes>& keys) {
  const std::string note = note_of(path);
  Bytes bytes;
  for (const Bytes& key : keys) add(bytes, key, kNoneAnyMore);
  UniqueFd fd(::open(note.c_str(), O_WRONLY | O_CLOEXEC));
  struct stat info {};
  if (!fd.valid() || fstat(fd.get(), &info) != 0) return fail_errno("opening " + note);
  Result<void> written = write_all_at(fd.get(), bytes, static_cast<uint64_t>(info.st_size), note);
  if (!written) (void)!ftruncate(fd.get(), info.st_size);
  return written;
}

Result<std::vector<Bytes>> read_leftovers_note(const std::string& path) {
  const std::string note = note_of(path);
  UniqueFd fd(::open(note.c_str(), O_RDWR | O_CLOEXEC));
  if (!fd.valid() && errno == ENOENT) return std::vector<Bytes>();
  struct stat info {};
  if (!fd.valid() || fstat(fd.get(), &info) != 0) return fail_errno("opening " + note);
  Bytes bytes(static_cast<size_t>(info.st_size));
  if (Result<void> read = read_whole(fd.get(), bytes, note); !read) return fail(std::move(read.error()));
  const std::optional<Note> found = parse(bytes);
  if (!found)
    return fail(ErrorCode::kCorrupt,
                note + " is damaged: which records of the past " + path + " has is not known");
  if (found->end < bytes.size() && ftruncate(fd.get(), static_cast<off_t>(found->end)) != 0)
    return fail_errno("cutting " + note);
  return std::vector<Bytes>(found->keys.begin(), found->keys.end());
}

void drop_leftovers_note(const std::string& path) {
  unlink(note_of(path).c_str());
}

}  // namespace ctdb
