// SPDX-License-Identifier: GPL-3.0-or-later
// How ctdb-cli ends. Scripts rely on these numbers; they are printed by --help.
#ifndef CTDB_CLI_EXIT_CODES_H_
#define CTDB_CLI_EXIT_CODES_H_

namespace ctdb::cli {

enum class Exit : int {
  kOk = 0,
  kFailed = 1,      // the daemons were asked and said no, or something else failed
  kUsage = 2,       // the command line makes no sense
  kNotHealthy = 3,  // status: not healthy; anything: no answer, or the condition not true, within --timeout
  kNoDaemon = 4,    // nobody there to ask
  kConfig = 78,     // ctdb.conf or nodes is wrong; each problem is named with file and line
};

}  // namespace ctdb::cli

#endif  // CTDB_CLI_EXIT_CODES_H_
