// SPDX-License-Identifier: GPL-3.0-or-later
// What tests of functions on records share: three stores, and calls of their native clients.
#ifndef TESTS_UNIT_STORE_FUNCTIONS_FIXTURE_H_
#define TESTS_UNIT_STORE_FUNCTIONS_FIXTURE_H_

#include <gtest/gtest.h>

#include "libctdbipc/wire/record_functions.h"
#include "tests/unit/store/store_world.h"

namespace ctdb::test {

inline constexpr uint32_t kFunctionCaller = 5;

class Functions : public ::testing::Test {
 protected:
  Functions() : w(3) {
    w.recover(10, CTDB_INVALID_GENERATION, {0, 1, 2});
    w.attach(0);
  }
  void call(uint32_t pnn, uint32_t reqid, std::string_view key, uint32_t callid, ByteView argument,
            uint32_t flags = 0, bool via_router = false) {
    Bytes packet;
    build(packet, {0, 0, 0, 0, 0, reqid}, ReqCall{flags, kDbId, callid, 0, as_bytes(key), argument});
    if (via_router) {
      w.store(pnn).on_router_packet(kFunctionCaller, packet, w.now());
    } else {
      w.store(pnn).on_client_packet(kFunctionCaller, packet, w.now());
    }
    w.collect();
  }
  void add(uint32_t pnn, uint32_t reqid, std::string_view key, int64_t amount = 1, uint32_t flags = 0) {
    uint8_t argument[8];
    store(argument, amount);
    call(pnn, reqid, key, CTDB_FUNC_ADD, argument, flags);
  }
  // nullopt: not answered.
  std::optional<int32_t> status(uint32_t pnn, uint32_t reqid) {
    const auto reply = w.answer(pnn, kFunctionCaller, reqid);
    if (!reply) return std::nullopt;
    result = to_bytes(reply->data);
    return reply->status;
  }
  std::optional<int64_t> added(uint32_t pnn, uint32_t reqid) {
    const auto told = status(pnn, reqid);
    if (told != CTDB_FUNC_STATUS_DONE || result.size() != 8) return std::nullopt;
    return load<int64_t>(result.data());
  }
  int64_t add_now(uint32_t pnn, std::string_view key, int64_t amount = 1) {
    add(pnn, 99, key, amount);
    w.pass(2 * kMillisecond);
    return added(pnn, 99).value_or(-1000);
  }
  void take(uint32_t pnn, std::string_view key) {
    w.call(pnn, 6, 1, key);
    w.pass(2 * kMillisecond);
    ASSERT_TRUE(w.answered(pnn, 6, 1));
  }
  int64_t counter(uint32_t pnn, std::string_view key) {
    const auto data = w.data(pnn, key);
    return data && data->size() == 8 ? load<int64_t>(reinterpret_cast<const uint8_t*>(data->data())) : 0;
  }
  std::string text() const { return std::string(as_text(result)); }
  static std::string counter_bytes(int64_t value) {
    std::string bytes(8, '\0');
    store(reinterpret_cast<uint8_t*>(bytes.data()), value);
    return bytes;
  }
  uint64_t run_by(uint32_t pnn) { return w.store(pnn).counts().functions_run; }

  World w;
  Bytes result;
};

}  // namespace ctdb::test

#endif  // TESTS_UNIT_STORE_FUNCTIONS_FIXTURE_H_
