// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-router/transport/tcp/handshake.h"

#include <sys/random.h>

#include "libctdbipc/base/assert.h"
#include "libctdbipc/wire/reader.h"

namespace ctdb {

Hello Handshake::say(uint32_t from, uint32_t to, Hello hello) {
  // Cannot fail or come short for so few bytes once the machine has started (getrandom(2)).
  if (keyed())
    CTDB_ASSERT(getrandom(hello.nonce.data(), hello.nonce.size(), 0) ==
                static_cast<ssize_t>(hello.nonce.size()));
  hello.proof = next(from, to, hello);
  return hello;
}

Result<void> Handshake::hear(uint32_t from, uint32_t to, const Hello& hello) {
  const bool theirs = hello.nonce != HelloNonce{};
  if (keyed() && !theirs)
    return fail(ErrorCode::kRefused, "it has no cluster key, this node has one ([cluster] key file)");
  if (!keyed() && theirs)
    return fail(ErrorCode::kRefused, "it has a cluster key, this node has none ([cluster] key file)");
  if (same_proof(next(from, to, hello), hello.proof)) return {};
  return fail(ErrorCode::kRefused,
              "it does not know this cluster's key (give both nodes the same [cluster] key file, or it is "
              "not the node "
              "it says it is)");
}

// The proof that belongs to the next HELLO of the two.
Proof Handshake::next(uint32_t from, uint32_t to, Hello hello) {
  hello.proof = {};
  Bytes said;
  Writer w(said);
  w.u32(from);
  w.u32(to);
  w.bytes(hello.encode());
  if (first_.empty()) {
    first_ = std::move(said);
    return key_.prove({as_bytes("hello"), first_});
  }
  second_ = std::move(said);
  return key_.prove({as_bytes("answer"), first_, second_});
}

Proof Handshake::last_word() const {
  return key_.prove({as_bytes("last word"), first_, second_});
}

ClusterKey Handshake::key_for_sides() const {
  return key_.derive({as_bytes("beside the link"), first_, second_});
}

}  // namespace ctdb
