// SPDX-License-Identifier: GPL-3.0-or-later
// A byte stream in pieces through FrameReader. Input: u8 policy and piece size, then the stream.
#include <algorithm>

#include "libctdbipc/base/limits.h"
#include "libctdbipc/wire/frame_reader.h"
#include "libctdbipc/wire/packet.h"
#include "tests/fuzz/fuzz_input.h"

using ctdb::FrameReader;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ctdb::Reader input({data, size});
  const uint8_t how = input.u8();
  ctdb::ByteView stream = input.bytes(input.left());
  const bool link = (how & 1) != 0;
  FrameReader reader(link ? FrameReader::Policy::kLink : FrameReader::Policy::kClient, ctdb::kPacketBytesMax);
  const size_t piece_max = (how & 2) != 0 ? 1 + how / 4u : 65536;
  size_t handed_out = 0;
  size_t fed = 0;
  while (!stream.empty()) {
    const ctdb::MutableBytes room = reader.room();
    FUZZ_CHECK(room.size() >= 4096);
    FUZZ_CHECK(room.size() <= std::max<size_t>(256u << 10, 4 * (fed + 65536)));
    const size_t piece = std::min({room.size(), stream.size(), piece_max});
    std::copy_n(stream.begin(), piece, room.begin());
    reader.received(piece);
    stream = stream.subspan(piece);
    fed += piece;
    ctdb::MutableBytes packet;
    FrameReader::Next next;
    while ((next = reader.next(packet)) == FrameReader::Next::kPacket) {
      FUZZ_CHECK(ctdb::check_header(packet) == ctdb::HeaderFault::kNone);
      FUZZ_CHECK(!link || packet.size() % 8 == 0);
      handed_out += packet.size();
    }
    FUZZ_CHECK(handed_out <= fed);
    if (next == FrameReader::Next::kFault) {
      FUZZ_CHECK(reader.fault()[0] != '\0');
      break;
    }
  }
  return 0;
}
