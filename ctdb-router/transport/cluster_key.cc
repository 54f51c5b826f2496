// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-router/transport/cluster_key.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <unistd.h>

#include <cerrno>

#include "libctdbipc/base/assert.h"
#include "libctdbipc/base/unique_fd.h"
#include "libctdbipc/runtime/config.h"

namespace ctdb {
namespace {

bool is_space(uint8_t byte) {
  return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t';
}

}  // namespace

Result<ClusterKey> ClusterKey::load(const std::string& path) {
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid() && errno == EACCES)
    return fail(Error{ErrorCode::kSystem, EACCES,
                      "key file " + path +
                          " may not be read by the router's user (chgrp it to a group of that " +
                          "user, ctdb-router, and chmod 640 it)"});
  if (!file.valid()) return fail_errno("key file " + path);
  Bytes secret(kClusterKeyBytesMax);
  const ssize_t got = read(file.get(), secret.data(), secret.size());
  if (got < 0) return fail_errno("key file " + path);
  secret.resize(static_cast<size_t>(got));
  while (!secret.empty() && is_space(secret.back())) secret.pop_back();
  if (secret.size() < kClusterKeyBytesMin)
    return fail(ErrorCode::kInvalid,
                "key file " + path + " has less than " + std::to_string(kClusterKeyBytesMin) + " bytes");
  return ClusterKey(std::move(secret));
}

Proof ClusterKey::prove(std::initializer_list<ByteView> parts) const {
  Proof out{};
  if (!set()) return out;
  Bytes text;
  for (const ByteView part : parts) {
    uint8_t size[sizeof(uint64_t)];
    store(size, static_cast<uint64_t>(part.size()));
    text.insert(text.end(), std::begin(size), std::end(size));
    text.insert(text.end(), part.begin(), part.end());
  }
  unsigned size = 0;
  const void* done = HMAC(EVP_sha256(), secret_.data(), static_cast<int>(secret_.size()), text.data(),
                          text.size(), out.data(), &size);
  CTDB_ASSERT(done != nullptr && size == out.size());
  return out;
}

ClusterKey ClusterKey::derive(std::initializer_list<ByteView> parts) const {
  if (!set()) return {};
  const Proof secret = prove(parts);
  return ClusterKey(Bytes(secret.begin(), secret.end()));
}

bool same_proof(const Proof& a, const Proof& b) {
  return CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace ctdb
