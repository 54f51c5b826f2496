// SPDX-License-Identifier: LGPL-3.0-or-later
// Who this process is to the others, and whether another one lives. In the cluster a server id is alive while its process is registered for
// messages to the unique id; on a local directory the unique id has the time at which the process started.
#ifndef LIBCTDBSHARE_COMMON_LIVENESS_H_
#define LIBCTDBSHARE_COMMON_LIVENESS_H_

#include "ctdb.h"
#include "libctdbshare/common/server_id.h"

namespace ctdb_share {

// A unique id that is nobody's, and no service of the protocol (those begin at 0xF000000000000000).
uint64_t random_unique_id();

// Not twice the same in a process. 0: /proc does not say when it started.
uint64_t local_unique_id();
bool local_is_dead(const ServerId& server);

// Asks the server's node, which may take as long as the cluster needs to be certain. Who cannot be asked any more is dead. With an error *dead
// is not written: nobody knows.
int ask_if_dead(ctdb_client* client, const ServerId& server, int timeout_ms, bool* dead);

}  // namespace ctdb_share

#endif  // LIBCTDBSHARE_COMMON_LIVENESS_H_
