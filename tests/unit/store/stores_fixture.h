// SPDX-License-Identifier: GPL-3.0-or-later
// Stores that have opened generation 10 together, with one database, and clients that take records and look at them.
#ifndef CTDB_TESTS_UNIT_STORE_STORES_FIXTURE_H_
#define CTDB_TESTS_UNIT_STORE_STORES_FIXTURE_H_

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/unit/store/store_world.h"

namespace ctdb::test {

class StoresTest : public ::testing::Test {
 protected:
  explicit StoresTest(uint32_t nodes = 3, uint32_t chains = 64) : w(nodes, chains) {}
  void start(const std::vector<uint32_t>& members = {0, 1, 2}) {
    w.recover(10, CTDB_INVALID_GENERATION, members);
    w.attach(members[0]);
  }
  // Fetch-lock by a client that does its work at once; its hold is over, too.
  void take(uint32_t pnn, std::string_view key, std::string_view data) {
    w.call(pnn, 5, 1, key);
    w.pass(kMillisecond);
    ASSERT_TRUE(w.answered(pnn, 5, 1));
    ASSERT_TRUE(w.write(pnn, key, data));
    w.pass(2 * kMillisecond);
  }
  std::string fetch(uint32_t pnn, std::string_view key) {
    w.call(pnn, 6, 2, key, CTDB_FUNC_FETCH);
    w.pass(kMillisecond);
    const auto reply = w.answer(pnn, 6, 2);
    return reply ? std::string(as_text(reply->data)) : "no answer";
  }
  World w;
};

}  // namespace ctdb::test

#endif  // CTDB_TESTS_UNIT_STORE_STORES_FIXTURE_H_
