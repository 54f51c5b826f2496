// SPDX-License-Identifier: GPL-3.0-or-later
// What the client tests share: a fake node, a client connected to it, and blobs from text.
#ifndef TESTS_UNIT_CLIENT_CLIENT_TEST_H_
#define TESTS_UNIT_CLIENT_CLIENT_TEST_H_

#include <gtest/gtest.h>
#include <poll.h>

#include <string>
#include <string_view>
#include <utility>

#include "libctdbipc/include/ctdb.h"
#include "tests/unit/client/fake_node.h"

namespace ctdb::test {

inline constexpr int kPatience = 120000;  // ms; never reached when all is well

inline ctdb_blob blob_of(std::string_view text) {
  return {text.data(), text.size()};
}
inline std::string text_of(ctdb_blob blob) {
  return blob.size == 0 ? std::string() : std::string(static_cast<const char*>(blob.data), blob.size);
}

class ClientTest : public testing::Test {
 protected:
  ~ClientTest() override { ctdb_disconnect(client); }
  void TearDown() override {
    if (node == nullptr) return;
    EXPECT_EQ(node->seen().wrong, 0u) << "the script of the fake node saw something wrong";
  }

  void start(FakeNode::Script script = {}, FakeNode::Command on_command = {}, bool without_store = false) {
    node = std::make_unique<FakeNode>(std::move(script), std::move(on_command), without_store);
    ASSERT_EQ(ctdb_connect(node->setup_socket().c_str(), kPatience, &client), 0) << ctdb_error_text(nullptr);
  }
  void start_attached(FakeNode::Script script = {}, FakeNode::Command on_command = {}) {
    start(std::move(script), std::move(on_command));
    ASSERT_EQ(ctdb_attach(client, "test.tdb", 0, kPatience, &db), 0) << ctdb_error_text(client);
  }
  bool fd_ready(int timeout_ms = 0) const {
    pollfd waiting{ctdb_fd(client), static_cast<short>(ctdb_events(client)), 0};
    return poll(&waiting, 1, timeout_ms) == 1;
  }
  // As an event loop does: sleep on the descriptor, service, until the condition holds.
  bool loop_until(const std::function<bool()>& condition) {
    for (int i = 0; i < 100000; ++i) {
      if (condition()) return true;
      if (!fd_ready(kPatience)) return false;
      ctdb_service(client, 0);
    }
    return false;
  }
  ctdb_stats stats() const {
    ctdb_stats values{};
    ctdb_get_stats(client, &values, sizeof values);
    return values;
  }

  std::unique_ptr<FakeNode> node;
  ctdb_client* client = nullptr;
  ctdb_db* db = nullptr;
};

}  // namespace ctdb::test

#endif  // TESTS_UNIT_CLIENT_CLIENT_TEST_H_
