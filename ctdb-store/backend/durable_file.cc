// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-store/backend/durable_file.h"

#include <fcntl.h>
#include <sys/sendfile.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>

#include "libctdbipc/base/unique_fd.h"

namespace ctdb {
namespace {

constexpr size_t kCopyBytes = 1 << 20;

std::string time_suffix() {
  const time_t now = time(nullptr);
  tm parts{};
  gmtime_r(&now, &parts);
  char text[32];
  strftime(text, sizeof text, "%Y%m%d%H%M%S", &parts);
  return text;
}

Result<void> sync_directory_of(const std::string& path) {
  const std::string directory = path.substr(0, path.rfind('/') + 1);
  UniqueFd fd(::open(directory.empty() ? "." : directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid() || fsync(fd.get()) != 0) return fail_errno("writing directory " + directory + " to disk");
  return {};
}

}  // namespace

Result<void> read_whole(int fd, MutableBytes bytes, const std::string& path) {
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t got = pread(fd, bytes.data() + done, bytes.size() - done, static_cast<off_t>(done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno("reading " + path);
    if (got == 0) return fail(ErrorCode::kCorrupt, path + " became shorter while it was read");
    done += static_cast<size_t>(got);
  }
  return {};
}

Result<void> check_readable(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return fail_errno("opening " + path);
  Bytes bytes(kCopyBytes);
  for (;;) {
    const ssize_t got = read(fd.get(), bytes.data(), bytes.size());
    if (got == 0) return {};
    if (got < 0 && errno != EINTR) return fail_errno("reading " + path);
  }
}

Result<void> take_name(const std::string& name, const std::string& path) {
  if (rename(name.c_str(), path.c_str()) != 0) return fail_errno("renaming " + name + " to " + path);
  return sync_directory_of(path);
}

Result<void> copy_durably(const std::string& from, const std::string& to) {
  const std::string name = to + ".new";
  UniqueFd in(::open(from.c_str(), O_RDONLY | O_CLOEXEC));
  if (!in.valid()) return fail_errno("opening " + from);
  UniqueFd out(::open(name.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!out.valid()) return fail_errno("making " + name);
  ssize_t sent = 0;
  do {
    sent = sendfile(out.get(), in.get(), nullptr, kCopyBytes);
  } while (sent > 0);
  if (sent < 0 || fsync(out.get()) != 0) {
    tl::unexpected<Error> failed = fail_errno("copying " + from + " to " + name);
    unlink(name.c_str());
    return failed;
  }
  return take_name(name, to);
}

std::string name_for_damaged(const std::string& path) {
  const std::string stem = path + ".corrupted." + time_suffix() + ".";
  for (int i = 0;; ++i) {
    std::string name = stem + std::to_string(i) + "Z";
    if (access(name.c_str(), F_OK) != 0) return name;
  }
}

Result<std::string> put_file_aside(const std::string& path) {
  const std::string kept = name_for_damaged(path);
  if (rename(path.c_str(), kept.c_str()) != 0) return fail_errno("renaming " + path + " to " + kept);
  return kept;
}

}  // namespace ctdb
