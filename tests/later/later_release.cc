// SPDX-License-Identifier: GPL-3.0-or-later
// Makes a release after this one of programs of this one: linked in with -Wl,--wrap (CMakeLists.txt here), so that nothing in the product knows of
// it. It does what a later release may do by wire/later_release.h: says more at the end of every message of ours, to other nodes, daemons and clients
// and on the set-up socket, and knows a version of links that this one does not.
#include <sys/socket.h>

#include <cstring>

#include "ctdb-router/transport/tcp/handshake.h"
#include "libctdbipc/wire/packet.h"

namespace {

// Not zeros, which padding would look like, and no whole number of words.
constexpr uint8_t kMore[] = {0xe1, 0xe2, 0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xeb, 0xec, 0xed};
constexpr char kSetupMagic[] = {'C', 'S', 'U', 'P'};

}  // namespace

extern "C" {

void __real__ZN4ctdb9build_ownERSt6vectorIhSaIhEENS_6HeaderESt4spanIKhLm18446744073709551615EE(
    ctdb::Bytes& out, ctdb::Header header, ctdb::ByteView payload);

void __wrap__ZN4ctdb9build_ownERSt6vectorIhSaIhEENS_6HeaderESt4spanIKhLm18446744073709551615EE(
    ctdb::Bytes& out, ctdb::Header header, ctdb::ByteView payload) {
  ctdb::Bytes longer(payload.begin(), payload.end());
  longer.insert(longer.end(), std::begin(kMore), std::end(kMore));
  __real__ZN4ctdb9build_ownERSt6vectorIhSaIhEENS_6HeaderESt4spanIKhLm18446744073709551615EE(out, header,
                                                                                            longer);
}

ssize_t __real_sendmsg(int socket, const msghdr* message, int flags);

// A set-up message is one datagram of one part.
ssize_t __wrap_sendmsg(int socket, const msghdr* message, int flags) {
  const bool is_setup = message->msg_iovlen == 1 && message->msg_iov->iov_len >= sizeof kSetupMagic &&
                        std::memcmp(message->msg_iov->iov_base, kSetupMagic, sizeof kSetupMagic) == 0;
  if (!is_setup) return __real_sendmsg(socket, message, flags);
  iovec parts[2] = {*message->msg_iov, {const_cast<uint8_t*>(kMore), sizeof kMore}};
  msghdr longer = *message;
  longer.msg_iov = parts;
  longer.msg_iovlen = 2;
  return __real_sendmsg(socket, &longer, flags);
}

#ifdef CTDB_LATER_ROUTER
ctdb::Hello __real__ZN4ctdb9Handshake3sayEjjNS_5HelloE(ctdb::Handshake* self, uint32_t from, uint32_t to,
                                                       ctdb::Hello hello);

ctdb::Hello __wrap__ZN4ctdb9Handshake3sayEjjNS_5HelloE(ctdb::Handshake* self, uint32_t from, uint32_t to,
                                                       ctdb::Hello hello) {
  ++hello.version_max;
  return __real__ZN4ctdb9Handshake3sayEjjNS_5HelloE(self, from, to, hello);
}
#endif

}  // extern "C"
