// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-recoveryd/core/durable_state.h"

#include <array>

#include "libctdbipc/base/hash.h"
#include "libctdbipc/base/limits.h"
#include "libctdbipc/wire/reader.h"

namespace ctdb {
namespace {

constexpr uint32_t kMagic = 0x32534352;          // "RCS2"
constexpr uint32_t kMagicNoVoters = 0x31534352;  // "RCS1": as before voters were kept

// One bit a number: two lists of numbers would not fit into the file of a large cluster.
using Bits = std::array<uint8_t, kNodesMax / 8>;

Bits bits_of(const std::vector<uint32_t>& pnns) {
  Bits bits{};
  for (uint32_t pnn : pnns) {
    if (pnn < kNodesMax) bits[pnn / 8] = static_cast<uint8_t>(bits[pnn / 8] | 1u << pnn % 8);
  }
  return bits;
}

std::vector<uint32_t> pnns_of(ByteView bits) {
  std::vector<uint32_t> pnns;
  for (uint32_t pnn = 0; pnn < bits.size() * 8; ++pnn) {
    if ((bits[pnn / 8] >> pnn % 8 & 1) != 0) pnns.push_back(pnn);
  }
  return pnns;
}

}  // namespace

Bytes DurableState::encode() const {
  Bytes out;
  Writer w(out);
  w.u32(kMagic);
  w.u64(term);
  w.u32(voted_for);
  w.u32(decided_generation);
  w.u32(static_cast<uint32_t>(decided_members.size()));
  for (uint32_t pnn : decided_members) w.u32(pnn);
  w.bytes(bits_of(voters));
  w.u32(jenkins_hash(out));
  return out;
}

std::optional<DurableState> DurableState::decode(ByteView bytes) {
  Reader r(bytes);
  DurableState s;
  const uint32_t magic = r.u32();
  s.term = r.u64();
  s.voted_for = r.u32();
  s.decided_generation = r.u32();
  const uint32_t count = r.u32();
  if (magic != kMagic && magic != kMagicNoVoters) return std::nullopt;
  if (!r.ok() || count > kNodesMax || count > r.left() / 4) return std::nullopt;
  for (uint32_t i = 0; i < count; ++i) s.decided_members.push_back(r.u32());
  if (magic == kMagic) s.voters = pnns_of(r.bytes(sizeof(Bits)));
  const uint32_t sum = r.u32();
  if (!r.done() || sum != jenkins_hash(bytes.first(bytes.size() - 4))) return std::nullopt;
  return s;
}

}  // namespace ctdb
