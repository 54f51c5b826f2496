// SPDX-License-Identifier: GPL-3.0-or-later
// A client that sends controls to a node of a small cluster of stores.
#ifndef TESTS_UNIT_STORE_CONTROLS_FIXTURE_H_
#define TESTS_UNIT_STORE_CONTROLS_FIXTURE_H_

#include <gtest/gtest.h>

#include "tests/unit/store/store_world.h"

namespace ctdb::test {

inline constexpr uint32_t kClient = 30;

inline Bytes u32_bytes(uint32_t value) {
  Bytes out;
  Writer(out).u32(value);
  return out;
}

class Controls : public ::testing::Test {
 protected:
  Controls() : w(3) {}
  void start() {
    w.recover(10, CTDB_INVALID_GENERATION, {0, 1, 2});
    w.attach(0);
  }
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
  void take(uint32_t pnn, std::string_view key, std::string_view data) {
    w.call(pnn, 5, 1, key);
    w.pass(kMillisecond);
    ASSERT_TRUE(w.answered(pnn, 5, 1));
    ASSERT_TRUE(w.write(pnn, key, data));
    w.pass(kMillisecond);
  }
  World w;
  uint32_t reqid = 0;
};

}  // namespace ctdb::test

#endif  // TESTS_UNIT_STORE_CONTROLS_FIXTURE_H_
