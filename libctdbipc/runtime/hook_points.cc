// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbipc/runtime/hook_points.h"

#include <signal.h>
#include <unistd.h>

#include <cstdlib>

#include "libctdbipc/wire/operations.h"
#include "libctdbipc/wire/packet.h"

namespace ctdb {

HookPoints::HookPoints(const std::string& daemon) {
  if (const char* directory = std::getenv("CTDB_HOOKS"); directory != nullptr && *directory != '\0')
    prefix_ = std::string(directory) + "/" + daemon + ".";
}

void HookPoints::look(ByteView packet) const {
  const OperationRow* row = find_operation(read_header(packet).operation);
  if (row == nullptr || row->number < static_cast<uint32_t>(Operation::HELLO)) return;
  if (::unlink((prefix_ + row->name).c_str()) == 0) ::raise(SIGKILL);
}

}  // namespace ctdb
