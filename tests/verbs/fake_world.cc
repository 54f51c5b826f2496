// SPDX-License-Identifier: GPL-3.0-or-later
// Messages on their way, completions and events.
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "tests/verbs/fake_world.h"

namespace fake_verbs {

World world;
bool fork_safe = false;
std::recursive_mutex world_mutex;
std::condition_variable_any connects_let_go;

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

static void ring(int fd) {
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

static void complete(Queue* queue, const ibv_wc& wc, bool solicited) {
  if (static_cast<int>(queue->done.size()) >= queue->cqe)
    return raise_event(context_of(queue->context), IBV_EVENT_CQ_ERR, nullptr);
  queue->done.push_back(wc);
  if (queue->armed == 0 || (queue->armed == 2 && !solicited)) return;
  queue->armed = 0;
  auto* channel = static_cast<Channel*>(queue->channel);
  channel->events.push_back(queue);
  ring(channel->fd);
}

static void complete_send(Pair* pair, uint64_t wr_id, ibv_wc_status status) {
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

static bool registered(const ibv_sge& piece) {
  return std::any_of(world.regions.begin(), world.regions.end(), [&](const Region* region) {
    const auto start = reinterpret_cast<uint64_t>(region->addr);
    return region->lkey == piece.lkey && piece.addr >= start &&
           piece.addr + piece.length <= start + region->length;
  });
}

// What the receiver's device says to the sender's.
static ibv_wc_status receive(Pair* pair, Message& message) {
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
    if (message.solicited) ++world.counts.solicited;
  }
  const bool failed = wc.status != IBV_WC_SUCCESS;
  complete(static_cast<Queue*>(pair->recv_cq), wc, message.solicited);
  if (failed) to_error(pair);
  return failed ? IBV_WC_REM_OP_ERR : IBV_WC_SUCCESS;
}

// Whether what that queue pair sends is carried to the other one's port, and taken there.
static bool leads_to(const Pair& from, const Pair& to) {
  const ibv_gid gid = gid_of(context_of(to.context)->fake, to.port);
  const bool there =
      world.infiniband
          ? from.route.is_global == 0 && from.route.dlid == lid_of(context_of(to.context)->fake, to.port)
          : from.route.is_global == 1 && std::memcmp(from.route.grh.dgid.raw, gid.raw, sizeof gid.raw) == 0;
  return there && from.route.port_num == from.port && from.partition_index == to.partition_index;
}

static void deliver(Message message) {
  const auto from = world.pairs.find(message.from);
  if (from == world.pairs.end()) return;
  Pair* sender = from->second;
  if (sender->state == IBV_QPS_ERR) return complete_send(sender, message.wr_id, IBV_WC_WR_FLUSH_ERR);
  ibv_wc_status status = world.failing;
  if (status == IBV_WC_SUCCESS) {
    const auto to = world.pairs.find(sender->peer);
    const bool ready = to != world.pairs.end() && to->second->peer == sender->qp_num &&
                       leads_to(*sender, *to->second) &&
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

static int post_send(ibv_qp* queue_pair, ibv_send_wr* request, ibv_send_wr** bad) {
  const Lock lock;
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

static int post_srq_recv(ibv_srq* srq, ibv_recv_wr* request, ibv_recv_wr** bad) {
  const Lock lock;
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
static void reckon(const ibv_wc& wc) {
  const auto found = world.pairs.find(wc.qp_num);
  if (found == world.pairs.end() || wc.opcode != IBV_WC_SEND) return;
  Pair* pair = found->second;
  --pair->outstanding;
  while (!pair->unreported.empty() && pair->unreported.front() < wc.wr_id) {
    pair->unreported.pop_front();
    --pair->outstanding;
  }
}

static int poll_cq(ibv_cq* cq, int room, ibv_wc* out) {
  const Lock lock;
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

static int req_notify_cq(ibv_cq* cq, int solicited_only) {
  const Lock lock;
  ++world.counts.notifies;
  if (broken("ibv_req_notify_cq")) return errno;
  auto* queue = static_cast<Queue*>(cq);
  if (queue->armed != 1) queue->armed = solicited_only != 0 ? 2 : 1;
  return 0;
}

ibv_gid gid_of(const Device* device, uint8_t port) {
  ibv_gid gid{};
  const auto number = static_cast<uint8_t>(device->index + 1);
  if (world.infiniband) {
    gid.raw[0] = 0xfe;
    gid.raw[1] = device->index == 0 ? world.first_subnet : 0x80;
    gid.raw[8] = 0x02;
    gid.raw[14] = number;
    gid.raw[15] = port;
  } else {
    gid.raw[10] = gid.raw[11] = 0xff;
    gid.raw[12] = 127;
    gid.raw[15] = number;
  }
  return gid;
}

uint16_t lid_of(const Device* device, uint8_t port) {
  return world.infiniband ? static_cast<uint16_t>(0x10 * (device->index + 1) + port + device->lid_moved)
                          : uint16_t{0};
}

void set_operations(ibv_context_ops& operations) {
  operations.poll_cq = poll_cq;
  operations.req_notify_cq = req_notify_cq;
  operations.post_srq_recv = post_srq_recv;
  operations.post_send = post_send;
}

}  // namespace fake_verbs
