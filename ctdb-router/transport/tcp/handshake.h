// SPDX-License-Identifier: GPL-3.0-or-later
// Who is at the other end of a connection, proved with a key both sides have (ARCHITECTURE.md §3, "Who is there"). Apart from
// sockets; what else a HELLO must say: hello.h.
//
//   opener                        acceptor
//   HELLO, proof over it     →
//                            ←    HELLO, proof over it and the opener's
//   HELLO_PROOF over both    →                                            links only
//
// Each HELLO has a fresh random number, so a recorded answer fits no other HELLO. A recorded first HELLO does, which is why a link
// stands only after HELLO_PROOF. Connections beside it use a key that is derived from both HELLOs of the link, and need no third
// packet: a recording fits only the link it was made on.
#ifndef CTDB_ROUTER_TRANSPORT_TCP_HANDSHAKE_H_
#define CTDB_ROUTER_TRANSPORT_TCP_HANDSHAKE_H_

#include "ctdb-router/transport/cluster_key.h"
#include "libctdbipc/base/result.h"
#include "libctdbipc/wire/own_messages.h"

namespace ctdb {

class Handshake {
 public:
  Handshake() = default;
  explicit Handshake(ClusterKey key) : key_(std::move(key)) {}

  // Call say() and hear() once each, in the order of the packets.
  // `hello`, complete but for nonce and proof, as it is to be sent from node `from` to node `to`.
  Hello say(uint32_t from, uint32_t to, Hello hello);
  // Errors: kRefused with the reason for the other side.
  Result<void> hear(uint32_t from, uint32_t to, const Hello& hello);

  // After both.
  bool keyed() const { return key_.set(); }
  Proof last_word() const;
  ClusterKey key_for_sides() const;

 private:
  Proof next(uint32_t from, uint32_t to, Hello hello);

  ClusterKey key_;
  Bytes first_, second_;  // what the HELLOs said
};

}  // namespace ctdb

#endif  // CTDB_ROUTER_TRANSPORT_TCP_HANDSHAKE_H_
