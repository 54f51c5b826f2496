// SPDX-License-Identifier: GPL-3.0-or-later
// libtdb's header with what it needs in front of it, for the tdb_* files only.
#ifndef CTDB_STORE_BACKEND_TDB_API_H_
#define CTDB_STORE_BACKEND_TDB_API_H_

#include <fcntl.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/types.h>

#include <cstdarg>
#include <cstdbool>
#include <cstdint>
#include <cstdio>

extern "C" {
#include <tdb.h>
}

#include "libctdbipc/base/bytes.h"

namespace ctdb {

// A loan in libtdb's clothes. libtdb does not write to keys or to data to be stored.
inline TDB_DATA tdb_data(ByteView bytes) {
  return TDB_DATA{const_cast<uint8_t*>(bytes.data()), bytes.size()};
}
inline ByteView tdb_view(TDB_DATA data) {
  return {data.dptr, data.dsize};
}

}  // namespace ctdb

#endif  // CTDB_STORE_BACKEND_TDB_API_H_
