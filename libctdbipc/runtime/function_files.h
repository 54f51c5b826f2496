// SPDX-License-Identifier: LGPL-3.0-or-later
// The files of "[database] functions", looked at before they become part of a daemon.
#ifndef LIBCTDBIPC_RUNTIME_FUNCTION_FILES_H_
#define LIBCTDBIPC_RUNTIME_FUNCTION_FILES_H_

#include <vector>

#include "libctdbipc/runtime/config.h"

namespace ctdb {

// Whoever may write such a file is ctdb-store. A problem for each that is not there, is no file, does not belong to root (or to the
// user who asks: a cluster for trying things out), or may be changed by others.
void check_function_files(const Config& config, std::vector<ConfigProblem>& problems);

}  // namespace ctdb

#endif  // LIBCTDBIPC_RUNTIME_FUNCTION_FILES_H_
