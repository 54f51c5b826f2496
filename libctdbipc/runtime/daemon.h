// SPDX-License-Identifier: LGPL-3.0-or-later
// What the three daemons' main() share: arguments, configuration, log, counters, loop, signals.
#ifndef LIBCTDBIPC_RUNTIME_DAEMON_H_
#define LIBCTDBIPC_RUNTIME_DAEMON_H_

#include <functional>
#include <memory>
#include <string>

#include "libctdbipc/base/result.h"
#include "libctdbipc/ring/counters.h"
#include "libctdbipc/ring/node_page.h"
#include "libctdbipc/runtime/config.h"
#include "libctdbipc/runtime/event_loop.h"
#include "libctdbipc/runtime/service.h"

namespace ctdb {

// What `start` builds and the loop's callbacks point into.
class DaemonShell {
 public:
  virtual ~DaemonShell() = default;
  // Reads again what is this daemon's alone. Returns what is wrong with it, in words; then nothing has changed.
  virtual std::string reload() { return ""; }
};

struct DaemonContext {
  std::string name;  // "ctdb-store"
  std::string base;  // where the configuration is
  OwnAddress own_address = OwnAddress::kOrAsRouterSaid;
  Config config;
  std::unique_ptr<EventLoop> loop;
  std::unique_ptr<Counters> counters;  // <run>/<name>.counters
  std::unique_ptr<NodePage> node_page;
  std::unique_ptr<Service> service;
  std::unique_ptr<DaemonShell> shell;  // set by `start`; goes before the loop it is registered with
  int exit_status = 0;                 // of an end in good order
  std::string why_ended;               // the same; empty: somebody sent a signal, and knows why
};

// Parses "--base DIR" (default /etc/ctdb), "--check" (check the configuration and exit 0 or 78), "--wait-for-address" (an
// address that this machine does not have yet is no mistake: waits for it), "--ended" (last_end.h),
// "--not-taken PATH" (does another program listen there? says who, and exits 0 or 78), "--version", "--help"; loads the configuration, opens log and counters, makes the loop, calls `start` (which sets up the
// shell; an error ends the process with exit status 1 and its text) and runs the loop until SIGTERM/SIGINT.
// Configuration problems are printed to stderr, one a line, exit status 78, nothing started.
// What ends it is also the status line of `systemctl status`. SIGHUP: reload.h. The shell says when it is ready.
int daemon_main(const std::string& name, int argc, char** argv,
                const std::function<Result<void>(DaemonContext&)>& start,
                OwnAddress own_address = OwnAddress::kOrAsRouterSaid);

// With its parents; nobody but the owner may look inside. One that is there stays as it is.
Result<void> make_directory(const std::string& path);

}  // namespace ctdb

#endif  // LIBCTDBIPC_RUNTIME_DAEMON_H_
