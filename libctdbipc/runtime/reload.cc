// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbipc/runtime/reload.h"

#include "libctdbipc/runtime/log.h"

namespace ctdb {
namespace {

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

std::string first_fatal(const std::vector<ConfigProblem>& problems, const Error& error) {
  for (const ConfigProblem& problem : problems) {
    if (problem.fatal) return problem.format();
  }
  return error.text();
}

void use_log_level(DaemonContext& context, const Config& fresh) {
  if (fresh.log_level == context.config.log_level) return;
  LogLevel level = LogLevel::kNotice;
  if (!parse_log_level(fresh.log_level, level)) return;
  log_set_level(level);
  context.config.log_level = fresh.log_level;
  log_notice("log level set to " + fresh.log_level);
}

// What a person has to know; empty: all is in use.
std::string outcome(DaemonContext& context) {
  std::vector<ConfigProblem> problems;
  const Result<Config> fresh = load_config(context.base, problems, context.own_address);
  if (!fresh) return "reload refused, the old configuration stays: " + first_fatal(problems, fresh.error());
  use_log_level(context, *fresh);
  if (std::string wrong = context.shell->reload(); !wrong.empty()) return "reload refused: " + wrong;
  const std::vector<std::string> later = changed_options(context.config, *fresh);
  return later.empty() ? "" : "needs a restart to use the new " + joined(later);
}

}  // namespace

void reload(DaemonContext& context) {
  context.service->reloading();
  const std::string note = outcome(context);
  if (note.empty()) {
    log_notice("configuration read again");
  } else {
    log_warning(note);
  }
  context.service->note(note);
  context.service->reloaded();
}

}  // namespace ctdb
