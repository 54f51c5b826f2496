// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbipc/runtime/capture_tap.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <vector>

#include "libctdbipc/base/time.h"
#include "libctdbipc/runtime/log.h"
#include "libctdbipc/runtime/setup_socket.h"

namespace ctdb {
namespace {

constexpr mode_t kSocketMode = 0700;
constexpr size_t kSessionsMax = 8;
constexpr size_t kWriteBytesMax = 1u << 20;  // of one turn, so that packets do not wait for us

int64_t wall_clock_ns() {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec * kSecond + now.tv_nsec;
}

// What was sent; nullopt: the other side is gone.
std::optional<size_t> send_bytes(int fd, ByteView bytes) {
  const ssize_t done = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (done >= 0) return static_cast<size_t>(done);
  return errno == EAGAIN || errno == EINTR ? std::optional<size_t>(0) : std::nullopt;
}

}  // namespace

CaptureTap::~CaptureTap() {
  for (const auto& [fd, session] : sessions_) loop_.unwatch(fd);
}

Result<void> CaptureTap::listen(const std::string& path) {
  Result<std::unique_ptr<Listener>> listener = Listener::create_local(
      loop_, path, SOCK_STREAM, kSocketMode, [this](UniqueFd fd) { accept_one(std::move(fd)); });
  if (!listener) return fail(std::move(listener.error()));
  listener_ = std::move(*listener);
  loop_.add_flush_hook([this] { flush(); });
  return {};
}

void CaptureTap::keep_last(const Config& config, const std::string& daemon) {
  const std::string path = flight_path(config.run_directory, daemon);
  if (config.flight_recorder == 0) {
    if (Result<void> gone = FlightRecorder::remove(path); !gone)
      log_warning("the last packets that were kept stay: " + gone.error().text());
    return;
  }
  auto recorder = FlightRecorder::open(path, config.flight_recorder, pnn_);
  if (recorder) {
    recorder_ = std::move(*recorder);
  } else {
    log_warning("no flight recorder: " + recorder.error().text());
  }
}

void CaptureTap::accept_one(UniqueFd fd) {
  if (sessions_.size() >= 2 * kSessionsMax) return;
  const Result<PeerCredentials> who = peer_credentials(fd.get());
  if (!who) return;
  const int number = fd.get();
  if (!loop_.watch(number, EPOLLIN, [this, number](uint32_t events) { on_event(number, events); })) return;
  Session& session = sessions_[number];
  session.fd = std::move(fd);
  session.allowed = who->uid == 0 || who->uid == geteuid();
  if (session.allowed) return;
  log_warning("capture: refused process " + std::to_string(who->pid) + " of user " +
              std::to_string(who->uid));
  session.answer = encode_capture_answer(CaptureAnswer::kNotAllowed, pnn_);
  session.ending = true;
}

void CaptureTap::on_event(int fd, uint32_t events) {
  const auto found = sessions_.find(fd);
  if (found == sessions_.end()) return;
  Session& session = found->second;
  if ((events & (EPOLLHUP | EPOLLERR)) != 0) return end(fd);
  if ((events & EPOLLIN) != 0) read_some(session);
  if (!write_some(session)) end(fd);
}

void CaptureTap::read_some(Session& session) {
  std::array<uint8_t, kCaptureRequestBytes> room;
  const ssize_t got = recv(session.fd.get(), room.data(), room.size(), MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) {
    if (session.buffer && !session.ending) session.buffer->end();
    session.ending = true;
    return;
  }
  if (session.buffer || session.ending) return;  // nothing more is to be said
  session.request.insert(session.request.end(), room.begin(), room.begin() + got);
  if (session.request.size() >= kCaptureRequestBytes) take_request(session);
}

void CaptureTap::take_request(Session& session) {
  const std::optional<CaptureOptions> options = CaptureOptions::decode(session.request);
  CaptureAnswer answer = CaptureAnswer::kOk;
  if (!options) answer = CaptureAnswer::kBadRequest;
  if (options && capturing_ >= static_cast<int>(kSessionsMax)) answer = CaptureAnswer::kTooMany;
  session.answer = encode_capture_answer(answer, pnn_);
  session.ending = answer != CaptureAnswer::kOk;
  if (session.ending) return;
  session.buffer.emplace(*options);
  ++capturing_;
  log_notice("capture: begun");
}

// false: the session is over.
bool CaptureTap::write_some(Session& session) {
  size_t left = kWriteBytesMax;
  bool blocked = false;
  while (!blocked && left > 0) {
    const bool greeting = !session.answer.empty();
    const ByteView waiting = greeting         ? ByteView(session.answer)
                             : session.buffer ? session.buffer->unsent()
                                              : ByteView();
    if (waiting.empty()) break;
    const std::optional<size_t> done =
        send_bytes(session.fd.get(), waiting.first(std::min(waiting.size(), left)));
    if (!done) return false;
    if (greeting)
      session.answer.erase(session.answer.begin(), session.answer.begin() + static_cast<ptrdiff_t>(*done));
    if (!greeting) session.buffer->sent(*done);
    blocked = *done == 0;
    left -= *done;
  }
  const bool waits = !session.answer.empty() || (session.buffer && !session.buffer->unsent().empty());
  if (session.ending && !waits) return false;
  if (waits == session.write_wanted && !session.ending) return true;
  session.write_wanted = waits;
  // One that has said its last word would be readable for ever.
  const uint32_t read = session.ending ? 0 : static_cast<uint32_t>(EPOLLIN);
  return loop_.rewatch(session.fd.get(), waits ? read | EPOLLOUT : read).has_value();
}

void CaptureTap::end(int fd) {
  const auto found = sessions_.find(fd);
  loop_.unwatch(fd);
  if (found->second.buffer) {
    --capturing_;
    log_notice("capture: ended, " + std::to_string(found->second.buffer->copied()) + " packets copied, " +
               std::to_string(found->second.buffer->dropped()) + " dropped");
  }
  sessions_.erase(found);
}

void CaptureTap::flush() {
  if (sessions_.empty()) return;
  std::vector<int> over;
  for (auto& [fd, session] : sessions_) {
    if (!session.write_wanted && !write_some(session)) over.push_back(fd);
  }
  for (const int fd : over) end(fd);
}

// Without a look at the clock for each packet; the wall clock may be set while we run.
int64_t CaptureTap::time_of_turn() {
  const TimeNs now = loop_.now();
  if (compared_at_ == 0 || now - compared_at_ > kSecond) {
    compared_at_ = now;
    wall_ahead_ns_ = wall_clock_ns() - now;
  }
  return now + wall_ahead_ns_;
}

void CaptureTap::copy_to_all(CaptureLink link, bool outgoing, uint32_t number, FrameInfo info,
                             ByteView packet) {
  CapturedPacket seen;
  seen.link = link;
  seen.outgoing = outgoing;
  seen.number = number;
  seen.client = info.endpoint;
  seen.flags = info.flags;
  seen.bytes = packet;
  if (recorder_ != nullptr && info.flags == 0) {
    seen.wall_ns = time_of_turn();
    recorder_->record(seen);
  }
  if (capturing_ == 0) return;
  seen.wall_ns = wall_clock_ns();
  for (auto& [fd, session] : sessions_) {
    if (session.buffer && !session.ending) session.buffer->offer(seen);
  }
}

}  // namespace ctdb
