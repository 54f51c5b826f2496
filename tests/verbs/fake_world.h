// SPDX-License-Identifier: GPL-3.0-or-later
// What the fake devices are made of (fake_ibverbs.h). Everything is in one World; whoever enters the library takes its Lock, for a program may
// call from several threads.
#ifndef CTDB_TESTS_VERBS_FAKE_WORLD_H_
#define CTDB_TESTS_VERBS_FAKE_WORLD_H_

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "tests/verbs/fake_ibverbs.h"

#undef ibv_query_port
#undef ibv_reg_mr
#undef ibv_get_device_list

namespace fake_verbs {

constexpr int kDevicesMax = 4;
constexpr size_t kTamperRoom = 65536;
// Of all InfiniBand ports: the one partition that all are in, and another one.
constexpr uint16_t kPartitions[] = {0xffff, 0x8001};

struct Device : ibv_device {
  int index = 0;
  bool up = true;
  uint16_t lid_moved = 0;
  ibv_wc_status next_receive = IBV_WC_SUCCESS;
};

struct Channel : ibv_comp_channel {
  std::deque<ibv_cq*> events;
};
struct Queue : ibv_cq {
  std::deque<ibv_wc> done;
  int armed = 0;  // 1: for anything, 2: for what is solicited
};
struct Receives : ibv_srq {
  std::deque<ibv_recv_wr> posted;
  std::deque<ibv_sge> pieces;
  uint32_t room = 0;
  uint32_t limit = 0;
  uint64_t lost = 0;  // counted when the queue is used again
};
struct Region : ibv_mr {};
struct Pair : ibv_qp {
  uint32_t peer = 0;
  uint8_t port = 1;
  uint16_t partition_index = 0;
  ibv_ah_attr route{};
  uint32_t sends_max = 0, inline_max = 0;
  uint32_t outstanding = 0;  // as the sender has to reckon it: until a completion is polled
  std::deque<uint64_t> unreported;
};
struct Context : ibv_context {
  Device* fake = nullptr;
  std::deque<ibv_async_event> events;
  int event_fd = -1;
};

struct Message {
  uint32_t from = 0;
  uint64_t wr_id = 0;
  bool signalled = false, solicited = false;
  std::vector<uint8_t> bytes;
};

struct World {
  Device devices[kDevicesMax];
  int count = kDevicesMax;
  std::map<uint32_t, Pair*> pairs;
  std::set<Context*> contexts;
  std::set<Region*> regions;
  uint32_t next_number = 0x11;
  std::deque<Message> waiting;
  ibv_wc_status failing = IBV_WC_SUCCESS;
  size_t (*tamper)(uint8_t*, size_t) = nullptr;
  std::map<std::string, int> broken;
  uint32_t gid_index = 1;
  int ports = 1;                // of a device
  uint8_t first_subnet = 0x80;  // of device 0, the others are in 0x80
  bool held = false, connects_held = false, last_receive_told = true, infiniband = false;
  uint32_t inline_max = 256;
  int cq_max = 100000;
  fake_verbs_counts counts{};
};

extern World world;
extern bool fork_safe;  // once for the process
extern std::recursive_mutex world_mutex;
extern std::condition_variable_any connects_let_go;

class Lock {
 private:
  const std::lock_guard<std::recursive_mutex> lock_{world_mutex};
};

// The call of that name is to fail; errno says how.
bool broken(const char* call);
int misuse(int error);
void take_ring(int fd);
Context* context_of(ibv_context* context);
void raise_event(Context* context, ibv_event_type type, ibv_qp* pair);
void to_error(Pair* pair);
void deliver_waiting();
ibv_gid gid_of(const Device* device, uint8_t port);
uint16_t lid_of(const Device* device, uint8_t port);
void set_operations(ibv_context_ops& operations);

}  // namespace fake_verbs

#endif  // CTDB_TESTS_VERBS_FAKE_WORLD_H_
