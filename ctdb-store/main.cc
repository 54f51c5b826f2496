// SPDX-License-Identifier: GPL-3.0-or-later
// ctdb-store: the records of a node. Arguments and files: libctdbipc/runtime/daemon.h.
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "ctdb-store/shell.h"
#include "ctdb-store/store_lock.h"
#include "libctdbipc/runtime/daemon.h"

namespace {

using ctdb::Result;

void prepare_process() {
  // Every native client costs descriptors; what the administrator allows is used.
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
  }
  // A file that may not grow is an error of the call and not the end of the process.
  signal(SIGXFSZ, SIG_IGN);
  // The core looks 30 us after a busy lock; the default slack of 50 us would more than double that.
  prctl(PR_SET_TIMERSLACK, 1);
}

Result<void> start(ctdb::DaemonContext& context) {
  prepare_process();
  const ctdb::Config& config = context.config;
  for (const std::string& path : {config.volatile_directory, config.persistent_directory}) {
    if (Result<void> made = ctdb::make_directory(path); !made) return made;
  }
  static ctdb::UniqueFd lock;  // as long as this process lives
  Result<ctdb::UniqueFd> locked = ctdb::lock_for_store(config.persistent_directory);
  if (!locked) return ctdb::fail(std::move(locked.error()));
  lock = std::move(*locked);
  Result<std::unique_ptr<ctdb::StoreShell>> shell = ctdb::StoreShell::create(context);
  if (!shell) return ctdb::fail(std::move(shell.error()));
  context.shell = std::move(*shell);
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  return ctdb::daemon_main("ctdb-store", argc, argv, start);
}
