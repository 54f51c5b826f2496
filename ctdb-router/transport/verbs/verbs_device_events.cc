// SPDX-License-Identifier: GPL-3.0-or-later
// Sending, completions and events of the device.
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "ctdb-router/transport/verbs/verbs_device.h"
#include "libctdbipc/runtime/log.h"

namespace ctdb {
namespace {

constexpr int kBatch = 32;
// One device must not keep the other sources waiting.
constexpr int kBatchesPerTurn = 8;

constexpr uint32_t kReceivesLow = kChunkWindow / 2;

// A work request's id is a chunk's sequence or, with this bit, a receive buffer's index.
constexpr uint64_t kReceive = uint64_t{1} << 63;

ibv_sge piece(const void* start, size_t bytes, uint32_t key) {
  return {reinterpret_cast<uint64_t>(start), static_cast<uint32_t>(bytes), key};
}

}  // namespace

bool VerbsDevice::post(uint32_t number, const ChunkHeader& header, ByteView payload, ChunkPost how) {
  const auto found = pairs_.find(number);
  if (found == pairs_.end() || failed_) return false;
  const ChunkHeaderBytes bytes = encode_chunk_header(header);
  ibv_sge pieces[2];
  ibv_send_wr request{};
  request.wr_id = header.sequence;
  request.sg_list = pieces;
  request.opcode = IBV_WR_SEND;
  request.send_flags = 0;
  if (how.wakes) request.send_flags |= IBV_SEND_SOLICITED;
  if (how.signalled) request.send_flags |= IBV_SEND_SIGNALED;
  if (bytes.size() + payload.size() <= inline_max_) {
    request.send_flags |= IBV_SEND_INLINE;
    pieces[0] = piece(bytes.data(), bytes.size(), 0);
    pieces[1] = piece(payload.data(), payload.size(), 0);
    request.num_sge = payload.empty() ? 1 : 2;
  } else {
    uint8_t* buffer = send_buffer(found->second.region, header.sequence);
    std::copy(payload.begin(), payload.end(), std::copy(bytes.begin(), bytes.end(), buffer));
    pieces[0] = piece(buffer, bytes.size() + payload.size(), memory_.key());
    request.num_sge = 1;
  }
  ibv_send_wr* bad = nullptr;
  return ibv_post_send(found->second.queue_pair.get(), &request, &bad) == 0;
}

bool VerbsDevice::post_receives(const std::vector<uint32_t>& buffers) {
  for (size_t first = 0; first < buffers.size(); first += kBatch) {
    const size_t count = std::min<size_t>(kBatch, buffers.size() - first);
    std::array<ibv_sge, kBatch> pieces;
    std::array<ibv_recv_wr, kBatch> requests{};
    for (size_t i = 0; i < count; ++i) {
      const uint32_t buffer = buffers[first + i];
      pieces[i] = piece(receive_buffer(buffer), kChunkBytes, memory_.key());
      requests[i].wr_id = kReceive | buffer;
      requests[i].sg_list = &pieces[i];
      requests[i].num_sge = 1;
      requests[i].next = i + 1 < count ? &requests[i + 1] : nullptr;
    }
    ibv_recv_wr* bad = nullptr;
    if (ibv_post_srq_recv(receive_queue_.get(), requests.data(), &bad) != 0) return false;
  }
  return true;
}

// Once each time: a device that has told it is asked again when the queue is full again, or it would tell it at once.
void VerbsDevice::warn_when_low() {
  ibv_srq_attr low{};
  low.srq_limit = kReceivesLow;
  low_is_told_ = ibv_modify_srq(receive_queue_.get(), &low, IBV_SRQ_LIMIT) == 0;
}

// ---- completions ----

void VerbsDevice::arm(bool solicited_only) {
  if (failed_) return;
  if (ibv_req_notify_cq(completions_.get(), solicited_only ? 1 : 0) != 0)
    fail_device("its completion queue cannot be watched");
}

// The caller stands in the middle of a link's work, so what has completed already waits for the next turn.
void VerbsDevice::wake_for_sent() {
  if (sent_wakes_ || arm_for_sent_) return;
  arm_for_sent_ = true;
  poll_next_turn();
}

void VerbsDevice::poll_next_turn() {
  loop_.cancel(more_timer_);
  more_timer_ = loop_.at(loop_.now(), [this] {
    if (std::exchange(arm_for_sent_, false)) {
      sent_wakes_ = true;
      arm(false);
    }
    poll();
  });
}

// One event a turn: another one, which is seldom, keeps the descriptor readable. Armed first: what completes after the look makes
// another event.
void VerbsDevice::on_completions() {
  ibv_cq* queue = nullptr;
  void* context = nullptr;
  if (ibv_get_cq_event(channel_.get(), &queue, &context) == 0) ibv_ack_cq_events(completions_.get(), 1);
  sent_wakes_ = false;
  arm(true);
  poll();
}

void VerbsDevice::poll() {
  for (int batch = 0; batch < kBatchesPerTurn; ++batch) {
    if (poll_some()) continue;
    if (!low_is_told_ && receives_low_ > 0 && !failed_) warn_when_low();
    return;
  }
  poll_next_turn();
}

// true: there may be more.
bool VerbsDevice::poll_some() {
  if (failed_) return false;
  std::array<ibv_wc, kBatch> done;
  const int count = ibv_poll_cq(completions_.get(), kBatch, done.data());
  if (count < 0) fail_device("its completion queue cannot be read");
  for (int i = 0; i < count; ++i) take(done[static_cast<size_t>(i)]);
  if (!failed_ && !used_.empty() && !post_receives(used_)) fail_device("its receive queue takes no more");
  used_.clear();
  return count == kBatch;
}

// Of one that failed only wr_id, status and qp_num mean anything.
void VerbsDevice::take(const ibv_wc& completion) {
  const uint32_t number = completion.qp_num;
  const auto found = pairs_.find(number);
  const bool known = found != pairs_.end() && !found->second.dropped;
  const bool receive = (completion.wr_id & kReceive) != 0;
  const auto buffer = static_cast<uint32_t>(completion.wr_id);
  if (known && completion.status != IBV_WC_SUCCESS) {
    events_.on_pair_failed(number, std::string(receive ? "receiving" : "sending") +
                                       " failed: " + ibv_wc_status_str(completion.status));
  } else if (known && !receive) {
    events_.on_sent(number, completion.wr_id);
  } else if (known && completion.byte_len <= kChunkBytes) {
    events_.on_chunk(number, ByteView(receive_buffer(buffer), completion.byte_len));
  }
  if (receive && buffer < receives_) used_.push_back(buffer);
}

// ---- events of the device ----

void VerbsDevice::on_async() {
  ibv_async_event event;
  while (!failed_ && ibv_get_async_event(context_.get(), &event) == 0) {
    const ibv_event_type type = event.event_type;
    const bool of_pair = type == IBV_EVENT_QP_FATAL || type == IBV_EVENT_QP_REQ_ERR ||
                         type == IBV_EVENT_QP_ACCESS_ERR || type == IBV_EVENT_QP_LAST_WQE_REACHED;
    const uint32_t number =
        of_pair ? event.element.qp->qp_num : static_cast<uint32_t>(event.element.port_num);
    ibv_ack_async_event(&event);
    on_async_event(type, number);
  }
}

template <typename Concerned>
void VerbsDevice::fail_pairs(const std::string& why, Concerned concerned) {
  std::vector<uint32_t> numbers;
  for (const auto& [number, pair] : pairs_) {
    if (!pair.dropped && concerned(pair)) numbers.push_back(number);
  }
  for (const uint32_t number : numbers) events_.on_pair_failed(number, why);
}

// `number`: of the queue pair or the port that it is about.
void VerbsDevice::on_async_event(ibv_event_type type, uint32_t number) {
  const auto found = pairs_.find(number);
  switch (type) {
    case IBV_EVENT_QP_LAST_WQE_REACHED:
      if (found != pairs_.end() && found->second.dropped) return destroy(number);
      [[fallthrough]];
    case IBV_EVENT_QP_FATAL:
    case IBV_EVENT_QP_REQ_ERR:
    case IBV_EVENT_QP_ACCESS_ERR:
      if (found != pairs_.end() && !found->second.dropped)
        events_.on_pair_failed(number, std::string("its queue pair failed: ") + ibv_event_type_str(type));
      return;
    case IBV_EVENT_PORT_ERR:
      return fail_pairs("the port of the RDMA device is down",
                        [&](const Pair& pair) { return pair.from.port == number; });
    case IBV_EVENT_PORT_ACTIVE:
      return events_.on_port_up();
    case IBV_EVENT_SRQ_LIMIT_REACHED:
      low_is_told_ = false;
      poll_next_turn();
      if (++receives_low_ == 1)
        log_warning("verbs: the receive queue ran low, a peer does not keep to its credits");
      return;
    case IBV_EVENT_LID_CHANGE:
      // A subnet manager has given out new ones; the other side sends to the old one.
      return fail_pairs("its LID has changed", [&](const Pair& pair) {
        const Result<VerbsPortState> now = look_at(context_.get(), pair.from);
        return pair.from.port == number && now && now->lid != pair.lid;
      });
    case IBV_EVENT_GID_CHANGE:
    case IBV_EVENT_PKEY_CHANGE:
      // The next attempt looks for it.
      return fail_pairs("its address has moved",
                        [&](const Pair& pair) { return address_moved(context_.get(), pair.from); });
    case IBV_EVENT_CQ_ERR:
    case IBV_EVENT_SRQ_ERR:
    case IBV_EVENT_DEVICE_FATAL:
      return fail_device(ibv_event_type_str(type));
    default:
      return;
  }
}

void VerbsDevice::fail_device(const std::string& why) {
  if (failed_) return;
  failed_ = true;
  loop_.unwatch(channel_->fd);
  loop_.unwatch(context_->async_fd);
  channel_watched_ = async_watched_ = false;
  events_.on_device_failed("the RDMA device failed: " + why);
}

}  // namespace ctdb
