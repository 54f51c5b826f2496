// SPDX-License-Identifier: GPL-3.0-or-later
// ctdb-bench verbs: router to router over the transports of ctdb-router, without the rest of the daemons. Two processes: node 0 sends
// and measures, node 1 gives back. Both on this machine (the device then talks to itself), or one of them on another one.
#include "tests/bench/verbs_bench.h"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <memory>
#include <optional>

#include "ctdb-router/transport/tcp/tcp_transport.h"
#include "ctdb-router/transport/verbs/verbs_transport.h"
#include "libctdbipc/base/spin_time.h"
#include "libctdbipc/ring/boot_time.h"
#include "libctdbipc/runtime/event_loop.h"
#include "libctdbipc/wire/packet.h"

namespace ctdb::bench {
namespace {

constexpr uint32_t kOther[] = {1, 0};
// Sent before the receiver has said that half of them arrived.
constexpr uint32_t kStreamWindow = 256;
constexpr uint32_t kWarmUp = 50;
constexpr TimeNs kComesUp = 20 * kSecond;
// A peer that is traced, on a busy machine, stands still for seconds.
constexpr int kPingsUnansweredMax = 60;

enum class Kind : uint64_t { kEcho = 1, kStream, kStreamed, kAsk, kSpent, kEnd };

struct Options {
  std::string address = "127.0.0.1", peer = "127.0.0.2", wire = "verbs";
  std::string as = "both";
  std::string only;  // the rows of that name
  uint16_t port = 4380;
  double seconds = 1;
  size_t messages = SIZE_MAX;
  std::vector<size_t> sizes = {64, 128, 256, 512};
  bool spins = false;
  VerbsConfig verbs;
};

// What a process has used since it began.
struct Spent {
  uint64_t cpu_ns = 0, wakeups = 0;
};
static_assert(std::is_trivially_copyable_v<Spent>);

class Node : public TransportEvents {
 public:
  Node(const Options& options, uint32_t pnn) : options_(options), pnn_(pnn) {}
  ~Node() override { transport_.reset(); }

  Result<void> start() {
    Result<std::unique_ptr<EventLoop>> loop = EventLoop::create();
    if (!loop) return fail(std::move(loop.error()));
    loop_ = std::move(*loop);
    TcpOptions tcp;
    tcp.pnn = pnn_;
    const bool first = pnn_ == 0;
    tcp.nodes = {{0, first ? options_.address : options_.peer, false},
                 {1, first ? options_.peer : options_.address, false}};
    tcp.port = options_.port;
    tcp.cluster_name = "ctdb-bench";
    tcp.pings_unanswered_max = kPingsUnansweredMax;
    tcp.boot_id = static_cast<uint64_t>(boot_time());
    const auto make_tcp = [&](TransportEvents& events) { return make_tcp_transport(tcp, *loop_, events); };
    transport_ = options_.wire == "tcp"
                     ? make_tcp(*this)
                     : make_verbs_transport({pnn_, options_.address, tcp.nodes, options_.verbs, {}}, *loop_,
                                            *this, make_tcp);
    loop_->add_flush_hook([this] { transport_->flush(); });
    return transport_->start();
  }

  void on_down(uint32_t, uint64_t, const std::string& why) override {
    if (finished_) return;
    failure_ = "the link has ended: " + why;
    loop_->stop();
  }
  void on_lost(uint32_t, ByteView) override {}

 protected:
  void send(Kind kind, size_t payload_bytes, ByteView data = {}) {
    payload_.assign(std::max(payload_bytes, data.size()), 0x5A);
    std::copy(data.begin(), data.end(), payload_.begin());
    build(packet_, {0, 0, 0, kOther[pnn_], pnn_, 0}, ReqMessage{static_cast<uint64_t>(kind), payload_});
    transport_->send(kOther[pnn_], Lane::kData, packet_);
  }
  Spent spent() const {
    rusage used;
    getrusage(RUSAGE_SELF, &used);
    const auto ns = [](const timeval& time) {
      return static_cast<uint64_t>(time.tv_sec * kSecond + time.tv_usec * kMicrosecond);
    };
    return {ns(used.ru_utime) + ns(used.ru_stime), loop_->wakeups()};
  }

  const Options& options_;
  const uint32_t pnn_;
  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<Transport> transport_;
  std::string failure_;
  bool finished_ = false;

 private:
  Bytes payload_, packet_;
};

// Node 1.
class Mirror : public Node {
 public:
  using Node::Node;
  int run() {
    if (!loop_->run() || !failure_.empty())
      std::fprintf(stderr, "ctdb-bench verbs, node 1: %s\n", failure_.c_str());
    return failure_.empty() ? 0 : 1;
  }
  void on_up(uint32_t, uint64_t) override {}
  void on_down(uint32_t pnn, uint64_t session, const std::string& why) override {
    if (!was_ended_) Node::on_down(pnn, session, why);
    loop_->stop();
  }
  bool on_packet(uint32_t, MutableBytes packet) override {
    const auto message = parse_req_message(packet);
    if (!message) return false;
    switch (static_cast<Kind>(message->srvid)) {
      case Kind::kEcho:
        send(Kind::kEcho, message->data.size());
        break;
      case Kind::kStream:
        if (++streamed_ % (kStreamWindow / 2) == 0) send(Kind::kStreamed, 0);
        break;
      case Kind::kAsk: {
        const Spent now = spent();
        send(Kind::kSpent, 0, as_bytes(std::string_view(reinterpret_cast<const char*>(&now), sizeof now)));
        break;
      }
      case Kind::kEnd:
        was_ended_ = true;
        break;
      default:
        return false;
    }
    return true;
  }

 private:
  uint64_t streamed_ = 0;
  bool was_ended_ = false;
};

// Node 0.
class Meter : public Node {
 public:
  using Node::Node;
  int run() {
    until_ = boot_time() + kComesUp;
    wait_for_wire();
    if (!loop_->run()) failure_ = "the loop has ended";
    if (failure_.empty()) return 0;
    std::fprintf(stderr, "ctdb-bench verbs: %s\n", failure_.c_str());
    return 1;
  }
  void on_up(uint32_t, uint64_t) override {}
  bool on_packet(uint32_t, MutableBytes packet) override {
    const auto message = parse_req_message(packet);
    if (!message) return false;
    switch (static_cast<Kind>(message->srvid)) {
      case Kind::kEcho:
        came_back();
        break;
      case Kind::kStreamed:
        outstanding_ -= kStreamWindow / 2;
        stream_more();
        break;
      case Kind::kSpent:
        if (message->data.size() != sizeof(Spent)) return false;
        std::memcpy(&peer_spent_, message->data.data(), sizeof(Spent));
        (this->*then_)();
        break;
      default:
        return false;
    }
    return true;
  }

 private:
  using Step = void (Meter::*)();

  void ask(Step then) {
    then_ = then;
    send(Kind::kAsk, 0);
  }
  void wait_for_wire() {
    const LinkReport report = transport_->report(1);
    const bool up = report.kind == (options_.wire == "tcp" ? LinkKind::kTcp : LinkKind::kVerbs);
    if (up) return ask(&Meter::start_size);
    if (boot_time() >= until_) {
      failure_ = "no link over " + options_.wire + " to " + options_.peer +
                 (report.why.empty() ? "" : ": " + report.why);
      return loop_->stop();
    }
    loop_->at(boot_time() + 10 * kMillisecond, [this] { wait_for_wire(); });
  }

  void start_size() { options_.only == "one_way" ? start_stream() : start_round_trips(); }

  // ---- one message there and back at a time ----
  void start_round_trips() {
    times_.clear();
    to_skip_ = kWarmUp;
    bounce();
  }
  void bounce() {
    sent_at_ = boot_time();
    send(Kind::kEcho, options_.sizes[at_]);
    // As a router with "[cluster] spin = adaptive" while a reply is outstanding.
    if (options_.spins && enough_processors_to_spin()) loop_->stay_awake_until(sent_at_ + kSpinTime);
  }
  void came_back() {
    const TimeNs now = boot_time();
    if (options_.spins) loop_->stay_awake_until(0);
    if (to_skip_ > 0) {
      if (--to_skip_ == 0) return ask(&Meter::count_round_trips);
    } else {
      times_.push_back(now - sent_at_);
      if (now >= until_ || times_.size() >= options_.messages) return ask(&Meter::end_round_trips);
    }
    bounce();
  }
  void begin_counting() {
    began_ = boot_time();
    until_ = began_ + static_cast<TimeNs>(options_.seconds * kSecond);
    spent_before_ = spent();
    peer_before_ = peer_spent_;
    wire_before_ = transport_->report(1);
  }
  // What is printed as over a wire did not go another way.
  bool all_over_wire() const {
    const LinkReport now = transport_->report(1);
    if (options_.wire == "tcp") return now.verbs_out == 0 && now.verbs_in == 0;
    return now.tcp_out == wire_before_.tcp_out && now.tcp_in == wire_before_.tcp_in;
  }
  void count_round_trips() {
    begin_counting();
    bounce();
  }
  void end_round_trips() {
    std::sort(times_.begin(), times_.end());
    const auto at = [this](double part) {
      return static_cast<double>(times_[static_cast<size_t>(part * static_cast<double>(times_.size() - 1))]) /
             1e3;
    };
    print("round_trip", times_.size(), at(0.5), at(0.99));
    options_.only == "round_trip" ? next_size() : start_stream();
  }

  // ---- as many as go, one way ----
  void start_stream() {
    streamed_ = outstanding_ = 0;
    begin_counting();
    stream_more();
  }
  void stream_more() {
    if (boot_time() >= until_) {
      if (outstanding_ < kStreamWindow / 2) ask(&Meter::end_stream);
      return;
    }
    for (; outstanding_ < kStreamWindow; ++outstanding_, ++streamed_)
      send(Kind::kStream, options_.sizes[at_]);
  }
  void end_stream() {
    print("one_way", streamed_, 0, 0);
    next_size();
  }

  void next_size() {
    if (++at_ < options_.sizes.size()) return start_size();
    finished_ = true;
    send(Kind::kEnd, 0);
    transport_->flush();
    loop_->stop();
  }

  // Of a round trip each side has received one message.
  void print(const char* name, uint64_t messages, double median_us, double p99_us) {
    if (!all_over_wire())
      failure_ = std::string("of ") + name + ", not all messages went over " + options_.wire;
    const double seconds = static_cast<double>(boot_time() - began_) / 1e9;
    const auto each = [messages](uint64_t a, uint64_t b) {
      return static_cast<double>(a - b) / static_cast<double>(std::max<uint64_t>(messages, 1));
    };
    std::printf(
        "{\"name\": \"%s_%s_%zu\", \"operations\": %llu, \"seconds\": %.6f, \"median_us\": %.3f, \"p99_us\": "
        "%.3f, "
        "\"rate\": %.1f, \"cpu_us\": %.3f, \"receiver_wakeups\": %.3f}\n",
        options_.wire.c_str(), name, options_.sizes[at_], static_cast<unsigned long long>(messages), seconds,
        median_us, p99_us, static_cast<double>(messages) / seconds,
        (each(spent().cpu_ns, spent_before_.cpu_ns) + each(peer_spent_.cpu_ns, peer_before_.cpu_ns)) / 1e3,
        each(peer_spent_.wakeups, peer_before_.wakeups));
    std::fflush(stdout);
  }

  size_t at_ = 0;  // in sizes
  Step then_ = nullptr;
  Spent peer_spent_, peer_before_, spent_before_;
  LinkReport wire_before_;
  TimeNs began_ = 0, until_ = 0, sent_at_ = 0;
  uint32_t to_skip_ = 0, outstanding_ = 0;
  uint64_t streamed_ = 0;
  std::vector<TimeNs> times_;
};

template <typename Role>
int run_as(Options options, uint32_t pnn) {
  if (pnn == 1 && options.as == "both") std::swap(options.address, options.peer);
  Role role(options, pnn);
  if (const Result<void> started = role.start(); !started) {
    std::fprintf(stderr, "ctdb-bench verbs, node %u: %s\n", pnn, started.error().text().c_str());
    return 1;
  }
  return role.run();
}

int run_both(const Options& options) {
  const pid_t child = fork();
  if (child < 0) {
    std::perror("ctdb-bench verbs: fork");
    return 1;
  }
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    _exit(run_as<Mirror>(options, 1));
  }
  const int result = run_as<Meter>(options, 0);
  int status = 0;
  if (result != 0) kill(child, SIGKILL);
  waitpid(child, &status, 0);
  return result != 0 ? result : WEXITSTATUS(status);
}

}  // namespace

int run_verbs_bench(int argc, char** argv) {
  Options options;
  CLI::App app("Round trips and one-way messages between two routers' transports", "ctdb-bench verbs");
  app.add_option("--wire", options.wire, "verbs or tcp")
      ->check(CLI::IsMember({"verbs", "tcp"}))
      ->capture_default_str();
  app.add_option("--as", options.as,
                 "0: measures; 1: gives back, ends with the other one; both: two processes here")
      ->check(CLI::IsMember({"0", "1", "both"}))
      ->capture_default_str();
  app.add_option("--address", options.address, "of this end")->capture_default_str();
  app.add_option("--peer", options.peer, "of the other end")->capture_default_str();
  app.add_option("--port", options.port, "TCP port of both")->capture_default_str();
  app.add_option("--device", options.verbs.device, "RDMA device; default: the one that has the address");
  app.add_option("--device-port", options.verbs.port, "its port; 0: any")->capture_default_str();
  app.add_option("--gid-index", options.verbs.gid_index, "-1: the one of the address")->capture_default_str();
  app.add_option("--seconds", options.seconds, "a row")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--messages", options.messages, "round trips a row, if that is sooner");
  app.add_option("--only", options.only, "round_trip or one_way; default: both")
      ->check(CLI::IsMember({"round_trip", "one_way"}));
  app.add_flag("--spin", options.spins,
               "look for the answer for up to 20 us before sleeping (with more than two processors)");
  app.add_option("--sizes", options.sizes, "bytes of payload")->delimiter(',')->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  if (options.as == "both") return run_both(options);
  return options.as == "0" ? run_as<Meter>(options, 0) : run_as<Mirror>(options, 1);
}

}  // namespace ctdb::bench
