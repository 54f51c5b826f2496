// SPDX-License-Identifier: GPL-3.0-or-later
// Faults, and what happened.
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "tests/verbs/fake_world.h"

using namespace fake_verbs;

extern "C" {

fake_verbs_counts fake_verbs_counts_now() {
  const Lock lock;
  world.counts.contexts = world.contexts.size();
  world.counts.pairs = world.pairs.size();
  return world.counts;
}
void fake_verbs_reset() {
  const Lock lock;
  world = World{};
  for (int i = 0; i < kDevicesMax; ++i) {
    world.devices[i].index = i;
    std::snprintf(world.devices[i].name, sizeof world.devices[i].name, "fake%d", i);
  }
}
void fake_verbs_set_devices(int count, int infiniband) {
  const Lock lock;
  world.count = count;
  world.infiniband = infiniband != 0;
}
void fake_verbs_lose_file(int device) {
  const Lock lock;
  std::snprintf(world.devices[device].dev_name, sizeof world.devices[device].dev_name, "uverbs-lost");
}
void fake_verbs_hold(int held) {
  const Lock lock;
  world.held = held != 0;
  if (world.held) return;
  world.failing = IBV_WC_SUCCESS;
  deliver_waiting();
}
void fake_verbs_fail_sends(ibv_wc_status status) {
  const Lock lock;
  world.failing = status;
  deliver_waiting();
}
void fake_verbs_fail_next_receive(int device, ibv_wc_status status) {
  const Lock lock;
  world.devices[device].next_receive = status;
}
void fake_verbs_tamper(size_t (*tamper)(uint8_t*, size_t)) {
  const Lock lock;
  world.tamper = tamper;
}
void fake_verbs_raise(int device, ibv_event_type type) {
  const Lock lock;
  const bool of_pair = type == IBV_EVENT_QP_FATAL || type == IBV_EVENT_QP_REQ_ERR ||
                       type == IBV_EVENT_QP_ACCESS_ERR || type == IBV_EVENT_QP_LAST_WQE_REACHED;
  for (Context* context : world.contexts) {
    if (context->fake->index != device) continue;
    if (!of_pair) raise_event(context, type, nullptr);
    for (auto& [number, pair] : world.pairs) {
      if (of_pair && pair->context == context) raise_event(context, type, pair);
    }
  }
}
void fake_verbs_set_port(int device, int up) {
  const Lock lock;
  world.devices[device].up = up != 0;
  fake_verbs_raise(device, up != 0 ? IBV_EVENT_PORT_ACTIVE : IBV_EVENT_PORT_ERR);
}
void fake_verbs_break(const char* call, int error) {
  const Lock lock;
  world.broken[call] = error;
}
void fake_verbs_hold_connects(int held) {
  const Lock lock;
  world.connects_held = held != 0;
  connects_let_go.notify_all();
}
void fake_verbs_tell_last_receive(int told) {
  const Lock lock;
  world.last_receive_told = told != 0;
}
// clang-format off
void fake_verbs_set_inline_max(uint32_t bytes) { world.inline_max = bytes; }
void fake_verbs_set_cq_max(int entries) { world.cq_max = entries; }
void fake_verbs_move_gid(uint32_t index) { world.gid_index = index; }
// clang-format on

}  // extern "C"
