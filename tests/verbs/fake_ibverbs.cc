// SPDX-License-Identifier: GPL-3.0-or-later
// The library.
#include <arpa/inet.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <utility>

#include "tests/verbs/fake_world.h"

using namespace fake_verbs;

extern "C" {

int ibv_fork_init() {
  const Lock lock;
  fork_safe = true;
  return 0;
}
ibv_device** ibv_get_device_list(int* count) {
  const Lock lock;
  if (world.devices[0].name[0] == 0) fake_verbs_reset();
  ++world.counts.lists;
  *count = world.count;
  auto** list = new ibv_device*[kDevicesMax + 1]();
  for (int i = 0; i < world.count; ++i) list[i] = &world.devices[i];
  return list;
}
void ibv_free_device_list(ibv_device** list) {
  delete[] list;
}
const char* ibv_get_device_name(ibv_device* device) {
  return device->name;
}
ibv_context* ibv_open_device(ibv_device* device) {
  const Lock lock;
  ++world.counts.opens;
  if (broken("ibv_open_device")) return nullptr;
  if (!fork_safe) return errno = misuse(EINVAL), nullptr;
  auto* context = new Context{};
  context->fake = static_cast<Device*>(device);
  context->device = device;
  context->event_fd = eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE);
  context->async_fd = context->event_fd;
  set_operations(context->ops);
  world.contexts.insert(context);
  return context;
}
int ibv_close_device(ibv_context* context) {
  const Lock lock;
  close(context_of(context)->event_fd);
  world.contexts.erase(context_of(context));
  delete context_of(context);
  return 0;
}
int ibv_query_device(ibv_context*, ibv_device_attr* out) {
  const Lock lock;
  *out = {};
  out->phys_port_cnt = static_cast<uint8_t>(world.ports);
  return 0;
}
int ibv_query_port(ibv_context* context, uint8_t port, _compat_ibv_port_attr* raw) {
  const Lock lock;
  if (port < 1 || port > world.ports || broken("ibv_query_port")) return EINVAL;
  auto* out = reinterpret_cast<ibv_port_attr*>(raw);
  out->state = context_of(context)->fake->up ? IBV_PORT_ACTIVE : IBV_PORT_DOWN;
  out->max_mtu = out->active_mtu = IBV_MTU_1024;
  out->gid_tbl_len = static_cast<int>(world.gid_index) + 1;
  out->link_layer = world.infiniband ? IBV_LINK_LAYER_INFINIBAND : IBV_LINK_LAYER_ETHERNET;
  out->lid = lid_of(context_of(context)->fake, port);
  out->pkey_tbl_len = world.infiniband ? std::size(kPartitions) : 1;
  return 0;
}
int ibv_query_pkey(ibv_context*, uint8_t, int index, __be16* out) {
  const Lock lock;
  const bool here = index >= 0 && index < (world.infiniband ? static_cast<int>(std::size(kPartitions)) : 1);
  if (here) *out = htons(kPartitions[index]);
  return here ? 0 : -1;
}
int ibv_query_gid(ibv_context* context, uint8_t port, int index, ibv_gid* out) {
  const Lock lock;
  const bool here = index == static_cast<int>(world.gid_index);
  *out = here ? gid_of(context_of(context)->fake, port) : ibv_gid{};
  return index > static_cast<int>(world.gid_index) ? EINVAL : 0;
}
int _ibv_query_gid_ex(ibv_context* context, uint32_t port, uint32_t index, ibv_gid_entry* out, uint32_t,
                      size_t) {
  const Lock lock;
  if (index > world.gid_index || (world.infiniband && index != world.gid_index)) return ENODATA;
  *out = {};
  out->gid = gid_of(context_of(context)->fake, static_cast<uint8_t>(port));
  out->gid_type = world.infiniband           ? IBV_GID_TYPE_IB
                  : index == world.gid_index ? IBV_GID_TYPE_ROCE_V2
                                             : IBV_GID_TYPE_ROCE_V1;
  return 0;
}
ibv_pd* ibv_alloc_pd(ibv_context* context) {
  const Lock lock;
  if (broken("ibv_alloc_pd")) return nullptr;
  return new ibv_pd{context, 0};
}
int ibv_dealloc_pd(ibv_pd* domain) {
  delete domain;
  return 0;
}
ibv_mr* ibv_reg_mr(ibv_pd* domain, void* start, size_t bytes, int) {
  const Lock lock;
  if (broken("ibv_reg_mr")) return nullptr;
  auto* region = new Region{};
  region->context = domain->context;
  region->addr = start;
  region->length = bytes;
  region->lkey = world.next_number++;
  world.regions.insert(region);
  return region;
}
ibv_mr* ibv_reg_mr_iova2(ibv_pd* domain, void* start, size_t bytes, uint64_t, unsigned access) {
  return ibv_reg_mr(domain, start, bytes, static_cast<int>(access));
}
int ibv_dereg_mr(ibv_mr* region) {
  const Lock lock;
  world.regions.erase(static_cast<Region*>(region));
  delete static_cast<Region*>(region);
  return 0;
}
ibv_comp_channel* ibv_create_comp_channel(ibv_context* context) {
  const Lock lock;
  if (broken("ibv_create_comp_channel")) return nullptr;
  auto* channel = new Channel{};
  channel->context = context;
  channel->fd = eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE);
  return channel;
}
int ibv_destroy_comp_channel(ibv_comp_channel* channel) {
  close(channel->fd);
  delete static_cast<Channel*>(channel);
  return 0;
}
ibv_cq* ibv_create_cq(ibv_context* context, int entries, void*, ibv_comp_channel* channel, int) {
  const Lock lock;
  errno = EINVAL;
  if (broken("ibv_create_cq") || entries > world.cq_max) return nullptr;
  auto* queue = new Queue{};
  queue->context = context;
  queue->channel = channel;
  queue->cqe = entries;
  return queue;
}
int ibv_destroy_cq(ibv_cq* queue) {
  delete static_cast<Queue*>(queue);
  return 0;
}
int ibv_get_cq_event(ibv_comp_channel* raw, ibv_cq** queue, void** context) {
  const Lock lock;
  auto* channel = static_cast<Channel*>(raw);
  ++world.counts.event_reads;
  errno = EAGAIN;
  if (channel->events.empty()) return -1;
  take_ring(channel->fd);
  ++world.counts.wakeups;
  *queue = channel->events.front();
  *context = nullptr;
  channel->events.pop_front();
  return 0;
}
void ibv_ack_cq_events(ibv_cq*, unsigned) {}
ibv_srq* ibv_create_srq(ibv_pd* domain, ibv_srq_init_attr* wanted) {
  const Lock lock;
  if (broken("ibv_create_srq")) return nullptr;
  auto* receives = new Receives{};
  receives->context = domain->context;
  receives->room = wanted->attr.max_wr;
  return receives;
}
int ibv_modify_srq(ibv_srq* srq, ibv_srq_attr* attributes, int mask) {
  const Lock lock;
  if (mask == IBV_SRQ_LIMIT) static_cast<Receives*>(srq)->limit = attributes->srq_limit;
  return 0;
}
int ibv_destroy_srq(ibv_srq* receives) {
  delete static_cast<Receives*>(receives);
  return 0;
}
ibv_qp* ibv_create_qp(ibv_pd* domain, ibv_qp_init_attr* wanted) {
  const Lock lock;
  errno = EINVAL;
  if (broken("ibv_create_qp") || wanted->cap.max_inline_data > world.inline_max) return nullptr;
  auto* pair = new Pair{};
  pair->context = domain->context;
  pair->srq = wanted->srq;
  pair->send_cq = wanted->send_cq;
  pair->recv_cq = wanted->recv_cq;
  pair->sends_max = wanted->cap.max_send_wr;
  pair->inline_max = wanted->cap.max_inline_data;
  pair->qp_num = world.next_number++;
  pair->state = IBV_QPS_RESET;
  world.pairs[pair->qp_num] = pair;
  return pair;
}
int ibv_modify_qp(ibv_qp* queue_pair, ibv_qp_attr* to, int) {
  std::unique_lock lock(world_mutex);
  if (to->qp_state == IBV_QPS_RTR) connects_let_go.wait(lock, [] { return !world.connects_held; });
  auto* pair = static_cast<Pair*>(queue_pair);
  if (to->qp_state == IBV_QPS_ERR) return to_error(pair), 0;
  if (broken("ibv_modify_qp")) return errno;
  const ibv_qp_state before = to->qp_state == IBV_QPS_INIT  ? IBV_QPS_RESET
                              : to->qp_state == IBV_QPS_RTR ? IBV_QPS_INIT
                                                            : IBV_QPS_RTR;
  if (pair->state != before) return misuse(EINVAL);
  pair->state = to->qp_state;
  if (to->qp_state == IBV_QPS_INIT) {
    pair->port = to->port_num;
    pair->partition_index = to->pkey_index;
  }
  if (to->qp_state == IBV_QPS_RTR) {
    pair->peer = to->dest_qp_num;
    pair->route = to->ah_attr;
  }
  return 0;
}
int ibv_destroy_qp(ibv_qp* queue_pair) {
  const Lock lock;
  auto* pair = static_cast<Pair*>(queue_pair);
  for (auto* queue : {static_cast<Queue*>(pair->send_cq), static_cast<Queue*>(pair->recv_cq)}) {
    static_cast<Receives*>(pair->srq)->lost +=
        static_cast<uint64_t>(std::erase_if(queue->done, [&](const ibv_wc& done) {
          return done.qp_num == pair->qp_num && done.opcode == IBV_WC_RECV;
        }));
  }
  std::erase_if(context_of(pair->context)->events, [&](const ibv_async_event& event) {
    const bool its_own = event.event_type != IBV_EVENT_PORT_ERR &&
                         event.event_type != IBV_EVENT_PORT_ACTIVE && event.element.qp == pair;
    if (its_own) take_ring(context_of(pair->context)->event_fd);
    return its_own;
  });
  world.pairs.erase(pair->qp_num);
  delete pair;
  return 0;
}
int ibv_get_async_event(ibv_context* raw, ibv_async_event* out) {
  const Lock lock;
  Context* context = context_of(raw);
  errno = EAGAIN;
  if (context->events.empty()) return -1;
  take_ring(context->event_fd);
  *out = context->events.front();
  context->events.pop_front();
  return 0;
}
void ibv_ack_async_event(ibv_async_event*) {}
const char* ibv_wc_status_str(ibv_wc_status status) {
  static char text[32];
  std::snprintf(text, sizeof text, "status %d", static_cast<int>(status));
  return text;
}
const char* ibv_event_type_str(ibv_event_type type) {
  static char text[32];
  std::snprintf(text, sizeof text, "event %d", static_cast<int>(type));
  return text;
}

}  // extern "C"
