// SPDX-License-Identifier: GPL-3.0-or-later
// One packet through every parser and decoder, printed, encoded again; what was encoded once must then stay the same.
#include "tests/fuzz/fuzz_input.h"
#include "tests/golden/describe.h"

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ctdb::Bytes packet(data, data + size);
  // Most inputs would fail at the length field: own up to the real one.
  if (size >= 4) ctdb::store(packet.data(), static_cast<uint32_t>(size));
  const std::string text = ctdb::describe(packet);
  FUZZ_CHECK(!text.empty());
  const std::optional<ctdb::Bytes> once = ctdb::rebuild(packet);
  if (!once) return 0;
  FUZZ_CHECK(once->size() <= size + 64);
  const std::optional<ctdb::Bytes> twice = ctdb::rebuild(*once);
  FUZZ_CHECK(twice && *twice == *once);
  return 0;
}
