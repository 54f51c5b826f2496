// SPDX-License-Identifier: GPL-3.0-or-later
// A client that sends controls to a node of a small cluster of stores.
#ifndef TESTS_UNIT_STORE_CONTROLS_FIXTURE_H_
#define TESTS_UNIT_STORE_CONTROLS_FIXTURE_H_

#include <gtest/gtest.h>

#include "tests/unit/store/stores_fixture.h"

namespace ctdb::test {

inline constexpr uint32_t kClient = 30;

inline Bytes u32_bytes(uint32_t value) {
  Bytes out;
  Writer(out).u32(value);
  return out;
}

class Controls : public StoresTest {
 protected:
  // Sends a client's control to its node and returns the answer.
  std::optional<ReplyControl> ask(Control opcode, ByteView data, uint32_t pnn = 0) {
    w.control(pnn, kClient, ++reqid, opcode, data);
    w.run();
    return w.control_answer(pnn, kClient, reqid);
  }
  int32_t status(Control opcode, ByteView data, uint32_t pnn = 0) {
    const auto reply = ask(opcode, data, pnn);
    return reply ? reply->status : 12345;
  }
  uint32_t reqid = 0;
};

}  // namespace ctdb::test

#endif  // TESTS_UNIT_STORE_CONTROLS_FIXTURE_H_
