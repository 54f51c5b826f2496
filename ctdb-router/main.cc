// SPDX-License-Identifier: GPL-3.0-or-later
// ctdb-router: the switchboard of a node. Arguments and files: libctdbipc/runtime/daemon.h.
#include <sys/random.h>
#include <sys/resource.h>

#include "ctdb-router/shell/shell.h"
#include "libctdbipc/runtime/daemon.h"

namespace {

// Every client costs descriptors; what the administrator allows is used.
void raise_descriptor_limit() {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

ctdb::Result<void> start(ctdb::DaemonContext& context) {
  raise_descriptor_limit();
  uint64_t boot_id = 0;
  if (getrandom(&boot_id, sizeof boot_id, 0) != sizeof boot_id) return ctdb::fail_errno("getrandom");
  ctdb::Result<std::unique_ptr<ctdb::RouterShell>> shell = ctdb::RouterShell::create(context, boot_id);
  if (!shell) return ctdb::fail(std::move(shell.error()));
  context.shell = std::move(*shell);
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  return ctdb::daemon_main("ctdb-router", argc, argv, start);
}
