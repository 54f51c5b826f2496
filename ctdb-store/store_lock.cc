// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-store/store_lock.h"

#include <fcntl.h>

#include <cerrno>

#include "libctdbipc/base/process_name.h"

namespace ctdb {
namespace {

struct flock whole_file() {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  return lock;
}

}  // namespace

Result<UniqueFd> lock_for_store(const std::string& directory) {
  UniqueFd file(open((directory + "/store.lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!file.valid()) return UniqueFd();
  struct flock lock = whole_file();
  if (fcntl(file.get(), F_SETLK, &lock) == 0) return file;
  if (errno != EACCES && errno != EAGAIN) return UniqueFd();
  struct flock holder = whole_file();
  (void)!fcntl(file.get(), F_GETLK, &holder);
  return fail(ErrorCode::kSystem,
              "another ctdb-store, " + process_text(holder.l_pid) + ", works in " + directory +
                  ": stop it first, or give each node its own 'persistent database directory'");
}

}  // namespace ctdb
