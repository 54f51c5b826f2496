// SPDX-License-Identifier: GPL-3.0-or-later
// Input of the core targets: a sequence of events {u8 kind, u8 argument, u16 size, packet}. Packets get a right length,
// magic and version, as everything has that a shell hands to a core.
#ifndef TESTS_FUZZ_EVENT_INPUT_H_
#define TESTS_FUZZ_EVENT_INPUT_H_

#include <algorithm>

#include "libctdbipc/wire/packet.h"
#include "tests/fuzz/fuzz_input.h"

namespace ctdb {

struct FuzzEvent {
  uint8_t kind = 0;
  uint8_t argument = 0;
  Bytes packet;  // at least a header
};

class FuzzEvents {
 public:
  explicit FuzzEvents(ByteView input) : input_(input) {}

  // `align`: packets are made multiples of 8, as they are on links.
  bool next(FuzzEvent& event, bool align) {
    if (input_.left() < 4) return false;
    event.kind = input_.u8();
    event.argument = input_.u8();
    const size_t size = std::min<size_t>(input_.u16(), input_.left());
    event.packet = to_bytes(input_.bytes(size));
    event.packet.resize(std::max<size_t>(CTDB_HEADER_SIZE, event.packet.size()));
    if (align) event.packet.resize((event.packet.size() + 7) & ~size_t{7});
    uint8_t* at = event.packet.data();
    store(at + CTDB_OFF_LENGTH, static_cast<uint32_t>(event.packet.size()));
    store(at + CTDB_OFF_MAGIC, uint32_t{CTDB_MAGIC});
    store(at + CTDB_OFF_VERSION, uint32_t{CTDB_PROTOCOL_VERSION});
    return true;
  }

 private:
  Reader input_;
};

}  // namespace ctdb

#endif  // TESTS_FUZZ_EVENT_INPUT_H_
