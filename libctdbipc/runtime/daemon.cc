// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbipc/runtime/daemon.h"

#include <sys/stat.h>
#include <time.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "libctdbipc/base/process_name.h"
#include "libctdbipc/base/release.h"
#include "libctdbipc/runtime/last_end.h"
#include "libctdbipc/runtime/log.h"
#include "libctdbipc/runtime/reload.h"
#include "libctdbipc/runtime/scheduling.h"
#include "libctdbipc/runtime/settings.h"
#include "libctdbipc/runtime/setup_socket.h"

namespace ctdb {
namespace {

struct Arguments {
  std::string base = "/etc/ctdb";
  bool check = false;
  bool wait = false;
  bool ended = false;
  std::string not_taken;
};

constexpr TimeNs kAddressInterval = 200 * kMillisecond;

// false: the process ends with `status`.
bool parse_arguments(const std::string& name, int argc, char** argv, Arguments& arguments, int& status) {
  CLI::App app(name + ": a daemon of the CTDB suite, see man 8 " + name, name);
  app.add_flag("--wait-for-address", arguments.wait,
               "do not fail when no address of the nodes file is on this machine: wait for it");
  app.add_flag("--ended", arguments.ended, "for the unit: note for ctdb-cli how this daemon has ended");
  app.add_option("--not-taken", arguments.not_taken,
                 "for socket units: fail (78) and say who it is when a program listens at this path")
      ->type_name("PATH");
  app.set_version_flag("--version", name + " " + kRelease);
  app.add_option("--base", arguments.base, "directory of ctdb.conf and nodes")
      ->type_name("DIR")
      ->capture_default_str();
  app.add_flag("--check", arguments.check, "check the configuration and exit (0 good, 78 bad)");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& problem) {
    status = problem.get_exit_code() == 0 ? app.exit(problem) : 2;
    if (status != 0)
      std::fprintf(stderr, "%s: %s\n%s --help shows what is possible\n", name.c_str(), problem.what(),
                   name.c_str());
    return false;
  }
  return true;
}

void print(const std::vector<ConfigProblem>& problems) {
  for (const ConfigProblem& problem : problems) std::fprintf(stderr, "%s\n", problem.format().c_str());
}

bool all_may_pass(const std::vector<ConfigProblem>& problems) {
  return any_fatal(problems) && std::ranges::all_of(problems, [](const auto& problem) {
           return problem.may_pass || !problem.fatal;
         });
}

std::string first_fatal(const std::vector<ConfigProblem>& problems) {
  const auto found = std::ranges::find_if(problems, &ConfigProblem::fatal);
  return found == problems.end() ? "" : found->format();
}

// Reads it again and again while all that is wrong may pass, if the administrator wants that.
Result<Config> awaited_config(const Arguments& arguments, OwnAddress own) {
  std::string told;
  for (;;) {
    std::vector<ConfigProblem> problems;
    Result<Config> config = load_config(arguments.base, problems, own);
    const std::string wrong = first_fatal(problems);
    if (config || !arguments.wait || !all_may_pass(problems)) {
      print(problems);
      if (!config) tell_service_manager("wrong configuration: " + wrong);
      return config;
    }
    if (wrong != told) {
      print(problems);
      tell_service_manager("waiting: " + wrong);
    }
    told = wrong;
    const timespec pause{0, kAddressInterval};
    nanosleep(&pause, nullptr);
  }
}

Result<void> prepare(DaemonContext& context) {
  LogLevel level = LogLevel::kNotice;
  parse_log_level(context.config.log_level, level);
  if (Result<void> opened = log_open(context.name, context.config.log_location, level); !opened)
    return opened;
  if (Result<void> asked = ask_for_short_slice(); !asked) log_debug(asked.error().text());
  Result<std::unique_ptr<EventLoop>> loop = EventLoop::create();
  if (!loop) return fail(std::move(loop.error()));
  context.loop = std::move(*loop);
  Result<std::unique_ptr<Counters>> counters =
      Counters::create_hidden(context.config.counters_path(context.name));
  if (!counters) return fail(std::move(counters.error()));
  context.counters = std::move(*counters);
  Result<std::unique_ptr<NodePage>> page = NodePage::open(context.config.node_page_path());
  if (!page) return fail(std::move(page.error()));
  context.node_page = std::move(*page);
  context.service = std::make_unique<Service>(*context.loop);
  context.loop->on_reload([&context] { reload(context); });
  return {};
}

// A service manager tries again after 1. What only an administrator can change, rights above all and sockets that
// another program has, is no better a second later.
int status_of(const Error& error) {
  const int number = error.saved_errno;
  const bool configuration = error.code == ErrorCode::kRefused || number == EACCES || number == EPERM ||
                             number == EROFS || number == ENOTDIR;
  return configuration ? kExitConfig : 1;
}

// Then this one was refused, and must not take the other's place in what people see.
bool another_runs(const Config& config, const std::string& name) {
  const Result<CountersSnapshot> shown = read_counters(config.counters_path(name));
  if (shown && shown->pid_namespace != own_pid_namespace() && shown->held) return true;
  const auto pid = shown ? static_cast<pid_t>(shown->pid) : 0;
  return pid > 0 && pid != getpid() && process_name(pid) == process_name(getpid());
}

// systemd takes a path of its socket units away from whoever listens there, so they ask before.
int say_whether_taken(const std::string& path) {
  const Result<void> free = unix_path_free(path);
  if (free) return 0;
  std::fprintf(stderr, "%s\n", free.error().text().c_str());
  return status_of(free.error());
}

}  // namespace

Result<void> make_directory(const std::string& path) {
  for (size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
    const std::string part = path.substr(0, slash);
    if (mkdir(part.c_str(), 0700) != 0 && errno != EEXIST) return fail_errno("making directory " + part);
    if (slash == std::string::npos) return {};
  }
}

int daemon_main(const std::string& name, int argc, char** argv,
                const std::function<Result<void>(DaemonContext&)>& start, OwnAddress own_address) {
  Arguments arguments;
  int status = 0;
  if (!parse_arguments(name, argc, argv, arguments, status)) return status;
  if (!arguments.not_taken.empty()) return say_whether_taken(arguments.not_taken);
  Result<Config> config = awaited_config(arguments, own_address);
  if (!config) {
    std::fprintf(stderr, "%s: %s; nothing started\n", name.c_str(), config.error().text().c_str());
    return kExitConfig;
  }
  if (arguments.check) return 0;
  if (arguments.ended) return note_end_as_systemd_saw_it(*config, name), 0;
  DaemonContext context;
  context.name = name;
  context.base = arguments.base;
  context.own_address = own_address;
  context.config = std::move(*config);
  Result<void> ready = prepare(context);
  if (ready) ready = start(context);
  if (ready) note_settings(context.config, name);
  if (ready) ready = context.counters->show();
  if (!ready) {
    std::fprintf(stderr, "%s: %s\n", name.c_str(), ready.error().text().c_str());
    tell_service_manager("not started: " + ready.error().text());
    if (!another_runs(context.config, name))
      note_end(context.config, name, "not started: " + ready.error().text());
    return status_of(ready.error());
  }
  forget_end(context.config, name);
  log_notice(name + " started, node " + std::to_string(context.config.pnn));
  if (Result<void> ran = context.loop->run(); !ran) {
    log_error(ran.error().text());
    return 1;
  }
  context.service->stopping();
  if (!context.why_ended.empty()) {
    tell_service_manager(context.why_ended);
    note_end(context.config, name, context.why_ended);
  }
  log_notice(name + " stopped");
  return context.exit_status;
}

}  // namespace ctdb
