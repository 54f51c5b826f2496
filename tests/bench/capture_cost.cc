// SPDX-License-Identifier: GPL-3.0-or-later
// capture-cost MODE COUNT: looks at a message of 128 bytes COUNT times as a daemon does, and prints nanoseconds of CPU time for each. run-bench capture
// --instructions runs it under valgrind. Modes: none (the loop around it), off, recorder, and filter and capture: what a capture that takes
// none, or all, of the packets adds to the recorder (its buffer; writing it out is done between packets).
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>

#include "libctdbipc/base/time.h"
#include "libctdbipc/runtime/capture_tap.h"
#include "libctdbipc/runtime/config.h"
#include "libctdbipc/wire/packet.h"

namespace ctdb::bench {
namespace {

constexpr size_t kPayloadBytes = 128;

using Look = std::function<void(ByteView packet)>;

Bytes message() {
  Bytes packet;
  const Bytes payload(kPayloadBytes, 0x5A);
  build(packet, {0, 0, 0, 1, 0, 0}, ReqMessage{1, payload});
  return packet;
}

int64_t cpu_ns() {
  timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return now.tv_sec * kSecond + now.tv_nsec;
}

double nanoseconds_each(uint64_t count, const Look& look) {
  const Bytes packet = message();
  const int64_t begun = cpu_ns();
  for (uint64_t i = 0; i < count; ++i) look(packet);
  return static_cast<double>(cpu_ns() - begun) / static_cast<double>(count);
}

double through_tap(uint64_t count, EventLoop& loop, const std::string& directory, uint32_t kept) {
  CaptureTap tap(loop, 0);
  Config config;
  config.run_directory = directory;
  config.flight_recorder = kept;
  tap.keep_last(config, "capture-cost");
  return nanoseconds_each(
      count, [&](ByteView packet) { tap.copy(CaptureLink::kNativeClient, false, 0, 1, packet); });
}

double into_buffer(uint64_t count, std::optional<uint32_t> db_id) {
  CaptureOptions options;
  options.db_id = db_id;
  CaptureBuffer buffer(options);
  CapturedPacket seen;
  seen.link = CaptureLink::kNativeClient;
  return nanoseconds_each(count, [&](ByteView packet) {
    seen.bytes = packet;
    buffer.offer(seen);
    buffer.sent(buffer.unsent().size());
  });
}

int run(const std::string& mode, uint64_t count) {
  Result<std::unique_ptr<EventLoop>> loop = EventLoop::create();
  char directory[] = "/tmp/ctdb-capture-cost-XXXXXX";
  if (!loop || mkdtemp(directory) == nullptr) return std::perror("capture-cost"), 1;
  double each = 0;
  if (mode == "none") each = nanoseconds_each(count, [](ByteView) {});
  if (mode == "off") each = through_tap(count, **loop, directory, 0);
  if (mode == "recorder") each = through_tap(count, **loop, directory, Config().flight_recorder);
  if (mode == "filter") each = into_buffer(count, 1);
  if (mode == "capture") each = into_buffer(count, std::nullopt);
  std::filesystem::remove_all(directory);
  std::printf("%.2f\n", each);
  return 0;
}

}  // namespace
}  // namespace ctdb::bench

int main(int count, char** words) {
  if (count != 3) return std::fprintf(stderr, "capture-cost MODE COUNT\n"), 2;
  return ctdb::bench::run(words[1], std::strtoull(words[2], nullptr, 10));
}
