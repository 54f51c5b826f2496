// SPDX-License-Identifier: LGPL-3.0-or-later
// A directory in which a daemon keeps files, looked at when it starts: what is wrong with it is said then, and not with the first record.
#ifndef LIBCTDBIPC_RUNTIME_DATA_DIRECTORY_H_
#define LIBCTDBIPC_RUNTIME_DATA_DIRECTORY_H_

#include <string>

#include "libctdbipc/base/result.h"

namespace ctdb {

// Makes it if it is not there, and tries to write in it. `option` is what names it in ctdb.conf. A full file system is a warning in the
// log: there may be room later. Errors: kSystem, with the remedy.
Result<void> check_data_directory(const std::string& path, const char* option);

}  // namespace ctdb

#endif  // LIBCTDBIPC_RUNTIME_DATA_DIRECTORY_H_
