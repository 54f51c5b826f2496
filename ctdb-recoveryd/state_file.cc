// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-recoveryd/state_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "libctdbipc/base/unique_fd.h"

namespace ctdb {
namespace {

constexpr size_t kStateBytesMax = 64u << 10;

Result<void> write_all(int fd, ByteView bytes, const std::string& path) {
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t wrote = write(fd, bytes.data() + done, bytes.size() - done);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return fail_errno("writing " + path);
    done += static_cast<size_t>(wrote);
  }
  return {};
}

}  // namespace

Result<StateFile> StateFile::open(const std::string& directory, const std::string& name) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return fail(Error{ErrorCode::kSystem, error.value(), "making the directory " + directory});
  return StateFile(directory, directory + "/" + name);
}

Result<Bytes> StateFile::read() const {
  UniqueFd fd(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) {
    if (errno == ENOENT) return Bytes();
    return fail_errno("opening " + path_);
  }
  Bytes bytes(kStateBytesMax + 1);
  size_t size = 0;
  while (size < bytes.size()) {
    const ssize_t got = ::read(fd.get(), bytes.data() + size, bytes.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno("reading " + path_);
    if (got == 0) break;
    size += static_cast<size_t>(got);
  }
  if (size > kStateBytesMax) return fail(ErrorCode::kLimit, path_ + " is far too large");
  bytes.resize(size);
  return bytes;
}

Result<void> StateFile::set_aside() const {
  const std::string aside = path_ + ".damaged";
  if (std::rename(path_.c_str(), aside.c_str()) != 0) return fail_errno("renaming " + path_ + " to " + aside);
  return {};
}

Result<void> StateFile::replace(ByteView bytes) const {
  const std::string fresh = path_ + ".new";
  {
    UniqueFd fd(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!fd.valid()) return fail_errno("creating " + fresh);
    if (Result<void> written = write_all(fd.get(), bytes, fresh); !written) return written;
    if (fdatasync(fd.get()) != 0) return fail_errno("syncing " + fresh);
  }
  if (std::rename(fresh.c_str(), path_.c_str()) != 0) return fail_errno("renaming " + fresh + " to " + path_);
  UniqueFd directory(::open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.valid() || fsync(directory.get()) != 0) return fail_errno("syncing " + directory_);
  return {};
}

}  // namespace ctdb
