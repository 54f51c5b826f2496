// SPDX-License-Identifier: LGPL-3.0-or-later
// What a daemon was started with, of that which is to be the same on all nodes: lines "name = value" in <run>/<daemon>.settings. ctdb.conf
// does not tell it: it may have been changed since. The router reads the files of the daemons that are connected, for whoever compares
// nodes (GET_SETTINGS).
#ifndef LIBCTDBIPC_RUNTIME_SETTINGS_H_
#define LIBCTDBIPC_RUNTIME_SETTINGS_H_

#include <string>

#include "libctdbipc/runtime/config.h"

namespace ctdb {

// Those that this daemon uses, and its release.
std::string settings_text(const Config& config, const std::string& daemon);
// The daemon runs. A file that cannot be written is none: then nobody says what is not so.
void note_settings(const Config& config, const std::string& daemon);
// ""; there is no such file.
std::string noted_settings(const Config& config, const std::string& daemon);

}  // namespace ctdb

#endif  // LIBCTDBIPC_RUNTIME_SETTINGS_H_
