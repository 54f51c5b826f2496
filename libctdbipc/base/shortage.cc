// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbipc/base/shortage.h"

#include <cerrno>

namespace ctdb {

bool is_shortage(const Error& error) {
  return !remedy_of(error).empty();
}

std::string_view remedy_of(const Error& error) {
  if (error.code != ErrorCode::kSystem) return "";
  switch (error.saved_errno) {
    case EMFILE:
      return "allow the process more descriptors: LimitNOFILE= of its unit, or ulimit -n";
    case ENFILE:
      return "allow the machine more open files: sysctl fs.file-max";
    case ENOMEM:
      return "free some memory, or allow the process more: MemoryMax= of its unit, ulimit -v, sysctl "
             "vm.max_map_count";
    case EAGAIN:
    case ENOLCK:
      return "look who has locked it, and stop him if it lasts; or what has very many locks or processes";
    case ENOSPC:
    case EDQUOT:
      return "make room on the file system";
    case EIO:
      return "look at the disk and its cables (dmesg); move the file away if it cannot be saved";
    default:
      return "";
  }
}

}  // namespace ctdb
