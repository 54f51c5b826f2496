// SPDX-License-Identifier: GPL-3.0-or-later
// The smallest daemon: daemon_main and a shell that does nothing but refuse to start, end, or wait.
#include <cstdlib>
#include <cstring>

#include "libctdbipc/runtime/daemon.h"

namespace ctdb {
namespace {

// Registered with the loop like a real shell: it must go before the loop.
class Shell : public DaemonShell {
 public:
  explicit Shell(EventLoop& loop) : loop_(loop), timer_(loop.at(kNever, [] {})) {}
  ~Shell() override { loop_.cancel(timer_); }

 private:
  EventLoop& loop_;
  EventLoop::TimerId timer_;
};

Result<void> start(DaemonContext& context) {
  const char* mode = std::getenv("TEST_DAEMON_MODE");
  if (mode != nullptr && std::strcmp(mode, "refuse") == 0) return fail(ErrorCode::kLimit, "not today");
  if (mode != nullptr && std::strcmp(mode, "taken") == 0)
    return fail(ErrorCode::kRefused, "another program has it");
  if (mode != nullptr && std::strcmp(mode, "end") == 0) context.loop->stop();
  context.counters->set_status("started");
  context.service->status("started");
  context.service->ready();
  context.shell = std::make_unique<Shell>(*context.loop);
  return {};
}

}  // namespace
}  // namespace ctdb

int main(int argc, char** argv) {
  return ctdb::daemon_main("test-daemon", argc, argv, ctdb::start);
}
