// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbipc/client/link.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>

#include "libctdbipc/runtime/setup_socket.h"
#include "libctdbipc/wire/packet.h"

namespace ctdb {
namespace {

// What may wait behind a full ring; one packet may be larger.
constexpr size_t kQueueBytesMax = 1u << 20;
constexpr int kDescriptorsMax = 5;  // two bells, kick, set-up connection, clock

}  // namespace

Link::~Link() {
  disconnect("");
}

Result<void> Link::prepare() {
  epoll_.reset(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_.valid()) return fail_errno("epoll_create1");
  kick_.reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!kick_.valid()) return fail_errno("eventfd");
  return watch(kick_.get(), EPOLLIN);
}

Result<void> Link::watch(int fd, uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) return fail_errno("epoll_ctl");
  return {};
}

// Closing is not enough: the router holds the same eventfds, so the kernel would keep the registration.
void Link::unwatch(int fd) {
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

Result<void> Link::connect(const std::string& path, int timeout_ms) {
  Result<SetupConnection> made = connect_setup(path, DaemonRole::kClient, timeout_ms);
  if (!made) return fail(std::move(made.error()));
  std::vector<ChannelFds>& ends = made->reply.channels;
  if (!made->reply.descriptor.valid()) return fail(ErrorCode::kInvalid, "the router sent no node page");
  Result<std::unique_ptr<NodePage>> page = NodePage::map_reader(made->reply.descriptor.get());
  if (!page) return fail(std::move(page.error()));
  if (ends.empty() || ends.size() > kPeers) return fail(ErrorCode::kInvalid, "the router sent no channels");
  for (size_t i = 0; i < ends.size(); ++i) {
    Result<std::unique_ptr<Channel>> opened = Channel::open(std::move(ends[i]), ChannelSide::kClient);
    Result<void> watched =
        opened ? watch((*opened)->bell_fd(), EPOLLIN | EPOLLET) : fail(std::move(opened.error()));
    if (!watched) {
      disconnect("");
      return fail(std::move(watched.error()));
    }
    channels_[i] = std::move(*opened);
  }
  if (Result<void> watched = watch(made->socket.get(), EPOLLIN); !watched) {
    disconnect("");
    return fail(std::move(watched.error()));
  }
  setup_ = std::move(made->socket);
  pnn_ = made->reply.pnn;
  page_ = std::move(*page);
  note_lock();  // who is killed behind its first lock is no client that writes in place
  return {};
}

void Link::drop_channel(size_t index) {
  if (channels_[index] != nullptr) unwatch(channels_[index]->bell_fd());
  channels_[index].reset();
  queues_[index] = {};
}

void Link::disconnect(std::string why) {
  why_down_ = std::move(why);
  for (size_t i = 0; i < kPeers; ++i) drop_channel(i);
  next_store_.reset();
  if (setup_.valid()) unwatch(setup_.get());
  setup_.reset();
}

void Link::abandon() {
  for (auto& channel : channels_) channel.reset();
  next_store_.reset();
  setup_.reset();
  kick_.reset();
  clock_fd_.reset();
  epoll_.reset();
}

PushResult Link::send(Peer peer, ByteView packet) {
  Channel* to = channel(peer);
  if (to == nullptr) return PushResult::kOk;
  Queue& queue = queues_[static_cast<size_t>(peer)];
  const PushResult pushed = queue.packets.empty() ? to->push({}, packet) : PushResult::kFull;
  if (pushed != PushResult::kFull) return pushed;
  if (queue.bytes != 0 && queue.bytes + packet.size() > kQueueBytesMax) return PushResult::kFull;
  enqueue(peer, packet);
  return PushResult::kOk;  // flush() and arm() see to the rest
}

uint64_t Link::router_position() const {
  const Channel* router = channel(Peer::kRouter);
  return router == nullptr ? kNotYet : router->write_position();
}

void Link::tell_of_control(size_t index, ByteView packet, uint64_t position) const {
  const Header header = read_header(packet);
  const bool control = header.operation == static_cast<uint32_t>(Operation::REQ_CONTROL);
  if (index == static_cast<size_t>(Peer::kRouter) && control && on_control)
    on_control(header.reqid, position);
}

void Link::enqueue(Peer peer, ByteView packet) {
  Queue& queue = queues_[static_cast<size_t>(peer)];
  queue.packets.emplace_back(packet.begin(), packet.end());
  queue.bytes += packet.size();
  tell_of_control(static_cast<size_t>(peer), packet, kNotYet);
}

void Link::resend(Peer peer, ByteView packet) {
  if (send(peer, packet) == PushResult::kFull) enqueue(peer, packet);
}

void Link::empty_queue(size_t index) {
  Queue& queue = queues_[index];
  while (!queue.packets.empty()) {
    const uint64_t position = channels_[index]->write_position();
    PushResult pushed = channels_[index]->push({}, queue.packets.front());
    if (pushed == PushResult::kFull) {
      channels_[index]->want_space();
      // The peer may have consumed before it could see the wish.
      pushed = channels_[index]->push({}, queue.packets.front());
    }
    if (pushed == PushResult::kFull || pushed == PushResult::kDead) return;
    // Earlier than it is when the rest of a large packet came in between: then it may be taken for read.
    tell_of_control(index, queue.packets.front(), position);
    queue.bytes -= queue.packets.front().size();
    queue.packets.pop_front();
  }
}

void Link::flush() {
  for (size_t i = 0; i < kPeers; ++i) {
    if (channels_[i] == nullptr) continue;
    if (!queues_[i].packets.empty()) empty_queue(i);
    channels_[i]->flush();
  }
}

bool Link::all_handed_over() const {
  for (size_t i = 0; i < kPeers; ++i) {
    if (!queues_[i].packets.empty() || (channels_[i] != nullptr && channels_[i]->unsent())) return false;
  }
  return true;
}

std::optional<ByteView> Link::pop(Peer peer) {
  Channel* from = channel(peer);
  if (from == nullptr) return std::nullopt;
  std::optional<Channel::Frame> frame = from->pop();
  if (!frame) return std::nullopt;
  return ByteView(frame->packet);
}

const char* Link::fault() const {
  for (const auto& channel : channels_) {
    if (channel != nullptr && channel->dead()) return channel->fault();
  }
  return "";
}

bool Link::arm(Peer peer) {
  return channel(peer) == nullptr || channel(peer)->arm();
}

void Link::disarm(Peer peer) {
  if (channel(peer) != nullptr) channel(peer)->disarm();
}

bool Link::sleep(int timeout_ms) {
  epoll_event events[kDescriptorsMax];
  const int count = epoll_wait(epoll_.get(), events, kDescriptorsMax, timeout_ms);
  for (int i = 0; i < count; ++i) {
    if (setup_.valid() && events[i].data.fd == setup_.get()) return true;
  }
  return false;
}

Link::News Link::setup_news() {
  Result<std::optional<SetupMessage>> got = receive_setup(setup_.get());
  if (!got) {
    disconnect(got.error().text());
    return News::kLost;
  }
  if (!*got) return News::kNone;
  SetupMessage& message = **got;
  if (message.kind == SetupKind::kRefused) {
    disconnect("cut off by the router: " + message.text);
    return News::kLost;
  }
  if (message.kind == SetupKind::kRouterReplaced) {
    replaced_ = {uint64_t{message.pid} << 32 | message.uid, message.gid == 1};
    return News::kRouterReplaced;
  }
  if (message.kind != SetupKind::kChannelReplaced || message.channels.size() != 1) {
    disconnect("unexpected set-up message");
    return News::kLost;
  }
  Result<std::unique_ptr<Channel>> opened =
      Channel::open(std::move(message.channels[0]), ChannelSide::kClient);
  if (!opened) {
    disconnect(opened.error().text());
    return News::kLost;
  }
  next_store_ = std::move(*opened);
  return News::kStoreReplaced;
}

void Link::adopt_store() {
  constexpr size_t kIndex = static_cast<size_t>(Peer::kStore);
  drop_channel(kIndex);
  if (Result<void> watched = watch(next_store_->bell_fd(), EPOLLIN | EPOLLET); !watched) {
    return disconnect(watched.error().text());
  }
  channels_[kIndex] = std::move(next_store_);
  note_lock();  // who is killed behind its first lock is no client that writes in place
}

Result<void> Link::make_clock() {
  if (clock_fd_.valid()) return {};
  clock_fd_.reset(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!clock_fd_.valid()) return fail_errno("timerfd_create");
  // By edges: a blocking call sleeps on although a timer is due, which is for service().
  return watch(clock_fd_.get(), EPOLLIN | EPOLLET);
}

void Link::wake_at(int64_t monotonic_ns) {
  constexpr int64_t kNsPerS = 1000000000;
  itimerspec when{};
  when.it_value.tv_sec = monotonic_ns / kNsPerS;
  when.it_value.tv_nsec = monotonic_ns % kNsPerS;
  timerfd_settime(clock_fd_.get(), TFD_TIMER_ABSTIME, &when, nullptr);
}

void Link::kick() {
  if (kicked_ || !kick_.valid()) return;
  const uint64_t one = 1;
  kicked_ = write(kick_.get(), &one, sizeof one) == sizeof one;
}

void Link::unkick() {
  if (!kicked_) return;
  uint64_t count = 0;
  (void)!read(kick_.get(), &count, sizeof count);
  kicked_ = false;
}

}  // namespace ctdb
