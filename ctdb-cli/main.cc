// SPDX-License-Identifier: GPL-3.0-or-later
// ctdb-cli: finds the node, the command in the table, calls it, prints what it found out.
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <exception>
#include <new>
#include <thread>

#include "ctdb-cli/arguments.h"
#include "ctdb-cli/command.h"
#include "ctdb-cli/output.h"

namespace ctdb::cli {
namespace {

const std::vector<Command>& all_commands() {
  static const std::vector<Command> commands = {
#define CTDB_COMMAND(name, arguments, help, details, handler) {name, arguments, help, details, handler},
#include "ctdb-cli/commands.def"
  };
  return commands;
}

void print(FILE* to, const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), to);
}

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// false: the configuration is wrong; everything found is in `text`, one problem a line.
bool find_place(const CommandLine& line, NodePlace& place, std::string& text) {
  if (!line.socket.empty()) {
    place.run_directory = folder_of(line.socket);
    place.setup_socket = line.socket;
    return true;
  }
  std::vector<ConfigProblem> problems;
  Result<Config> config = load_config(line.base, problems);
  if (config) {
    place.run_directory = config->run_directory;
    place.setup_socket = config->setup_socket_path;
    place.config = std::move(*config);
    return true;  // warnings are the daemons' to print
  }
  for (const ConfigProblem& problem : problems) {
    if (problem.fatal) text += (text.empty() ? "" : "\n") + problem.format();
  }
  return false;
}

int finish(const CommandLine& line, const Outcome& outcome) {
  const bool has_report =
      !outcome.report.headline.empty() || !outcome.report.fields.empty() || !outcome.report.tables.empty();
  if (has_report) print(stdout, render(line.format, line.command->name, outcome.report));
  if (!outcome.error.empty()) {
    print(stderr, render_error(line.format, line.command->name, outcome.error, outcome.exit));
  }
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    print(stderr, "ctdb-cli: the output could not be written\n");
    return static_cast<int>(Exit::kFailed);
  }
  return static_cast<int>(outcome.exit);
}

// Nobody tells when something changes, and people read no faster.
constexpr std::chrono::seconds kWatchEvery{1};
constexpr const char* kClearScreen = "\x1b[H\x1b[2J";

// Until interrupted, or nobody reads the output any more.
int watch(const CommandLine& line, const Invocation& invocation) {
  for (;;) {
    const Outcome outcome = line.command->handler(invocation);
    if (line.format == Format::kTable && isatty(STDOUT_FILENO)) print(stdout, kClearScreen);
    if (const int exit = finish(line, outcome); std::ferror(stdout)) return exit;
    std::this_thread::sleep_for(kWatchEvery);
  }
}

int run(const std::vector<std::string>& words) {
  auto parsed = parse_command_line(all_commands(), words);
  if (const Answered* answer = std::get_if<Answered>(&parsed)) {
    print(answer->exit == Exit::kOk ? stdout : stderr, answer->text);
    return static_cast<int>(answer->exit);
  }
  CommandLine& line = std::get<CommandLine>(parsed);
  Invocation invocation{line.command->name, std::move(line.arguments), line.base, {},
                        line.timeout_ms,    line.timeout_given};
  std::string problems;
  const bool tells_problems_itself = line.command->handler == config_check;
  if (!tells_problems_itself && !find_place(line, invocation.place, problems)) {
    return finish(line, failed(Exit::kConfig, problems));
  }
  invocation.print_line = [&line](const Report& report) {
    print(stdout, render_line(line.format, line.command->name, report));
    return std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
  };
  if (invocation.optional("watch")) return watch(line, invocation);
  return finish(line, line.command->handler(invocation));
}

}  // namespace
}  // namespace ctdb::cli

int main(int argc, char** argv) {
  try {
    return ctdb::cli::run({argv + 1, argv + argc});
  } catch (const std::bad_alloc&) {
    std::fputs("ctdb-cli: out of memory\n", stderr);
  } catch (const std::exception& problem) {  // a fault of ours
    std::fprintf(stderr, "ctdb-cli: %s\n", problem.what());
  }
  return static_cast<int>(ctdb::cli::Exit::kFailed);
}
