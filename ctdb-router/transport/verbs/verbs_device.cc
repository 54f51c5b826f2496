// SPDX-License-Identifier: GPL-3.0-or-later
// Making and ending. What happens in between: verbs_device_events.cc.
#include "ctdb-router/transport/verbs/verbs_device.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace ctdb {
namespace {

// Beside the links' own: queue pairs that are being dropped, and buffers that are being looked at.
constexpr size_t kSpareRegions = 4;
constexpr size_t kSpareReceives = kChunkWindow;
constexpr uint32_t kInlineWanted = 576;  // a message of 512 bytes with both headers

// The device tries for (5 + 1) × 4.096 µs × 2^14 = 0.4 s. With 7 retries some try for ever.
constexpr uint8_t kTimeoutCode = 14;
constexpr uint8_t kRetries = 5;
constexpr uint8_t kReceiverNotReadyRetries = 3;  // credits see to it that it does not happen
constexpr uint8_t kReceiverNotReadyTimer = 12;
constexpr uint8_t kHopLimit = 64;
constexpr int kSubnetPrefixBytes = 8;  // of a GID; what follows is the port's

constexpr TimeNs kDropTimeout = kSecond;

Result<void> set_nonblocking(int fd) {
  const int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) return fail_errno("verbs descriptor");
  return {};
}

// By LID within an InfiniBand subnet, by GID over RoCE.
void set_route(ibv_ah_attr& route, const VerbsAddress& from, const VerbsPortState& state,
               const QueuePair& theirs) {
  route.port_num = from.port;
  route.is_global = state.ethernet;
  if (!state.ethernet) {
    route.dlid = static_cast<uint16_t>(theirs.lid);
    return;
  }
  std::copy(theirs.gid.begin(), theirs.gid.end(), route.grh.dgid.raw);
  route.grh.sgid_index = from.gid_index;
  route.grh.hop_limit = kHopLimit;
}

// Who is in another InfiniBand subnet, or on the other kind of network, cannot be reached.
Result<void> check_reachable(const VerbsPortState& from, const QueuePair& theirs) {
  if (from.ethernet != (theirs.lid == 0))
    return fail(ErrorCode::kNotFound, "one side is on InfiniBand, the other one on RoCE");
  if (!from.ethernet &&
      !std::equal(from.gid.begin(), from.gid.begin() + kSubnetPrefixBytes, theirs.gid.begin()))
    return fail(ErrorCode::kNotFound, "the other side is in another InfiniBand subnet");
  return {};
}

tl::unexpected<Error> cannot(const char* what) {
  return fail(ErrorCode::kSystem,
              std::string("the RDMA device has no ") + what + " (" + std::strerror(errno) + ")");
}

}  // namespace

VerbsDevice::VerbsDevice(VerbsContext context, size_t links, EventLoop& loop, VerbsDeviceEvents& events)
    : loop_(loop),
      events_(events),
      links_(links),
      receives_(links * kChunkWindow + kSpareReceives),
      context_(std::move(context)) {}

Result<std::unique_ptr<VerbsDevice>> VerbsDevice::open(VerbsContext context, size_t links, EventLoop& loop,
                                                       VerbsDeviceEvents& events) {
  std::unique_ptr<VerbsDevice> device(new VerbsDevice(std::move(context), links, loop, events));
  if (Result<void> made = device->make(); !made) return fail(std::move(made.error()));
  if (Result<void> watched = device->watch(); !watched) return fail(std::move(watched.error()));
  return device;
}

Result<void> VerbsDevice::make() {
  ibv_context* context = context_.get();
  const size_t regions = links_ + kSpareRegions;
  for (size_t region = regions; region > 0; --region) free_regions_.push_back(region - 1);
  domain_.reset(ibv_alloc_pd(context));
  if (domain_ == nullptr) return cannot("protection domain");
  const size_t buffers = receives_ + regions * kChunkWindow;
  if (Result<void> taken = memory_.take(domain_.get(), buffers * kChunkBytes); !taken) return taken;
  channel_.reset(ibv_create_comp_channel(context));
  if (channel_ == nullptr) return cannot("completion channel");
  // Of one queue pair's sends all can complete when it fails, signalled or not.
  completions_.reset(ibv_create_cq(context, static_cast<int>(buffers), nullptr, channel_.get(), 0));
  if (completions_ == nullptr) return cannot("completion queue long enough for all links");
  ibv_srq_init_attr wanted{};
  wanted.attr.max_wr = static_cast<uint32_t>(receives_);
  wanted.attr.max_sge = 1;
  receive_queue_.reset(ibv_create_srq(domain_.get(), &wanted));
  if (receive_queue_ == nullptr) return cannot("shared receive queue");
  std::vector<uint32_t> all(receives_);
  for (uint32_t i = 0; i < receives_; ++i) all[i] = i;
  if (!post_receives(all)) return cannot("room in its shared receive queue");
  warn_when_low();
  return {};
}

Result<void> VerbsDevice::watch() {
  const int channel = channel_->fd;
  const int async = context_->async_fd;
  for (const int fd : {channel, async}) {
    if (Result<void> set = set_nonblocking(fd); !set) return set;
  }
  if (Result<void> r = loop_.watch(channel, EPOLLIN, [this](uint32_t) { on_completions(); }); !r) return r;
  channel_watched_ = true;
  if (Result<void> r = loop_.watch(async, EPOLLIN, [this](uint32_t) { on_async(); }); !r) return r;
  async_watched_ = true;
  Result<std::unique_ptr<VerbsConnector>> connector =
      VerbsConnector::start(loop_, [this](uint32_t number, int error) { on_connected(number, error); });
  if (!connector) return fail(std::move(connector.error()));
  connector_ = std::move(*connector);
  arm(true);
  return {};
}

VerbsDevice::~VerbsDevice() {
  connector_.reset();
  loop_.cancel(more_timer_);
  for (auto& [number, pair] : pairs_) loop_.cancel(pair.timer);
  if (channel_watched_) loop_.unwatch(channel_->fd);
  if (async_watched_) loop_.unwatch(context_->async_fd);
  pairs_.clear();
}

uint8_t* VerbsDevice::send_buffer(size_t region, uint64_t sequence) const {
  return memory_.at((receives_ + region * kChunkWindow + sequence % kChunkWindow) * kChunkBytes);
}

// ---- queue pairs ----

// Devices differ in how much they take inline, and none says so beforehand.
VerbsPair VerbsDevice::make_pair() {
  for (uint32_t inlined = kInlineWanted;; inlined /= 2) {
    ibv_qp_init_attr wanted{};
    wanted.send_cq = wanted.recv_cq = completions_.get();
    wanted.srq = receive_queue_.get();
    wanted.qp_type = IBV_QPT_RC;
    wanted.cap.max_send_wr = kChunkWindow;
    wanted.cap.max_send_sge = 2;
    wanted.cap.max_inline_data = inlined;
    VerbsPair pair(ibv_create_qp(domain_.get(), &wanted));
    if (pair != nullptr) inline_max_ = wanted.cap.max_inline_data;
    if (pair != nullptr || inlined == 0) return pair;
  }
}

bool VerbsDevice::unused() const {
  return std::all_of(pairs_.begin(), pairs_.end(), [](const auto& pair) { return pair.second.dropped; });
}

Result<QueuePair> VerbsDevice::create(const VerbsAddress& from) {
  const Result<VerbsPortState> state = look_at(context_.get(), from);
  if (!state) return fail(Error(state.error()));
  const size_t used = static_cast<size_t>(
      std::count_if(pairs_.begin(), pairs_.end(), [](const auto& pair) { return !pair.second.dropped; }));
  if (used >= links_)
    return fail(ErrorCode::kLimit, "no registered memory is left for another link: restart the router");
  if (free_regions_.empty())
    return fail(ErrorCode::kTimeout, "the memory of queue pairs that failed is still being given back");
  VerbsPair pair = make_pair();
  if (pair == nullptr) return cannot("queue pair left");
  ibv_qp_attr attributes{};
  attributes.qp_state = IBV_QPS_INIT;
  attributes.port_num = from.port;
  attributes.pkey_index = from.partition_index;
  if (const int error = ibv_modify_qp(pair.get(), &attributes,
                                      IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS);
      error != 0) {
    errno = error;
    return cannot("use for a queue pair");
  }
  QueuePair mine;
  mine.number = pair->qp_num;
  uint32_t random = 0;
  (void)!getrandom(&random, sizeof random, 0);
  mine.first_psn = random & 0xffffff;
  mine.lid = state->lid;
  mine.mtu = state->mtu;
  mine.gid = state->gid;
  mine.window = kChunkWindow;
  mine.chunk_bytes = kChunkBytes;
  Pair& kept = pairs_[mine.number];
  kept.queue_pair = std::move(pair);
  kept.from = from;
  kept.lid = state->lid;
  kept.region = free_regions_.back();
  free_regions_.pop_back();
  return mine;
}

Result<void> VerbsDevice::connect(const QueuePair& mine, const QueuePair& theirs) {
  const auto found = pairs_.find(mine.number);
  if (found == pairs_.end()) return fail(ErrorCode::kDisconnected, "the RDMA device was lost");
  const VerbsAddress& from = found->second.from;
  const Result<VerbsPortState> state = look_at(context_.get(), from);
  if (!state) return fail(Error(state.error()));
  if (Result<void> r = check_reachable(*state, theirs); !r) return r;
  VerbsConnector::Work work;
  work.pair = found->second.queue_pair.get();
  ibv_qp_attr& receive = work.receive;
  receive.qp_state = IBV_QPS_RTR;
  receive.path_mtu = static_cast<ibv_mtu>(std::min(mine.mtu, theirs.mtu));
  receive.dest_qp_num = theirs.number;
  receive.rq_psn = theirs.first_psn;
  receive.max_dest_rd_atomic = 1;
  receive.min_rnr_timer = kReceiverNotReadyTimer;
  set_route(receive.ah_attr, from, *state, theirs);
  work.receive_mask = IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN |
                      IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER;
  work.send.qp_state = IBV_QPS_RTS;
  work.send.timeout = kTimeoutCode;
  work.send.retry_cnt = kRetries;
  work.send.rnr_retry = kReceiverNotReadyRetries;
  work.send.sq_psn = mine.first_psn;
  work.send.max_rd_atomic = 1;
  work.send_mask = IBV_QP_STATE | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY | IBV_QP_SQ_PSN |
                   IBV_QP_MAX_QP_RD_ATOMIC;
  found->second.connecting = true;
  connector_->connect(mine.number, work);
  return {};
}

void VerbsDevice::on_connected(uint32_t number, int error) {
  const auto found = pairs_.find(number);
  if (found == pairs_.end()) return;
  found->second.connecting = false;
  if (found->second.dropped) return let_go(number, found->second);
  events_.on_connected(
      number,
      error == 0 ? "" : std::string("the queue pair cannot be connected (") + std::strerror(error) + ")");
}

void VerbsDevice::drop(uint32_t number) {
  const auto found = pairs_.find(number);
  if (found == pairs_.end() || found->second.dropped) return;
  Pair& pair = found->second;
  pair.dropped = true;
  if (!pair.connecting) let_go(number, pair);
}

void VerbsDevice::let_go(uint32_t number, Pair& pair) {
  ibv_qp_attr attributes{};
  attributes.qp_state = IBV_QPS_ERR;
  ibv_modify_qp(pair.queue_pair.get(), &attributes, IBV_QP_STATE);
  // Not all devices say that they are done.
  pair.timer = loop_.at(loop_.now() + kDropTimeout, [this, number] { destroy(number); });
}

void VerbsDevice::destroy(uint32_t number) {
  while (poll_some()) {
  }
  const auto found = pairs_.find(number);
  if (found == pairs_.end()) return;
  loop_.cancel(found->second.timer);
  free_regions_.push_back(found->second.region);
  pairs_.erase(found);
}

}  // namespace ctdb
