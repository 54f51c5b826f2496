// SPDX-License-Identifier: GPL-3.0-or-later
// What every command gets and gives. Commands are plain functions named in commands.def; main.cc finds the one that
// was asked for, calls it and prints what it returns.
#ifndef CTDB_CLI_COMMAND_H_
#define CTDB_CLI_COMMAND_H_

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "ctdb-cli/exit_codes.h"
#include "ctdb-cli/output.h"
#include "ctdb-cli/report.h"
#include "libctdbipc/runtime/config.h"

namespace ctdb::cli {

// The node that is looked at.
struct NodePlace {
  std::optional<Config> config;  // absent with --socket: then nodes and addresses are not known from files
  std::string run_directory;     // where the counters files are
  std::string setup_socket;
  std::string counters_path(const std::string& daemon) const {
    return run_directory + "/" + daemon + ".counters";
  }
};

struct Invocation {
  std::string command;  // "record get"
  // By the name in commands.def: "KEY", "for". Required ones are always there.
  std::map<std::string, std::string> arguments;
  std::string base;  // --base, whether a good configuration is there or not
  NodePlace place;
  int timeout_ms = 10000;
  bool timeout_given = false;  // by --timeout
  // For commands that tell more than one thing: prints one of them, on a line of its own, at once. false: nobody reads any more.
  std::function<bool(const Report&)> print_line = nullptr;

  const std::string& argument(const std::string& name) const { return arguments.at(name); }
  std::optional<std::string> optional(const std::string& name) const {
    const auto found = arguments.find(name);
    return found == arguments.end() ? std::nullopt : std::optional(found->second);
  }
};

struct Outcome {
  Exit exit = Exit::kOk;
  Report report;      // printed to stdout when it has anything
  std::string error;  // printed to stderr when not empty
};

inline Outcome failed(Exit exit, std::string text) {
  return {exit, {}, std::move(text)};
}

using Handler = Outcome (*)(const Invocation&);

struct Command {
  const char* name;       // "noun" or "noun verb"
  const char* arguments;  // "DB KEY [VALUE] --option=VALUE"
  const char* help;       // one line
  const char* details;    // further lines of its --help; may be empty
  Handler handler;
};

// Declares all handlers.
#define CTDB_COMMAND(name, arguments, help, details, handler) Outcome handler(const Invocation& invocation);
#include "ctdb-cli/commands.def"

}  // namespace ctdb::cli

#endif  // CTDB_CLI_COMMAND_H_
