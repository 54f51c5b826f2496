// SPDX-License-Identifier: GPL-3.0-or-later
// A whole segment as a hostile peer may hand it over: mapped, validated, read and written through a Channel. Input: u8
// seals and side, then the bytes of the segment from its start; u16-counted blocks go to the header page, the
// control page and the rings.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>

#include "libctdbipc/ring/channel.h"
#include "libctdbipc/ring/ring_layout.h"
#include "tests/fuzz/fuzz_input.h"

namespace {

constexpr size_t kRing = 4096;
constexpr off_t kWhole = ctdb::kRingDataOffset + 2 * kRing;

// Writes a counted block of the input at `offset`.
void put_block(int fd, ctdb::Reader& input, size_t offset) {
  const size_t size = std::min<size_t>(input.u16() % 4097, input.left());
  const ctdb::ByteView block = input.bytes(size);
  if (!block.empty()) FUZZ_CHECK(pwrite(fd, block.data(), block.size(), static_cast<off_t>(offset)) >= 0);
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ctdb::Reader input({data, size});
  const uint8_t how = input.u8();
  ctdb::ChannelFds fds;
  fds.segment.reset(memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  FUZZ_CHECK(fds.segment.valid() && ftruncate(fds.segment.get(), kWhole + ((how & 4) != 0 ? 1 : 0)) == 0);
  ctdb::SegmentHeader header{};
  header.magic = ctdb::kSegmentMagic;
  header.ring_bytes = kRing;
  header.version = ctdb::kSegmentVersion;
  FUZZ_CHECK(pwrite(fds.segment.get(), static_cast<const void*>(&header), sizeof header, 0) > 0);
  if ((how & 2) != 0) put_block(fds.segment.get(), input, 0);
  put_block(fds.segment.get(), input, ctdb::kRingControlOffset);
  put_block(fds.segment.get(), input, ctdb::kRingControlOffset + ctdb::kRingControlStride);
  put_block(fds.segment.get(), input, ctdb::kRingDataOffset);
  put_block(fds.segment.get(), input, ctdb::kRingDataOffset + kRing);
  const int seals = F_SEAL_SHRINK | F_SEAL_GROW | ((how & 8) != 0 ? 0 : F_SEAL_SEAL);
  FUZZ_CHECK(fcntl(fds.segment.get(), F_ADD_SEALS, seals) == 0);
  auto channel = ctdb::Channel::open(std::move(fds), static_cast<ctdb::ChannelSide>(how & 1));
  if (!channel) return 0;
  size_t packets = 0;
  for (; packets < 1000; ++packets) {
    const auto frame = (*channel)->pop();
    if (!frame) break;
    FUZZ_CHECK(!frame->packet.empty() && frame->packet.size() <= ctdb::kPacketBytesMax);
    if (packets % 4 == 0) (*channel)->flush();
  }
  FUZZ_CHECK(packets <= 2 * kRing / 32);
  (void)(*channel)->push({1, 2}, ctdb::Bytes(100, 1));
  (void)(*channel)->push({1, 2}, ctdb::Bytes(5000, 1));
  (void)(*channel)->push({1, 2}, ctdb::Bytes(100, 1));
  (*channel)->flush();
  if ((*channel)->arm()) FUZZ_CHECK(!(*channel)->pop());
  (*channel)->disarm();
  FUZZ_CHECK((*channel)->dead() == ((*channel)->fault()[0] != '\0'));
  return 0;
}
