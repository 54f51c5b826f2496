// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbipc/ring/half_packets.h"

#include <sys/mman.h>

#include <algorithm>
#include <array>

namespace ctdb {
namespace {

// In Layout::next. Anything else is the next block of the same part, + 1.
constexpr uint32_t kFree = 0, kEnd = 0xFFFFFFFF;
// Blocks that may stay with nobody in them.
constexpr uint32_t kBlocksKept = 2048;

}  // namespace

struct HalfPackets::Layout {
  std::array<HalfPacket, kSlots> slots;
  std::array<uint32_t, kBlocks> next;
  std::array<std::array<uint8_t, kBlockBytes>, kBlocks> blocks;
};

Result<UniqueFd> HalfPackets::create() {
  return SealedMemory::create("ctdb-half-packets", sizeof(Layout));
}

Result<std::unique_ptr<HalfPackets>> HalfPackets::map(int fd) {
  static_assert(std::is_standard_layout_v<Layout> && offsetof(Layout, blocks) % kBlockBytes == 0);
  Result<SealedMemory> memory = SealedMemory::map(fd, sizeof(Layout), sizeof(Layout));
  if (!memory) return fail(std::move(memory.error()).in("half packets of clients"));
  return std::unique_ptr<HalfPackets>(new HalfPackets(std::move(*memory)));
}

HalfPackets::Layout& HalfPackets::layout() const {
  return *reinterpret_cast<Layout*>(memory_.data());
}

bool HalfPackets::keep(uint32_t slot, const Unfinished& unfinished) {
  HalfPacket& half = layout().slots[slot];
  const bool kept =
      keep(half.in, unfinished.in_at, unfinished.in) && keep(half.out, unfinished.out_at, unfinished.out);
  if (!kept) clear(slot);
  return kept;
}

void HalfPackets::clear(uint32_t slot) {
  clear(layout().slots[slot].in);
  clear(layout().slots[slot].out);
}

// Mostly more of the same has come, or some of it has gone.
bool HalfPackets::keep(StreamPart& part, uint64_t at, ByteView bytes) {
  const bool same = at >= part.at && at <= part.at + part.bytes && part.at + part.bytes <= at + bytes.size();
  if (!same) clear(part);
  if (part.bytes == 0) part.at = at;
  drop_front(part, at - part.at);
  return append(part, bytes.subspan(part.bytes));
}

bool HalfPackets::append(StreamPart& part, ByteView bytes) {
  while (!bytes.empty()) {
    const size_t used = (part.skip + part.bytes) % kBlockBytes;
    if (part.first == 0 || used == 0) {
      const uint32_t block = take_block();
      if (block == 0) return false;
      (part.first == 0 ? part.first : layout().next[part.last - 1]) = block;
      part.last = block;
    }
    const size_t now = std::min(kBlockBytes - used, bytes.size());
    std::copy_n(bytes.begin(), now, layout().blocks[part.last - 1].begin() + static_cast<ptrdiff_t>(used));
    part.bytes += now;
    bytes = bytes.subspan(now);
  }
  return true;
}

void HalfPackets::drop_front(StreamPart& part, uint64_t bytes) {
  if (bytes == 0) return;
  if (bytes == part.bytes) {
    const uint64_t at = part.at + bytes;
    clear(part);
    part.at = at;
    return;
  }
  part.at += bytes;
  part.bytes -= bytes;
  for (bytes += part.skip; bytes >= kBlockBytes; bytes -= kBlockBytes) {
    const uint32_t gone = part.first;
    part.first = layout().next[gone - 1];
    give_back(gone);
  }
  part.skip = static_cast<uint32_t>(bytes);
}

void HalfPackets::clear(StreamPart& part) {
  while (part.first != 0) {
    const uint32_t gone = part.first;
    part.first = gone == part.last ? 0 : layout().next[gone - 1];
    give_back(gone);
  }
  part = {};
}

uint32_t HalfPackets::take_block() {
  std::array<uint32_t, kBlocks>& next = layout().next;
  for (uint32_t tried = 0; tried < kBlocks; ++tried) {
    const uint32_t block = cursor_;
    cursor_ = (cursor_ + 1) % kBlocks;
    if (next[block] != kFree) continue;
    next[block] = kEnd;
    used_most_ = std::max(used_most_, ++used_);
    return block + 1;
  }
  return 0;
}

void HalfPackets::give_back(uint32_t block) {
  layout().next[block - 1] = kFree;
  if (--used_ > 0) return;
  cursor_ = 0;
  if (used_most_ > kBlocksKept) madvise(&layout().blocks, sizeof(Layout::blocks), MADV_REMOVE);
  used_most_ = 0;
}

std::optional<HalfPackets::Kept> HalfPackets::read(uint32_t slot) const {
  if (slot >= kSlots) return std::nullopt;
  std::optional<Bytes> in = read(layout().slots[slot].in, kPacketBytesMax);
  std::optional<Bytes> out = read(layout().slots[slot].out, kClientSendQueueBytesMax);
  if (!in || !out) return std::nullopt;
  return Kept{std::move(*in), std::move(*out)};
}

std::optional<Bytes> HalfPackets::read(const StreamPart& part, size_t bytes_max) const {
  Bytes all;
  const size_t bytes = part.bytes;
  size_t skip = part.skip;
  if (bytes > bytes_max || skip >= kBlockBytes) return std::nullopt;
  all.reserve(bytes);
  for (uint32_t block = part.first; all.size() < bytes; block = layout().next[block - 1]) {
    if (block == 0 || block > kBlocks) return std::nullopt;
    const ByteView here = ByteView(layout().blocks[block - 1]).subspan(skip);
    const ByteView wanted = here.first(std::min(here.size(), bytes - all.size()));
    all.insert(all.end(), wanted.begin(), wanted.end());
    skip = 0;
  }
  return all;
}

}  // namespace ctdb
