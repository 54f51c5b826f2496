// SPDX-License-Identifier: LGPL-3.0-or-later
// What lets the daemons of two releases share a cluster, and a program go on with the library that it was started with. What there is stays as it
// is, and:
//  1. A field is added at the very end of a payload (of a Heartbeat behind left_out, not in its state). Who does not know it passes it over: decoders
//     do not look at what is behind the last field they know.
//  2. Who knows it reads it only if it is there, and takes zeros for "not there": an older release does not send it, and packets are padded with
//     zeros.
//  3. An operation that is new is passed over by who does not know it. So nobody may need an answer to it, or the links' version, which routers
//     agree upon, says who knows it (kLinkVersionMax).
//  4. A new kind of set-up message is sent only to who said with its request, or its reply, that it knows it (as kKeepsChannels says).
#ifndef LIBCTDBIPC_WIRE_LATER_RELEASE_H_
#define LIBCTDBIPC_WIRE_LATER_RELEASE_H_

#include <cstdint>

#include "libctdbipc/wire/operations.h"

namespace ctdb {

// One of ours that this release does not have.
inline bool is_of_later_release(uint32_t operation) {
  constexpr uint32_t kFirstOfOurs = 0x1000;
  return operation >= kFirstOfOurs && find_operation(operation) == nullptr;
}

}  // namespace ctdb

#endif  // LIBCTDBIPC_WIRE_LATER_RELEASE_H_
