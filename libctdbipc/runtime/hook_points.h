// SPDX-License-Identifier: LGPL-3.0-or-later
// For tests: a daemon that dies at a chosen step of the protocol. With CTDB_HOOKS=DIR in its environment a daemon to which an
// operation of ours arrives looks for a file DIR/<daemon>.<OPERATION>; if it can remove it, it kills itself (SIGKILL) before
// it does anything about the packet. Names: libctdbipc/wire/messages.def. Without the variable: one branch.
#ifndef LIBCTDBIPC_RUNTIME_HOOK_POINTS_H_
#define LIBCTDBIPC_RUNTIME_HOOK_POINTS_H_

#include <string>

#include "libctdbipc/base/bytes.h"

namespace ctdb {

class HookPoints {
 public:
  explicit HookPoints(const std::string& daemon);
  // `packet` has a whole header.
  void arrived(ByteView packet) const {
    if (!prefix_.empty()) look(packet);
  }

 private:
  void look(ByteView packet) const;

  std::string prefix_;  // DIR/<daemon>. ; empty: nobody wants hooks
};

}  // namespace ctdb

#endif  // LIBCTDBIPC_RUNTIME_HOOK_POINTS_H_
