// SPDX-License-Identifier: GPL-3.0-or-later
// capture: the packets of this node into a pcapng file. Router and store copy them to us (libctdbipc/wire/capture.h); here they are put
// into one order and written.
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include "ctdb-cli/command.h"
#include "ctdb-cli/commands/capture_plan.h"
#include "ctdb-cli/pcapng.h"
#include "libctdbipc/base/result.h"
#include "libctdbipc/base/unique_fd.h"

namespace ctdb::cli {
namespace {

constexpr int kTurnMs = 100;
constexpr size_t kReadBytes = 1u << 20;

volatile sig_atomic_t interrupted = 0;
void on_signal(int) {
  interrupted = 1;
}

// One daemon that copies packets to us.
struct Source {
  std::string daemon;
  UniqueFd fd;
  Bytes bytes;
  size_t used = 0;
  uint64_t dropped = 0;
  bool ended = false;

  ByteView unread() const { return ByteView(bytes).subspan(used); }
};

// ---- the daemons ----

const char* refusal(CaptureAnswer answer) {
  switch (answer) {
    case CaptureAnswer::kNotAllowed:
      return "only root and the daemons' own user may capture";
    case CaptureAnswer::kTooMany:
      return "as many captures as possible run already";
    default:
      return "it does not understand the request (another version?)";
  }
}

// Reads `size` bytes within `timeout_ms`.
bool read_exactly(int fd, MutableBytes room, int timeout_ms) {
  for (size_t have = 0; have < room.size();) {
    pollfd wait{fd, POLLIN, 0};
    if (poll(&wait, 1, timeout_ms) <= 0) return false;
    const ssize_t got = recv(fd, room.data() + have, room.size() - have, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (got <= 0) return false;
    have += static_cast<size_t>(got);
  }
  return true;
}

Result<UniqueFd> connect_stream(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return fail(ErrorCode::kInvalid, path + ": the name is too long");
  std::memcpy(address.sun_path, path.c_str(), path.size());
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return fail_errno("making a socket");
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return fail_errno("connecting to " + path);
  return fd;
}

Result<Source> open_source(const Invocation& invocation, const char* daemon, const CaptureOptions& options,
                           uint32_t& pnn) {
  Source source;
  source.daemon = daemon;
  Result<UniqueFd> fd = connect_stream(capture_socket(invocation.place.run_directory, daemon));
  if (!fd) return fail(std::move(fd.error()));
  source.fd = std::move(*fd);
  const Bytes request = options.encode();
  std::array<uint8_t, kCaptureAnswerBytes> answer{};
  const bool asked = send(source.fd.get(), request.data(), request.size(), MSG_NOSIGNAL) ==
                     static_cast<ssize_t>(request.size());
  // One that refuses may have closed its side before the request got there; its answer says why.
  const bool answered = read_exactly(source.fd.get(), answer, invocation.timeout_ms);
  if (!asked && !answered)
    return fail(ErrorCode::kDisconnected, std::string(daemon) + " has closed the connection");
  if (!answered) return fail(ErrorCode::kTimeout, std::string(daemon) + " does not answer");
  const std::optional<CaptureAnswer> said = decode_capture_answer(answer, pnn);
  if (said != CaptureAnswer::kOk)
    return fail(ErrorCode::kRefused,
                std::string(daemon) + ": " + refusal(said.value_or(CaptureAnswer::kBadRequest)));
  return source;
}

void read_some(Source& source) {
  if (source.used > 0) {
    source.bytes.erase(source.bytes.begin(), source.bytes.begin() + static_cast<ptrdiff_t>(source.used));
    source.used = 0;
  }
  const size_t have = source.bytes.size();
  source.bytes.resize(have + kReadBytes);
  const ssize_t got = recv(source.fd.get(), source.bytes.data() + have, kReadBytes, MSG_DONTWAIT);
  source.bytes.resize(have + static_cast<size_t>(std::max<ssize_t>(got, 0)));
  if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) source.ended = true;
}

// ---- capturing ----

class Capture {
 public:
  Capture(std::vector<Source> sources, Plan plan, uint32_t pnn, CaptureFile output)
      : sources_(std::move(sources)), plan_(plan), writer_(pnn), output_(std::move(output)) {}

  // Until all is there. Returns what went wrong, "" if nothing.
  std::string run() {
    while (!over()) {
      if (!stopping_ && (interrupted != 0 || time_is_over())) stop();
      wait();
      for (Source& source : sources_) {
        if (!source.ended) read_some(source);
      }
      if (std::string problem = write_what_is_there(); !problem.empty()) return problem;
    }
    writer_.finish(wall_clock_ns());
    return output_.write_all(writer_.bytes()) || errno == EPIPE
               ? ""
               : std::string("writing: ") + std::strerror(errno);
  }
  uint64_t packets() const { return writer_.packets(); }
  uint64_t dropped() const {
    uint64_t sum = 0;
    for (const Source& source : sources_) sum += source.dropped;
    return sum;
  }

 private:
  bool time_is_over() const { return plan_.until_ns != 0 && wall_clock_ns() >= plan_.until_ns; }
  bool over() const {
    return enough() || std::all_of(sources_.begin(), sources_.end(), [](const Source& s) { return s.ended; });
  }
  bool enough() const { return writer_.packets() >= plan_.packets; }

  // They send what they have copied until now, and end.
  void stop() {
    stopping_ = true;
    for (Source& source : sources_) shutdown(source.fd.get(), SHUT_WR);
  }

  void wait() {
    std::vector<pollfd> waits;
    for (const Source& source : sources_) {
      if (!source.ended) waits.push_back({source.fd.get(), POLLIN, 0});
    }
    poll(waits.data(), waits.size(), kTurnMs);
  }

  // The oldest of all sources first.
  std::string write_what_is_there() {
    while (!enough()) {
      Source* first = nullptr;
      CapturedPacket oldest;
      for (Source& source : sources_) {
        ByteView unread = source.unread();
        bool broken = false;
        const std::optional<CapturedPacket> packet = take_captured(unread, broken);
        if (broken) return source.daemon + " sends what is no capture (another version?)";
        if (!packet || (first != nullptr && packet->wall_ns >= oldest.wall_ns)) continue;
        first = &source;
        oldest = *packet;
      }
      if (first == nullptr) break;
      ByteView unread = first->unread();
      const size_t before = unread.size();
      bool broken = false;
      take_captured(unread, broken);
      const uint64_t newly_dropped = oldest.dropped - first->dropped;
      if (is_packet(oldest)) {
        writer_.packet(oldest, newly_dropped);
      } else {
        writer_.dropped_at_the_end(newly_dropped);
      }
      first->dropped = oldest.dropped;
      first->used += before - unread.size();
    }
    if (output_.write_all(writer_.bytes())) return "";
    if (errno != EPIPE) return std::string("writing: ") + std::strerror(errno);
    for (Source& source : sources_) source.ended = true;  // whoever reads has seen enough
    return "";
  }

  std::vector<Source> sources_;
  const Plan plan_;
  PcapngWriter writer_;
  CaptureFile output_;
  bool stopping_ = false;
};

void prepare_signals() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  signal(SIGPIPE, SIG_IGN);
}

Exit exit_of(const Error& error) {
  if (error.code == ErrorCode::kTimeout) return Exit::kNotHealthy;
  const bool nobody = error.saved_errno == ENOENT || error.saved_errno == ECONNREFUSED;
  return nobody || error.code == ErrorCode::kDisconnected ? Exit::kNoDaemon : Exit::kFailed;
}

}  // namespace

Outcome capture(const Invocation& invocation) {
  Plan plan;
  if (const std::string problem = make_plan(invocation, plan); !problem.empty())
    return failed(Exit::kUsage, problem);
  if (invocation.optional("last")) return capture_last(invocation, plan);
  prepare_signals();
  std::vector<Source> sources;
  uint32_t pnn = 0;
  std::string notes;
  for (const char* daemon : {"ctdb-router", "ctdb-store"}) {
    Result<Source> source = open_source(invocation, daemon, plan.options, pnn);
    if (source) {
      sources.push_back(std::move(*source));
    } else if (sources.empty()) {
      return failed(exit_of(source.error()), source.error().text());
    } else {
      notes += "; without the store's packets: " + source.error().text();
    }
  }
  Result<CaptureFile> output = CaptureFile::open(invocation.argument("write"));
  if (!output) return failed(Exit::kFailed, output.error().text());
  Capture run(std::move(sources), plan, pnn, std::move(*output));
  const std::string problem = run.run();
  if (!problem.empty()) return failed(Exit::kFailed, problem);
  return captured(invocation, run.packets(), run.dropped(), notes);
}

}  // namespace ctdb::cli
