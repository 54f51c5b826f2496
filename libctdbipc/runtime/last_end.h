// SPDX-License-Identifier: LGPL-3.0-or-later
// How a daemon's last run ended, for ctdb-cli: one line in <run>/<daemon>.ended. A daemon that cannot start writes it, and
// the process that its unit runs after every end (`--ended`); one that serves removes it.
#ifndef LIBCTDBIPC_RUNTIME_LAST_END_H_
#define LIBCTDBIPC_RUNTIME_LAST_END_H_

#include <string>

#include "libctdbipc/runtime/config.h"

namespace ctdb {

// Best effort: that it cannot be written is no reason to fail.
void note_end(const Config& config, const std::string& daemon, const std::string& text);
void forget_end(const Config& config, const std::string& daemon);
// Empty: nothing is known, or it ended in good order.
std::string last_end(const std::string& run_directory, const std::string& daemon);

// After systemd has seen the end: adds its words ($SERVICE_RESULT, $EXIT_CODE, $EXIT_STATUS) to those of the daemon.
void note_end_as_systemd_saw_it(const Config& config, const std::string& daemon);

}  // namespace ctdb

#endif  // LIBCTDBIPC_RUNTIME_LAST_END_H_
