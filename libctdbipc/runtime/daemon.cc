// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbipc/runtime/daemon.h"

#include <systemd/sd-daemon.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "libctdbipc/runtime/log.h"
#include "libctdbipc/runtime/scheduling.h"

namespace ctdb {
namespace {

struct Arguments {
  std::string base = "/etc/ctdb";
  bool check = false;
};

// false: the process ends with `status`.
bool parse_arguments(const std::string& name, int argc, char** argv, Arguments& arguments, int& status) {
  CLI::App app(name + ": a daemon of the CTDB suite");
  app.set_version_flag("--version", name + " 0.1.0");
  app.add_option("--base", arguments.base, "directory of ctdb.conf and nodes")->capture_default_str();
  app.add_flag("--check", arguments.check, "check the configuration and exit (0 good, 78 bad)");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& problem) {
    status = app.exit(problem) == 0 ? 0 : 2;
    return false;
  }
  return true;
}

Result<Config> checked_config(const std::string& base) {
  std::vector<ConfigProblem> problems;
  Result<Config> config = load_config(base, problems);
  for (const ConfigProblem& problem : problems) std::fprintf(stderr, "%s\n", problem.format().c_str());
  return config;
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
  Result<std::unique_ptr<Counters>> counters = Counters::create(context.config.counters_path(context.name));
  if (!counters) return fail(std::move(counters.error()));
  context.counters = std::move(*counters);
  Result<std::unique_ptr<NodePage>> page = NodePage::open(context.config.node_page_path());
  if (!page) return fail(std::move(page.error()));
  context.node_page = std::move(*page);
  return {};
}

}  // namespace

int daemon_main(const std::string& name, int argc, char** argv,
                const std::function<Result<void>(DaemonContext&)>& start) {
  Arguments arguments;
  int status = 0;
  if (!parse_arguments(name, argc, argv, arguments, status)) return status;
  Result<Config> config = checked_config(arguments.base);
  if (!config) {
    std::fprintf(stderr, "%s: %s; nothing started\n", name.c_str(), config.error().text().c_str());
    return kExitConfig;
  }
  if (arguments.check) return 0;
  DaemonContext context;
  context.name = name;
  context.config = std::move(*config);
  Result<void> ready = prepare(context);
  if (ready) ready = start(context);
  if (!ready) {
    std::fprintf(stderr, "%s: %s\n", name.c_str(), ready.error().text().c_str());
    return 1;
  }
  sd_notify(0, "READY=1");
  log_notice(name + " started, node " + std::to_string(context.config.pnn));
  if (Result<void> ran = context.loop->run(); !ran) {
    log_error(ran.error().text());
    return 1;
  }
  log_notice(name + " stopped");
  return 0;
}

}  // namespace ctdb
