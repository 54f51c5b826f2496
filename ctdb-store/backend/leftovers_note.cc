// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-store/backend/leftovers_note.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <utility>

#include "ctdb-store/backend/durable_file.h"
#include "libctdbipc/base/unique_fd.h"
#include "libctdbipc/base/write_all.h"

namespace ctdb {
namespace {

std::string note_of(const std::string& path) {
  return path + ".leftovers";
}

// Each key behind its size.
std::optional<std::vector<Bytes>> keys_in(ByteView bytes) {
  std::vector<Bytes> keys;
  while (!bytes.empty()) {
    if (bytes.size() < sizeof(uint32_t)) return std::nullopt;
    const auto size = load<uint32_t>(bytes.data());
    bytes = bytes.subspan(sizeof size);
    if (size > bytes.size()) return std::nullopt;
    keys.push_back(to_bytes(bytes.first(size)));
    bytes = bytes.subspan(size);
  }
  return keys;
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
  for (const Bytes& key : keys) {
    uint8_t size[sizeof(uint32_t)];
    store(size, static_cast<uint32_t>(key.size()));
    bytes.insert(bytes.end(), size, size + sizeof size);
    bytes.insert(bytes.end(), key.begin(), key.end());
  }
  UniqueFd fd(::open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!fd.valid()) return fail_errno("making " + draft);
  if (Result<void> written = write_all_at(fd.get(), bytes, 0, draft); !written) {
    unlink(draft.c_str());
    return written;
  }
  if (rename(draft.c_str(), note.c_str()) != 0) return fail_errno("renaming " + draft + " to " + note);
  return {};
}

Result<std::vector<Bytes>> read_leftovers_note(const std::string& path) {
  const std::string note = note_of(path);
  UniqueFd fd(::open(note.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid() && errno == ENOENT) return std::vector<Bytes>();
  struct stat info {};
  if (!fd.valid() || fstat(fd.get(), &info) != 0) return fail_errno("opening " + note);
  Bytes bytes(static_cast<size_t>(info.st_size));
  if (Result<void> read = read_whole(fd.get(), bytes, note); !read) return fail(std::move(read.error()));
  std::optional<std::vector<Bytes>> keys = keys_in(bytes);
  if (!keys)
    return fail(ErrorCode::kCorrupt,
                note + " is damaged: which records of the past " + path + " has is not known");
  return std::move(*keys);
}

void drop_leftovers_note(const std::string& path) {
  unlink(note_of(path).c_str());
}

}  // namespace ctdb
