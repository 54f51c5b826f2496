// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-store/backend/process_start.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "ctdb-store/backend/tdb_handle.h"
#include "libctdbipc/runtime/log.h"

namespace ctdb {

void ignore_signals() {
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGPIPE}) signal(number, SIG_IGN);
}

void settle_in(pid_t parent, const char* name) {
  prctl(PR_SET_NAME, name);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(0);  // it died before we asked to be told
  ignore_signals();
}

void become_helper(const char* log_name, int socket, int number) {
  // First of all let go of the log: its file descriptor is closed below and its number would be used again.
  (void)log_open(log_name, "stderr", log_level()).has_value();
  TdbHandle::close_inherited();  // there are some when one that was killed is replaced
  if (socket != number) dup3(socket, number, O_CLOEXEC);
  close_range(static_cast<unsigned>(number) + 1, ~0u, 0);
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  dup2(null, 0);
  dup2(null, 1);
  close(null);
}

}  // namespace ctdb
