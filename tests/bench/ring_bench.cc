// SPDX-License-Identifier: GPL-3.0-or-later
// ring-bench: what a channel costs by itself. Push and pop in one process (no sleeping, no bell), round trips between two
// processes with door-bells, and bursts, where one bell stands for many frames.
#include <benchmark/benchmark.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>

#include "libctdbipc/ring/channel.h"

namespace ctdb {
namespace {

constexpr size_t kRingBytes = 256u << 10;

std::unique_ptr<Channel> must_open(ChannelFds fds, ChannelSide side) {
  Result<std::unique_ptr<Channel>> channel = Channel::open(std::move(fds), side);
  if (!channel) {
    std::fprintf(stderr, "ring-bench: %s\n", channel.error().text().c_str());
    std::exit(1);
  }
  return std::move(*channel);
}

ChannelPair must_create() {
  Result<ChannelPair> pair = create_channel(kRingBytes);
  if (!pair) {
    std::fprintf(stderr, "ring-bench: %s\n", pair.error().text().c_str());
    std::exit(1);
  }
  return std::move(*pair);
}

void push_pop(benchmark::State& state) {
  ChannelPair pair = must_create();
  const auto server = must_open(std::move(pair.server), ChannelSide::kServer);
  const auto client = must_open(std::move(pair.client), ChannelSide::kClient);
  const Bytes packet(static_cast<size_t>(state.range(0)), 7);
  for (auto _ : state) {
    client->push({}, packet);
    client->flush();
    benchmark::DoNotOptimize(server->pop());
    server->flush();
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(push_pop)->Arg(64)->Arg(128)->Arg(512);

// Pops one frame, sleeping on the bell when there is none.
class Sleeper {
 public:
  explicit Sleeper(Channel& channel) : channel_(channel), epoll_(epoll_create1(EPOLL_CLOEXEC)) {
    epoll_event event{};
    event.events = EPOLLIN | EPOLLET;
    if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, channel.bell_fd(), &event) != 0) std::exit(1);
  }
  ByteView next() {
    for (;;) {
      if (auto frame = channel_.pop()) return frame->packet;
      channel_.flush();
      if (!channel_.arm()) continue;
      epoll_event event{};
      epoll_wait(epoll_.get(), &event, 1, -1);
      channel_.disarm();
    }
  }

 private:
  Channel& channel_;
  UniqueFd epoll_;
};

// A child that sends every `burst`th frame back.
pid_t start_echo(ChannelFds end, int64_t burst) {
  const pid_t child = fork();
  if (child != 0) return child;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const auto channel = must_open(std::move(end), ChannelSide::kServer);
  Sleeper sleeper(*channel);
  for (int64_t i = 1;; ++i) {
    const ByteView packet = sleeper.next();
    if (i % burst == 0) {
      channel->push({}, packet);
      channel->flush();
    }
  }
}

void across_processes(benchmark::State& state, int64_t burst) {
  ChannelPair pair = must_create();
  const pid_t child = start_echo(std::move(pair.server), burst);
  const auto channel = must_open(std::move(pair.client), ChannelSide::kClient);
  Sleeper sleeper(*channel);
  const Bytes packet(static_cast<size_t>(state.range(0)), 7);
  for (auto _ : state) {
    for (int64_t i = 0; i < burst; ++i) channel->push({}, packet);
    channel->flush();
    benchmark::DoNotOptimize(sleeper.next());
  }
  state.SetItemsProcessed(state.iterations() * burst);
  state.counters["bells/round"] =
      benchmark::Counter(static_cast<double>(channel->bells_rung()), benchmark::Counter::kAvgIterations);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
}

void round_trip(benchmark::State& state) {
  across_processes(state, 1);
}
BENCHMARK(round_trip)->Arg(64)->Arg(128)->Arg(512)->UseRealTime();

void burst_of_64(benchmark::State& state) {
  across_processes(state, 64);
}
BENCHMARK(burst_of_64)->Arg(64)->Arg(128)->Arg(512)->UseRealTime();

}  // namespace
}  // namespace ctdb

BENCHMARK_MAIN();
