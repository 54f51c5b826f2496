// SPDX-License-Identifier: GPL-3.0-or-later
// Devices without links: what is asked of the fake ones and of a kernel's alike.
#ifndef CTDB_TESTS_UNIT_ROUTER_VERBS_DEVICES_H_
#define CTDB_TESTS_UNIT_ROUTER_VERBS_DEVICES_H_

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "ctdb-router/transport/verbs/verbs_device.h"
#include "tests/unit/router/transport_world.h"

namespace ctdb::test {

// One with a loop of its own, and what it said.
class LoneDevice final : public VerbsDeviceEvents {
 public:
  LoneDevice(const VerbsConfig& config, const std::string& address) {
    Result<std::unique_ptr<EventLoop>> made = EventLoop::create();
    EXPECT_TRUE(made);
    loop = std::move(*made);
    loop->add_flush_hook([this] {
      if (++rounds_ == kRoundsPerTurn) loop->stop();
    });
    loop->add_idle_hook([] { return true; });
    Result<VerbsContext> context = choose_device(config, {address});
    EXPECT_TRUE(context) << context.error().text();
    from = *find_address(context->get(), config, {address});
    Result<std::unique_ptr<VerbsDevice>> opened = VerbsDevice::open(std::move(*context), 1, *loop, *this);
    EXPECT_TRUE(opened) << opened.error().text();
    device = std::move(*opened);
  }
  void turn() {
    rounds_ = 0;
    EXPECT_TRUE(loop->run());
  }
  bool make_pair() {
    const Result<QueuePair> made = device->create(from);
    if (made) mine = *made;
    return made.has_value();
  }
  bool send(size_t bytes) {
    const Bytes payload(bytes, 0x5a);
    return device->post(mine.number, {ChunkKind::kData, sent, 0, 0}, payload, {.signalled = true}) &&
           ++sent > 0;
  }

  void on_chunk(uint32_t, ByteView chunk) override {
    ++chunks;
    intact = intact && chunk[chunk.size() - 1] == 0x5a;
  }
  void on_sent(uint32_t, uint64_t sequence) override { left = sequence + 1; }
  void on_connected(uint32_t, const std::string& why_not) override {
    connected = true;
    why += why_not;
  }
  void on_pair_failed(uint32_t, const std::string& text) override { why += text; }
  void on_port_up() override {}
  void on_device_failed(const std::string& text) override { why += text; }

  std::unique_ptr<EventLoop> loop;
  std::unique_ptr<VerbsDevice> device;
  VerbsAddress from;
  QueuePair mine;
  uint64_t sent = 0, left = 0, chunks = 0;
  bool connected = false, intact = true;
  std::string why;

 private:
  int rounds_ = 0;
};

inline void join(LoneDevice& a, LoneDevice& b) {
  ASSERT_TRUE(a.make_pair() && b.make_pair());
  ASSERT_TRUE(a.device->connect(a.mine, b.mine));
  ASSERT_TRUE(b.device->connect(b.mine, a.mine));
  ASSERT_TRUE(turn_until({}, [&] { return a.turn(), b.turn(), a.connected && b.connected; }));
  ASSERT_EQ(a.why + b.why, "");
}

// Sends without regard for credits, while the other side does not look.
inline void send_many(LoneDevice& from, uint64_t count) {
  const uint64_t end = from.sent + count;
  ASSERT_TRUE(turn_until({}, [&] {
    while (from.sent < end && from.sent - from.left < kChunkWindow && from.send(100)) {
    }
    from.device->poll();
    from.turn();
    return from.left == end;
  })) << from.why;
}

// The limit of the receive queue is told each time, and nothing is lost.
inline void expect_low_receive_queue_is_told(LoneDevice& a, LoneDevice& b) {
  join(a, b);
  for (uint64_t time = 1; time <= 2; ++time) {
    send_many(b, kChunkWindow + kChunkWindow / 2 + 4);
    ASSERT_TRUE(turn_until({}, [&] { return a.turn(), a.device->receives_low() == time; })) << time;
    ASSERT_TRUE(turn_until({}, [&] { return a.turn(), a.chunks == b.sent; })) << a.chunks << " of " << b.sent;
  }
  EXPECT_EQ(a.why + b.why, "");
}

// "NAME: value" of what the kernel says of the largest mapping that children do not get: the registered memory. Empty: there is none.
inline std::string memory_not_inherited(const std::string& name) {
  std::ifstream maps("/proc/self/smaps");
  std::string line, value, found;
  long size = 0, largest = 0;
  while (std::getline(maps, line)) {
    std::istringstream words(line);
    std::string key, first;
    words >> key >> first;
    if (key == "Size:") size = atol(first.c_str());
    if (key == name + ":") value = first;
    if (key != "VmFlags:" || line.find(" dc") == std::string::npos || size <= largest) continue;
    largest = size;
    found = value;
  }
  return found;
}

// A child that was forked while the device is in use, and writes wherever it can, disturbs nothing.
inline void expect_children_do_no_harm(LoneDevice& a, LoneDevice& b) {
  join(a, b);
  EXPECT_NE(memory_not_inherited("KernelPageSize"), "");
  int go[2];
  ASSERT_EQ(pipe(go), 0);
  const pid_t child = fork();
  if (child == 0) {
    char byte = 0;
    close(go[1]);
    (void)!read(go[0], &byte, 1);
    _exit(memory_not_inherited("KernelPageSize").empty() ? 0 : 1);
  }
  close(go[0]);
  send_many(b, 20);  // into pages that a child would have made read-only or somebody else's
  ASSERT_TRUE(turn_until({}, [&] { return a.turn(), a.chunks == b.sent; })) << a.chunks;
  close(go[1]);
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0) << "a child has the device's memory";
  send_many(b, 20);
  ASSERT_TRUE(turn_until({}, [&] { return a.turn(), a.chunks == b.sent; })) << a.chunks;
  EXPECT_TRUE(a.intact);
  EXPECT_EQ(a.why + b.why, "");
}

}  // namespace ctdb::test

#endif  // CTDB_TESTS_UNIT_ROUTER_VERBS_DEVICES_H_
