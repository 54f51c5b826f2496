// SPDX-License-Identifier: GPL-3.0-or-later
// A ring whose other side wrote whatever it liked, on plain memory: first what a reader makes of it, then a writer.
// Input: four u16 (start, tail, head, size of a push) in units of 16 bytes where they are positions, then ring data.
#include <algorithm>
#include <memory>

#include "libctdbipc/ring/spsc_ring.h"
#include "tests/fuzz/fuzz_input.h"

namespace {

constexpr size_t kSize = 4096;

struct Ring {
  ctdb::RingControl control{};
  alignas(16) uint8_t data[kSize] = {};
};

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ctdb::Reader input({data, size});
  const uint64_t start = input.u16() * uint64_t{16};
  const uint16_t tail = input.u16();
  const uint16_t head = input.u16();
  const size_t push = input.u16() % 3000;
  auto ring = std::make_unique<Ring>();
  const ctdb::ByteView bytes = input.bytes(std::min(input.left(), kSize));
  std::copy(bytes.begin(), bytes.end(), ring->data);
  ring->control.head = start;
  ring->control.tail = start;
  ctdb::RingConsumer consumer(&ring->control, {ring->data, kSize});
  ctdb::RingProducer producer(&ring->control, {ring->data, kSize});
  // An odd number is a position nobody aligned.
  ring->control.tail = (tail & 1) != 0 ? tail : start + tail * uint64_t{16};
  uint32_t endpoint;
  uint32_t flags;
  bool more;
  ctdb::Bytes packet;
  for (int i = 0; i < 1000; ++i) {
    packet.clear();
    if (!consumer.pop(endpoint, flags, packet, more)) break;
    FUZZ_CHECK(!packet.empty() && packet.size() <= kSize / 2);
    if (i % 3 == 0) consumer.release();
  }
  FUZZ_CHECK(!consumer.readable() || consumer.fault() != ctdb::RingFault::kNone);
  ring->control.head = (head & 1) != 0 ? head : start + head * uint64_t{16};
  for (int i = 0; i < 100; ++i) {
    const size_t space = producer.space();
    const auto outcome = producer.push(1, 2, ctdb::Bytes(push, 3));
    if (producer.fault() != ctdb::RingFault::kNone) break;
    FUZZ_CHECK((outcome == ctdb::RingProducer::Outcome::kOk) == (push > 0 && push <= space));
    if (outcome != ctdb::RingProducer::Outcome::kOk) break;
  }
  return 0;
}
