// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-recoveryd/state_slot.h"

#include <algorithm>

#include "libctdbipc/base/hash.h"
#include "libctdbipc/wire/reader.h"

namespace ctdb {
namespace {

constexpr uint32_t kMagic = 0x31465352;  // "RSF1"

}  // namespace

Bytes StateSlot::encode() const {
  Bytes out;
  Writer w(out);
  w.u32(kMagic);
  w.u32(static_cast<uint32_t>(payload.size()));
  w.u64(sequence);
  w.bytes(payload);
  w.u32(jenkins_hash(out));
  return out;
}

std::optional<StateSlot> StateSlot::decode(ByteView bytes) {
  Reader r(bytes);
  StateSlot slot;
  const uint32_t magic = r.u32();
  const uint32_t size = r.u32();
  slot.sequence = r.u64();
  slot.payload = to_bytes(r.bytes(size));
  const size_t hashed = bytes.size() - r.left();
  const uint32_t sum = r.u32();
  if (!r.ok() || magic != kMagic || sum != jenkins_hash(bytes.first(hashed))) return std::nullopt;
  return slot;
}

std::optional<StateSlot> StateSlot::newest(ByteView pair) {
  std::optional<StateSlot> newest;
  for (size_t at = 0; at < pair.size(); at += kBytes) {
    std::optional<StateSlot> slot = decode(pair.subspan(at, std::min(kBytes, pair.size() - at)));
    if (slot && (!newest || slot->sequence > newest->sequence)) newest = std::move(slot);
  }
  return newest;
}

bool is_blank(ByteView bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](uint8_t byte) { return byte == 0; });
}

}  // namespace ctdb
