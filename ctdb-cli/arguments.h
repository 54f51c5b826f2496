// SPDX-License-Identifier: GPL-3.0-or-later
// The command line, taken apart by the table of commands. The only file that knows CLI11.
#ifndef CTDB_CLI_ARGUMENTS_H_
#define CTDB_CLI_ARGUMENTS_H_

#include <map>
#include <string>
#include <variant>
#include <vector>

#include "ctdb-cli/command.h"
#include "ctdb-cli/output.h"

namespace ctdb::cli {

struct CommandLine {
  const Command* command = nullptr;
  std::map<std::string, std::string> arguments;
  std::string base;
  std::string socket;  // not empty: --socket was given
  Format format = Format::kTable;
  int timeout_ms = 10000;
  bool timeout_given = false;
};

// Nothing to run: help or version was asked for (kOk), or the line makes no sense (kUsage).
struct Answered {
  Exit exit = Exit::kOk;
  std::string text;
};

// `words` without the program's name. `commands` outlives the result.
std::variant<CommandLine, Answered> parse_command_line(const std::vector<Command>& commands,
                                                       const std::vector<std::string>& words);

}  // namespace ctdb::cli

#endif  // CTDB_CLI_ARGUMENTS_H_
