// SPDX-License-Identifier: GPL-3.0-or-later
// A router as ctdb-store sees it: the set-up socket, one channel to the store, channels of native clients. For tests
// of the program; everything waits for what must come, with a generous deadline.
#ifndef CTDB_TESTS_UNIT_STORE_FAKE_ROUTER_H_
#define CTDB_TESTS_UNIT_STORE_FAKE_ROUTER_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "libctdbipc/ring/channel.h"
#include "libctdbipc/ring/connection_states.h"
#include "libctdbipc/ring/node_page.h"
#include "libctdbipc/runtime/setup_socket.h"
#include "libctdbipc/wire/own_messages.h"
#include "libctdbipc/wire/packet.h"

namespace ctdb {

// Tries until `condition` is true; false when that takes for ever.
bool wait_until(const std::function<bool()>& condition);

class FakeRouter {
 public:
  explicit FakeRouter(const std::string& socket_path);
  ~FakeRouter();
  FakeRouter(const FakeRouter&) = delete;
  FakeRouter& operator=(const FakeRouter&) = delete;
  // What recoveryd does; at first the lease never ends.
  void set_lease(TimeNs until);
  NodePage& page() { return *page_; }

  // Waits for a store and answers it. `pnn`: who the router says it is.
  bool accept_store(uint32_t generation, uint32_t pnn = 0);
  // Ends the connection as the death of the router would.
  void hang_up();

  void send(uint32_t endpoint, ByteView packet);
  void send_own(Operation operation, ByteView payload);
  // Waits for the next packet from the store; empty: none came, or the store is gone.
  Bytes receive(uint32_t* endpoint = nullptr);
  // Waits for an operation of ours and skips others.
  Bytes receive_own(Operation operation);
  // Makes a generation of this node alone and opens it.
  bool open_generation(uint32_t generation, uint32_t base);
  // Sends a control in the name of client `endpoint`, returns the reply's status and data.
  std::optional<ReplyControl> control(uint32_t endpoint, Control opcode, ByteView data);

  // A native client: its end of the channel to the store.
  std::unique_ptr<Channel> attach_client(uint32_t endpoint);
  void detach_client(uint32_t endpoint);
  // Hands over the connection of a classic client; returns its shared state, nullptr: the store did not take it.
  const ConnectionSlot* hand_over(uint32_t endpoint, UniqueFd socket);

 private:
  const std::string directory_;
  std::unique_ptr<NodePage> page_;
  UniqueFd listener_;
  UniqueFd connection_;
  std::unique_ptr<Channel> channel_;
  std::unique_ptr<ConnectionStates> states_;
  Bytes packet_;
  Bytes reply_;
};

// A client's call and its answer.
void send_call(Channel& channel, uint32_t db_id, const std::string& key, uint32_t reqid);
// The reply packet; empty: none came.
Bytes receive_packet(Channel& channel);

}  // namespace ctdb

#endif  // CTDB_TESTS_UNIT_STORE_FAKE_ROUTER_H_
