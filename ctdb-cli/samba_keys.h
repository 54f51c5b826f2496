// SPDX-License-Identifier: GPL-3.0-or-later
// Keys of Samba's databases as people read them.
#ifndef CTDB_CLI_SAMBA_KEYS_H_
#define CTDB_CLI_SAMBA_KEYS_H_

#include <string>

#include "libctdbipc/base/bytes.h"

namespace ctdb::cli {

// "file 2049:131074" (device and inode) for locking.tdb and brlock.tdb, the session's number for smbXsrv_session_global.tdb, and so on;
// what is of no known form as argument_from_bytes() has it.
std::string readable_key(const std::string& database, ByteView key);

}  // namespace ctdb::cli

#endif  // CTDB_CLI_SAMBA_KEYS_H_
