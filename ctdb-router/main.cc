// SPDX-License-Identifier: GPL-3.0-or-later
// ctdb-router: the switchboard of a node. Arguments and files: libctdbipc/runtime/daemon.h.
#include <sys/random.h>
#include <sys/resource.h>

#include <cstdio>
#include <fstream>

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

// For the other daemons, see Config::address_path().
ctdb::Result<void> tell_address(const ctdb::Config& config) {
  const std::string path = config.address_path();
  const std::string fresh = path + ".new";
  std::ofstream out(fresh, std::ios::trunc);
  out << config.node_address << "\n";
  out.close();
  if (!out || std::rename(fresh.c_str(), path.c_str()) != 0) return ctdb::fail_errno("writing " + path);
  return {};
}

ctdb::Result<void> start(ctdb::DaemonContext& context) {
  raise_descriptor_limit();
  uint64_t boot_id = 0;
  if (getrandom(&boot_id, sizeof boot_id, 0) != sizeof boot_id) return ctdb::fail_errno("getrandom");
  if (ctdb::Result<void> told = tell_address(context.config); !told) return told;
  ctdb::Result<std::unique_ptr<ctdb::RouterShell>> shell = ctdb::RouterShell::create(context, boot_id);
  if (!shell) return ctdb::fail(std::move(shell.error()));
  context.shell = std::move(*shell);
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  return ctdb::daemon_main("ctdb-router", argc, argv, start, ctdb::OwnAddress::kOfThisMachine);
}
