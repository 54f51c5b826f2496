// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-recoveryd/state_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <optional>

#include "ctdb-recoveryd/state_slot.h"
#include "libctdbipc/base/write_all.h"

namespace ctdb {
namespace {

Result<void> sync_directory(const std::string& directory) {
  UniqueFd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid() || fsync(fd.get()) != 0) return fail_errno("syncing " + directory);
  return {};
}

}  // namespace

Result<StateFile> StateFile::open(const std::string& directory, const std::string& name) {
  StateFile file(directory, name);
  if (Result<void> begun = file.begin(); !begun) return fail(std::move(begun.error()));
  if (!file.ready()) return file;
  Result<bool> whole = file.load();
  if (!whole) return fail(std::move(whole.error()));
  if (*whole) return file;
  file.damaged_ = true;
  const std::string aside = file.path_ + ".damaged";
  if (std::rename(file.path_.c_str(), aside.c_str()) != 0)
    return fail_errno("renaming " + file.path_ + " to " + aside);
  if (Result<void> begun = file.begin(); !begun) return fail(std::move(begun.error()));
  return file;
}

// Without room it is not ready, and no failure: nothing that has to be kept has been promised yet.
Result<void> StateFile::begin() {
  Result<void> opened = open_or_create();
  no_room_ = opened ? "" : opened.error().text();
  const int number = opened ? 0 : opened.error().saved_errno;
  if (number == ENOSPC || number == EDQUOT) return {};
  return opened;
}

Result<void> StateFile::open_or_create() {
  std::error_code error;
  std::filesystem::create_directories(directory_, error);
  if (error) return fail(Error{ErrorCode::kSystem, error.value(), "making the directory " + directory_});
  fd_.reset(::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd_.valid()) return fail_errno("opening " + path_);
  // A file system without such locks keeps nobody from starting.
  if (flock(fd_.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
    return fail(ErrorCode::kSystem, "another process keeps its state in " + path_ + ": stop it first");
  struct stat status {};
  if (fstat(fd_.get(), &status) != 0) return fail_errno("looking at " + path_);
  const auto size = static_cast<size_t>(status.st_size);
  if (size >= StateSlot::kPairBytes) return {};
  const Bytes missing(StateSlot::kPairBytes - size);
  if (Result<void> written = write_all_at(fd_.get(), missing, size, path_); !written) return written;
  if (fsync(fd_.get()) != 0) return fail_errno("syncing " + path_);
  return sync_directory(directory_);
}

// false: there is something, but no whole slot.
Result<bool> StateFile::load() {
  Bytes bytes(StateSlot::kPairBytes);
  const ssize_t got = pread(fd_.get(), bytes.data(), bytes.size(), 0);
  if (got < 0) return fail_errno("reading " + path_);
  bytes.resize(static_cast<size_t>(got));
  std::optional<StateSlot> slot = StateSlot::newest(bytes);
  if (!slot) return is_blank(bytes);
  sequence_ = slot->sequence;
  contents_ = std::move(slot->payload);
  return true;
}

Result<void> StateFile::replace(ByteView bytes) {
  if (bytes.size() > kPayloadBytesMax)
    return fail(ErrorCode::kLimit, "more state than " + path_ + " can hold");
  if (!ready()) {
    if (Result<void> begun = begin(); !begun) return begun;
    if (!ready()) return fail(ErrorCode::kLimit, no_room_);
  }
  const StateSlot slot{sequence_ + 1, to_bytes(bytes)};
  const size_t place = slot.sequence % StateSlot::kCount * StateSlot::kBytes;
  if (Result<void> written = write_all_at(fd_.get(), slot.encode(), place, path_); !written) return written;
  if (fdatasync(fd_.get()) != 0) return fail_errno("syncing " + path_);
  sequence_ = slot.sequence;
  contents_ = slot.payload;
  return {};
}

}  // namespace ctdb
