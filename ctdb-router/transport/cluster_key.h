// SPDX-License-Identifier: GPL-3.0-or-later
// The secret that all nodes of a cluster share, and what is proved with it: that a connection's other end knows it too
// (ARCHITECTURE.md §3, "Who is there"). HMAC-SHA256 from OpenSSL's libcrypto.
#ifndef CTDB_ROUTER_TRANSPORT_CLUSTER_KEY_H_
#define CTDB_ROUTER_TRANSPORT_CLUSTER_KEY_H_

#include <initializer_list>
#include <string>

#include "libctdbipc/base/bytes.h"
#include "libctdbipc/base/result.h"
#include "libctdbipc/wire/own_messages.h"

namespace ctdb {

class ClusterKey {
 public:
  // No secret: every proof is zeros.
  ClusterKey() = default;
  // Its rights and size were checked with the configuration; white space at the end, as editors leave it, does not count.
  // Errors name the file: it cannot be read, or it is too short.
  static Result<ClusterKey> load(const std::string& path);
  explicit ClusterKey(Bytes secret) : secret_(std::move(secret)) {}

  bool set() const { return !secret_.empty(); }
  // Over the parts and where each ends. Zeros without a secret.
  Proof prove(std::initializer_list<ByteView> parts) const;
  // A secret for one purpose, from this one. Unset without a secret.
  ClusterKey derive(std::initializer_list<ByteView> parts) const;

 private:
  Bytes secret_;
};

// Takes the same time wherever they differ.
bool same_proof(const Proof& a, const Proof& b);

}  // namespace ctdb

#endif  // CTDB_ROUTER_TRANSPORT_CLUSTER_KEY_H_
