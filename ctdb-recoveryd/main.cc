// SPDX-License-Identifier: GPL-3.0-or-later
// ctdb-recoveryd: membership, election and recovery of one node.
#include "ctdb-recoveryd/shell.h"
#include "libctdbipc/runtime/daemon.h"

int main(int argc, char** argv) {
  const auto start = [](ctdb::DaemonContext& context) -> ctdb::Result<void> {
    ctdb::Result<std::unique_ptr<ctdb::RecoverydShell>> made = ctdb::RecoverydShell::create(context);
    if (!made) return ctdb::fail(std::move(made.error()));
    context.shell = std::move(*made);
    return {};
  };
  return ctdb::daemon_main("ctdb-recoveryd", argc, argv, start);
}
