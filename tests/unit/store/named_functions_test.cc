// SPDX-License-Identifier: GPL-3.0-or-later
// Functions of plug-ins as the store's core runs them: where, which one, and what becomes of those that are not there or break their
// contract.
#include "ctdb-store/core/named_functions.h"

#include "tests/unit/store/functions_fixture.h"

namespace ctdb::test {
namespace {

// What plug-ins have, on nodes that have it.
struct OwnFunctions : NamedFunctions {
  bool run(std::string_view name, const Input& input, FunctionOutcome& outcome) override {
    outcome = {};
    seen = std::string(input.database) + ":" + std::string(as_text(input.key)) + ":" +
           std::to_string(input.value_bytes_max);
    if (name == "replace") {
      outcome.changed = true;
      outcome.value = to_bytes(input.argument);
      outcome.result = to_bytes(input.value);
    } else if (name == "broken") {
      refuse_function(outcome, CTDB_FUNC_STATUS_FAULT, "function 'broken' broke its contract: it returned 7");
    } else {
      return false;
    }
    return true;
  }
  std::string seen;
};

class OfPlugins : public Functions {
 protected:
  OfPlugins() {
    for (uint32_t pnn : {0u, 1u}) {  // node 2 has none
      w.stop(pnn);
      w.node(pnn).functions = &functions_;
      w.start(pnn);
    }
    w.recover(20, 10, {0, 1, 2});
    w.attach(0);
  }
  int32_t call_named(uint32_t pnn, std::string_view key, std::string_view name, std::string_view argument) {
    call(pnn, 98, key, CTDB_FUNC_NAMED, encode_named_call({name, as_bytes(argument)}));
    w.pass(2 * kMillisecond);
    return status(pnn, 98).value_or(-1000);
  }
  OwnFunctions functions_;
};

TEST_F(OfPlugins, RunAtTheOwnerAndTheRecordStays) {
  const std::string key = w.key_of(1);
  take(0, key);
  EXPECT_EQ(call_named(2, key, "replace", "one"), CTDB_FUNC_STATUS_DONE);
  EXPECT_EQ(text(), "");
  EXPECT_EQ(call_named(0, key, "replace", "two"), CTDB_FUNC_STATUS_DONE);
  EXPECT_EQ(text(), "one");
  EXPECT_EQ(w.data(0, key), "two");
  EXPECT_EQ(w.owners(key), std::vector<uint32_t>{0});
  EXPECT_EQ(functions_.seen, "test.tdb:" + key + ":" + std::to_string(kValueBytesMax));
}

TEST_F(OfPlugins, ThatTheOwnerLacksAreNamedWithItsNode) {
  const std::string key = w.key_of(0);
  take(1, key);
  EXPECT_EQ(call_named(0, key, "other", ""), CTDB_FUNC_STATUS_NO_FUNCTION);
  EXPECT_EQ(text(), "node 1 has no function 'other' ([database] functions of its ctdb.conf)");
  take(2, key);
  EXPECT_EQ(call_named(0, key, "replace", ""), CTDB_FUNC_STATUS_NO_FUNCTION);
  EXPECT_EQ(text(), "node 2 has no function 'replace' ([database] functions of its ctdb.conf)");
  EXPECT_EQ(call_named(0, key, "no name", ""), CTDB_FUNC_STATUS_BAD_ARGUMENT);
}

TEST_F(OfPlugins, ThatBreakTheirContractChangeNothingAndAreToldOnce) {
  const std::string key = w.key_of(0);
  take(1, key);
  ASSERT_TRUE(w.write(1, key, "data"));
  w.node(1).logs.clear();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(call_named(0, key, "broken", ""), CTDB_FUNC_STATUS_FAULT);
  EXPECT_EQ(text(), "function 'broken' broke its contract: it returned 7");
  EXPECT_EQ(w.data(1, key), "data");
  EXPECT_EQ(w.store(1).counts().functions_faulty, 3u);
  EXPECT_EQ(w.node(1).logs.size(), 1u);
}

}  // namespace
}  // namespace ctdb::test
