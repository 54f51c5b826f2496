// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbipc/base/write_all.h"

#include <unistd.h>

#include <cerrno>

namespace ctdb {

Result<void> write_all_at(int fd, ByteView bytes, uint64_t offset, const std::string& path) {
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t wrote =
        pwrite(fd, bytes.data() + done, bytes.size() - done, static_cast<off_t>(offset + done));
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return fail_errno("writing " + path);
    done += static_cast<size_t>(wrote);
  }
  return {};
}

}  // namespace ctdb
