// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/verbs/fake_ibverbs.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#undef ibv_query_port
#undef ibv_reg_mr
#undef ibv_get_device_list

namespace {

constexpr int kDevicesMax = 4;
constexpr size_t kTamperRoom = 65536;

struct Device : ibv_device {
  int index = 0;
  bool up = true;
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
  bool held = false, last_receive_told = true, infiniband = false;
  uint32_t inline_max = 256;
  int cq_max = 100000;
  fake_verbs_counts counts{};
};
World world;
bool fork_safe = false;  // once for the process

bool broken(const char* call) {
  const auto found = world.broken.find(call);
  if (found == world.broken.end() || found->second == 0) return false;
  errno = found->second;
  return true;
}

int misuse(int error) {
  ++world.counts.misuses;
  return error;
}

void ring(int fd) {
  const uint64_t one = 1;
  (void)!write(fd, &one, sizeof one);
}

void take_ring(int fd) {
  uint64_t count;
  (void)!read(fd, &count, sizeof count);
}

Context* context_of(ibv_context* context) {
  return static_cast<Context*>(context);
}

void raise_event(Context* context, ibv_event_type type, ibv_qp* pair) {
  ibv_async_event event{};
  event.event_type = type;
  if (pair != nullptr) {
    event.element.qp = pair;
  } else {
    event.element.port_num = 1;
  }
  context->events.push_back(event);
  ring(context->event_fd);
}

void complete(Queue* queue, const ibv_wc& wc, bool solicited) {
  if (static_cast<int>(queue->done.size()) >= queue->cqe)
    return raise_event(context_of(queue->context), IBV_EVENT_CQ_ERR, nullptr);
  queue->done.push_back(wc);
  if (queue->armed == 0 || (queue->armed == 2 && !solicited)) return;
  queue->armed = 0;
  auto* channel = static_cast<Channel*>(queue->channel);
  channel->events.push_back(queue);
  ring(channel->fd);
}

void complete_send(Pair* pair, uint64_t wr_id, ibv_wc_status status) {
  ibv_wc wc{};
  wc.wr_id = wr_id;
  wc.status = status;
  wc.qp_num = pair->qp_num;
  wc.opcode = IBV_WC_SEND;
  complete(static_cast<Queue*>(pair->send_cq), wc, false);
}

void to_error(Pair* pair) {
  if (pair->state == IBV_QPS_ERR) return;
  pair->state = IBV_QPS_ERR;
  std::deque<Message> others;
  for (Message& message : world.waiting) {
    if (message.from != pair->qp_num) {
      others.push_back(std::move(message));
    } else {
      complete_send(pair, message.wr_id, IBV_WC_WR_FLUSH_ERR);
    }
  }
  world.waiting = std::move(others);
  if (world.last_receive_told) raise_event(context_of(pair->context), IBV_EVENT_QP_LAST_WQE_REACHED, pair);
}

bool registered(const ibv_sge& piece) {
  return std::any_of(world.regions.begin(), world.regions.end(), [&](const Region* region) {
    const auto start = reinterpret_cast<uint64_t>(region->addr);
    return region->lkey == piece.lkey && piece.addr >= start &&
           piece.addr + piece.length <= start + region->length;
  });
}

// What the receiver's device says to the sender's.
ibv_wc_status receive(Pair* pair, Message& message) {
  auto* receives = static_cast<Receives*>(pair->srq);
  if (receives->posted.empty()) {
    ++world.counts.dry;
    return IBV_WC_RNR_RETRY_EXC_ERR;
  }
  const ibv_recv_wr request = receives->posted.front();
  const ibv_sge piece = receives->pieces.front();
  receives->posted.pop_front();
  receives->pieces.pop_front();
  if (receives->limit > 0 && receives->posted.size() < receives->limit) {
    receives->limit = 0;
    raise_event(context_of(pair->context), IBV_EVENT_SRQ_LIMIT_REACHED, nullptr);
  }
  if (world.tamper != nullptr) {
    const size_t size = message.bytes.size();
    message.bytes.resize(kTamperRoom);
    message.bytes.resize(world.tamper(message.bytes.data(), size));
  }
  Device* device = context_of(pair->context)->fake;
  ibv_wc wc{};
  wc.wr_id = request.wr_id;
  wc.qp_num = pair->qp_num;
  wc.opcode = IBV_WC_RECV;
  wc.status = std::exchange(device->next_receive, IBV_WC_SUCCESS);
  if (wc.status == IBV_WC_SUCCESS && message.bytes.size() > piece.length) wc.status = IBV_WC_LOC_LEN_ERR;
  if (wc.status == IBV_WC_SUCCESS) {
    std::memcpy(reinterpret_cast<void*>(piece.addr), message.bytes.data(), message.bytes.size());
    wc.byte_len = static_cast<uint32_t>(message.bytes.size());
    ++world.counts.messages;
  }
  const bool failed = wc.status != IBV_WC_SUCCESS;
  complete(static_cast<Queue*>(pair->recv_cq), wc, message.solicited);
  if (failed) to_error(pair);
  return failed ? IBV_WC_REM_OP_ERR : IBV_WC_SUCCESS;
}

void deliver(Message message) {
  const auto from = world.pairs.find(message.from);
  if (from == world.pairs.end()) return;
  Pair* sender = from->second;
  if (sender->state == IBV_QPS_ERR) return complete_send(sender, message.wr_id, IBV_WC_WR_FLUSH_ERR);
  ibv_wc_status status = world.failing;
  if (status == IBV_WC_SUCCESS) {
    const auto to = world.pairs.find(sender->peer);
    const bool ready = to != world.pairs.end() && to->second->peer == sender->qp_num &&
                       (to->second->state == IBV_QPS_RTR || to->second->state == IBV_QPS_RTS) &&
                       context_of(to->second->context)->fake->up && context_of(sender->context)->fake->up;
    status = ready ? receive(to->second, message) : IBV_WC_RETRY_EXC_ERR;
  }
  if (status != IBV_WC_SUCCESS || message.signalled) complete_send(sender, message.wr_id, status);
  if (status != IBV_WC_SUCCESS) {
    to_error(sender);
  } else if (!message.signalled) {
    sender->unreported.push_back(message.wr_id);
  }
}

void deliver_waiting() {
  while (!world.waiting.empty()) {
    Message message = std::move(world.waiting.front());
    world.waiting.pop_front();
    deliver(std::move(message));
  }
}

int post_send(ibv_qp* queue_pair, ibv_send_wr* request, ibv_send_wr** bad) {
  ++world.counts.doorbells;
  auto* pair = static_cast<Pair*>(queue_pair);
  for (; request != nullptr; request = request->next) {
    *bad = request;
    if (broken("ibv_post_send")) return errno;
    if (pair->state != IBV_QPS_RTS && pair->state != IBV_QPS_ERR) return misuse(EINVAL);
    if (pair->outstanding >= pair->sends_max || request->opcode != IBV_WR_SEND) return misuse(ENOMEM);
    Message message;
    message.from = pair->qp_num;
    message.wr_id = request->wr_id;
    message.signalled = (request->send_flags & IBV_SEND_SIGNALED) != 0;
    message.solicited = (request->send_flags & IBV_SEND_SOLICITED) != 0;
    const bool inlined = (request->send_flags & IBV_SEND_INLINE) != 0;
    for (int i = 0; i < request->num_sge; ++i) {
      const ibv_sge& piece = request->sg_list[i];
      if (!inlined && !registered(piece)) return misuse(EINVAL);
      const auto* start = reinterpret_cast<const uint8_t*>(piece.addr);
      message.bytes.insert(message.bytes.end(), start, start + piece.length);
    }
    if (inlined && message.bytes.size() > pair->inline_max) return misuse(EINVAL);
    ++pair->outstanding;
    world.waiting.push_back(std::move(message));
  }
  if (!world.held) deliver_waiting();
  return 0;
}

int post_srq_recv(ibv_srq* srq, ibv_recv_wr* request, ibv_recv_wr** bad) {
  auto* receives = static_cast<Receives*>(srq);
  world.counts.lost_receives += std::exchange(receives->lost, 0);
  for (; request != nullptr; request = request->next) {
    *bad = request;
    if (broken("ibv_post_srq_recv")) return errno;
    if (receives->posted.size() >= receives->room) return misuse(ENOMEM);
    if (request->num_sge != 1 || !registered(request->sg_list[0])) return misuse(EINVAL);
    receives->posted.push_back(*request);
    receives->pieces.push_back(request->sg_list[0]);
  }
  return 0;
}

// A completion frees the sends before it too.
void reckon(const ibv_wc& wc) {
  const auto found = world.pairs.find(wc.qp_num);
  if (found == world.pairs.end() || wc.opcode != IBV_WC_SEND) return;
  Pair* pair = found->second;
  --pair->outstanding;
  while (!pair->unreported.empty() && pair->unreported.front() < wc.wr_id) {
    pair->unreported.pop_front();
    --pair->outstanding;
  }
}

int poll_cq(ibv_cq* cq, int room, ibv_wc* out) {
  if (broken("ibv_poll_cq")) return -1;
  auto* queue = static_cast<Queue*>(cq);
  int count = 0;
  for (; count < room && !queue->done.empty(); ++count) {
    out[count] = queue->done.front();
    queue->done.pop_front();
    reckon(out[count]);
    ++world.counts.completions;
  }
  return count;
}

int req_notify_cq(ibv_cq* cq, int solicited_only) {
  ++world.counts.notifies;
  if (broken("ibv_req_notify_cq")) return errno;
  auto* queue = static_cast<Queue*>(cq);
  if (queue->armed != 1) queue->armed = solicited_only != 0 ? 2 : 1;
  return 0;
}

ibv_gid gid_of(const Device* device) {
  ibv_gid gid{};
  gid.raw[10] = gid.raw[11] = 0xff;
  gid.raw[12] = world.infiniband ? 10 : 127;
  gid.raw[15] = static_cast<uint8_t>(device->index + 1);
  return gid;
}

}  // namespace

extern "C" {

// ---- faults ----

fake_verbs_counts fake_verbs_counts_now() {
  world.counts.contexts = world.contexts.size();
  world.counts.pairs = world.pairs.size();
  return world.counts;
}
void fake_verbs_reset() {
  world = World{};
  for (int i = 0; i < kDevicesMax; ++i) {
    world.devices[i].index = i;
    std::snprintf(world.devices[i].name, sizeof world.devices[i].name, "fake%d", i);
  }
}
void fake_verbs_set_devices(int count, int infiniband) {
  world.count = count;
  world.infiniband = infiniband != 0;
}
void fake_verbs_lose_file(int device) {
  std::snprintf(world.devices[device].dev_name, sizeof world.devices[device].dev_name, "uverbs-lost");
}
void fake_verbs_hold(int held) {
  world.held = held != 0;
  if (world.held) return;
  world.failing = IBV_WC_SUCCESS;
  deliver_waiting();
}
void fake_verbs_fail_sends(ibv_wc_status status) {
  world.failing = status;
  deliver_waiting();
}
void fake_verbs_fail_next_receive(int device, ibv_wc_status status) {
  world.devices[device].next_receive = status;
}
void fake_verbs_tamper(size_t (*tamper)(uint8_t*, size_t)) {
  world.tamper = tamper;
}
void fake_verbs_raise(int device, ibv_event_type type) {
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
  world.devices[device].up = up != 0;
  fake_verbs_raise(device, up != 0 ? IBV_EVENT_PORT_ACTIVE : IBV_EVENT_PORT_ERR);
}
void fake_verbs_break(const char* call, int error) {
  world.broken[call] = error;
}
void fake_verbs_tell_last_receive(int told) {
  world.last_receive_told = told != 0;
}
// clang-format off
void fake_verbs_set_inline_max(uint32_t bytes) { world.inline_max = bytes; }
void fake_verbs_set_cq_max(int entries) { world.cq_max = entries; }
void fake_verbs_move_gid(uint32_t index) { world.gid_index = index; }
// clang-format on

// ---- the library ----

int ibv_fork_init() {
  fork_safe = true;
  return 0;
}
ibv_device** ibv_get_device_list(int* count) {
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
  ++world.counts.opens;
  if (broken("ibv_open_device")) return nullptr;
  if (!fork_safe) return errno = misuse(EINVAL), nullptr;
  auto* context = new Context{};
  context->fake = static_cast<Device*>(device);
  context->device = device;
  context->event_fd = eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE);
  context->async_fd = context->event_fd;
  context->ops.poll_cq = poll_cq;
  context->ops.req_notify_cq = req_notify_cq;
  context->ops.post_srq_recv = post_srq_recv;
  context->ops.post_send = post_send;
  world.contexts.insert(context);
  return context;
}
int ibv_close_device(ibv_context* context) {
  close(context_of(context)->event_fd);
  world.contexts.erase(context_of(context));
  delete context_of(context);
  return 0;
}
int ibv_query_device(ibv_context*, ibv_device_attr* out) {
  *out = {};
  out->phys_port_cnt = 1;
  return 0;
}
int ibv_query_port(ibv_context* context, uint8_t port, _compat_ibv_port_attr* raw) {
  if (port != 1 || broken("ibv_query_port")) return EINVAL;
  auto* out = reinterpret_cast<ibv_port_attr*>(raw);
  out->state = context_of(context)->fake->up ? IBV_PORT_ACTIVE : IBV_PORT_DOWN;
  out->max_mtu = out->active_mtu = IBV_MTU_1024;
  out->gid_tbl_len = static_cast<int>(world.gid_index) + 1;
  out->link_layer = world.infiniband ? IBV_LINK_LAYER_INFINIBAND : IBV_LINK_LAYER_ETHERNET;
  out->lid = world.infiniband ? 1 : 0;
  return 0;
}
int ibv_query_gid(ibv_context* context, uint8_t, int index, ibv_gid* out) {
  const bool here = index == static_cast<int>(world.gid_index);
  *out = here ? gid_of(context_of(context)->fake) : ibv_gid{};
  return index > static_cast<int>(world.gid_index) ? EINVAL : 0;
}
int _ibv_query_gid_ex(ibv_context* context, uint32_t, uint32_t index, ibv_gid_entry* out, uint32_t, size_t) {
  if (index > world.gid_index) return ENODATA;
  *out = {};
  out->gid = gid_of(context_of(context)->fake);
  out->gid_type = index == world.gid_index ? IBV_GID_TYPE_ROCE_V2 : IBV_GID_TYPE_ROCE_V1;
  return 0;
}
ibv_pd* ibv_alloc_pd(ibv_context* context) {
  if (broken("ibv_alloc_pd")) return nullptr;
  return new ibv_pd{context, 0};
}
int ibv_dealloc_pd(ibv_pd* domain) {
  delete domain;
  return 0;
}
ibv_mr* ibv_reg_mr(ibv_pd* domain, void* start, size_t bytes, int) {
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
  world.regions.erase(static_cast<Region*>(region));
  delete static_cast<Region*>(region);
  return 0;
}
ibv_comp_channel* ibv_create_comp_channel(ibv_context* context) {
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
  if (broken("ibv_create_srq")) return nullptr;
  auto* receives = new Receives{};
  receives->context = domain->context;
  receives->room = wanted->attr.max_wr;
  return receives;
}
int ibv_modify_srq(ibv_srq* srq, ibv_srq_attr* attributes, int mask) {
  if (mask == IBV_SRQ_LIMIT) static_cast<Receives*>(srq)->limit = attributes->srq_limit;
  return 0;
}
int ibv_destroy_srq(ibv_srq* receives) {
  delete static_cast<Receives*>(receives);
  return 0;
}
ibv_qp* ibv_create_qp(ibv_pd* domain, ibv_qp_init_attr* wanted) {
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
  auto* pair = static_cast<Pair*>(queue_pair);
  if (to->qp_state == IBV_QPS_ERR) return to_error(pair), 0;
  if (broken("ibv_modify_qp")) return errno;
  const ibv_qp_state before = to->qp_state == IBV_QPS_INIT  ? IBV_QPS_RESET
                              : to->qp_state == IBV_QPS_RTR ? IBV_QPS_INIT
                                                            : IBV_QPS_RTR;
  if (pair->state != before) return misuse(EINVAL);
  pair->state = to->qp_state;
  if (to->qp_state == IBV_QPS_RTR) pair->peer = to->dest_qp_num;
  return 0;
}
int ibv_destroy_qp(ibv_qp* queue_pair) {
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
