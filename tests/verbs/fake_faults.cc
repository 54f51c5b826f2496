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
  world.gid_index = world.infiniband ? 0 : 1;  // a fabric's address is always the first
}
void fake_verbs_set_ports(int count) {
  const Lock lock;
  world.ports = count;
}
ibv_gid fake_verbs_gid(int device, int port) {
  const Lock lock;
  return gid_of(&world.devices[device], static_cast<uint8_t>(port));
}
void fake_verbs_split_subnet() {
  const Lock lock;
  world.first_subnet = 0x81;
}
fake_verbs_path fake_verbs_last_path(int device) {
  const Lock lock;
  fake_verbs_path path{};
  for (const auto& [number, pair] : world.pairs) {
    if (context_of(pair->context)->fake->index == device)
      path = {pair->port, pair->partition_index, pair->route};
  }
  return path;
}
void fake_verbs_move_lid(int device) {
  const Lock lock;
  world.devices[device].lid_moved += 0x100;
  fake_verbs_raise(device, IBV_EVENT_LID_CHANGE);
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
