// SPDX-License-Identifier: LGPL-3.0-or-later
// SIGHUP, `systemctl reload`: the configuration is read again. What can be used at once is; what needs a restart is
// named; a configuration that is wrong changes nothing. The outcome is in the log and in the daemon's status line.
#ifndef LIBCTDBIPC_RUNTIME_RELOAD_H_
#define LIBCTDBIPC_RUNTIME_RELOAD_H_

#include <string>

#include "libctdbipc/runtime/daemon.h"

namespace ctdb {

void reload(DaemonContext& context);

}  // namespace ctdb

#endif  // LIBCTDBIPC_RUNTIME_RELOAD_H_
