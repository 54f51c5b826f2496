// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-recoveryd/register_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "ctdb-recoveryd/state_slot.h"
#include "libctdbipc/base/limits.h"
#include "libctdbipc/base/unique_fd.h"
#include "libctdbipc/base/write_all.h"

namespace ctdb {
namespace {

// A write of an earlier life may still hang in the file system: nothing is written before that is over.
Result<void> lock_own_pair(int fd, uint32_t pnn, const std::string& path) {
  struct flock range {};
  range.l_type = F_WRLCK;
  range.l_whence = SEEK_SET;
  range.l_start = static_cast<off_t>(pnn * StateSlot::kPairBytes);
  range.l_len = static_cast<off_t>(StateSlot::kPairBytes);
  while (fcntl(fd, F_SETLKW, &range) != 0) {
    if (errno != EINTR) return fail_errno("locking a part of " + path);
  }
  return {};
}

}  // namespace

Result<RegisterFile::Slots> RegisterFile::access(ByteView own, const std::function<bool()>& may_write) {
  // Opened anew each time: another file may have been put in its place.
  const UniqueFd fd(open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd.valid()) return fail_errno("opening " + path_);
  if (Result<void> locked = lock_own_pair(fd.get(), pnn_, path_); !locked)
    return fail(std::move(locked.error()));
  Result<Slots> before = read(fd.get());
  if (!before || own.empty()) return before;
  if (!may_write())
    return fail(ErrorCode::kRefused, "nobody wants this to be written into " + path_ + " any more");
  if (Result<void> written = write(fd.get(), own, *before); !written) return fail(std::move(written.error()));
  return read(fd.get());
}

Result<RegisterFile::Slots> RegisterFile::read(int fd) const {
  struct stat status {};
  if (fstat(fd, &status) != 0) return fail_errno("looking at " + path_);
  const size_t pairs = std::min<size_t>(
      (static_cast<size_t>(status.st_size) + StateSlot::kPairBytes - 1) / StateSlot::kPairBytes, kNodesMax);
  Slots slots;
  Bytes pair(StateSlot::kPairBytes);
  for (uint32_t pnn = 0; pnn < pairs; ++pnn) {
    const ssize_t got = pread(fd, pair.data(), pair.size(), static_cast<off_t>(pnn * StateSlot::kPairBytes));
    if (got < 0) return fail_errno("reading " + path_);
    const ByteView bytes = ByteView(pair).first(static_cast<size_t>(got));
    std::optional<StateSlot> slot = StateSlot::newest(bytes);
    if (!slot && is_blank(bytes)) continue;
    if (!slot)
      return fail(ErrorCode::kInvalid, "the slot of node " + std::to_string(pnn) + " in " + path_ +
                                           " is damaged (stop all nodes and remove the file)");
    slots.emplace_back(pnn, std::move(slot->payload));
  }
  return slots;
}

Result<void> RegisterFile::write(int fd, ByteView own, const Slots& before) const {
  const auto same = [&](const auto& slot) {
    return slot.first == pnn_ && ByteView(slot.second).size() == own.size() &&
           std::equal(own.begin(), own.end(), slot.second.begin());
  };
  if (std::any_of(before.begin(), before.end(), same)) return {};
  Bytes pair(StateSlot::kPairBytes);
  const size_t place = pnn_ * StateSlot::kPairBytes;
  const ssize_t got = pread(fd, pair.data(), pair.size(), static_cast<off_t>(place));
  if (got < 0) return fail_errno("reading " + path_);
  const std::optional<StateSlot> last = StateSlot::newest(ByteView(pair).first(static_cast<size_t>(got)));
  const StateSlot next{last ? last->sequence + 1 : 1, to_bytes(own)};
  const size_t half = next.sequence % StateSlot::kCount * StateSlot::kBytes;
  if (Result<void> written = write_all_at(fd, next.encode(), place + half, path_); !written) return written;
  if (fdatasync(fd) != 0) return fail_errno("syncing " + path_);
  return {};
}

}  // namespace ctdb
