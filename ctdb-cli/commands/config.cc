// SPDX-License-Identifier: GPL-3.0-or-later
// config check: what the daemons would say of ctdb.conf and nodes, before one is started or restarted.
#include <grp.h>
#include <sys/stat.h>

#include "ctdb-cli/command.h"
#include "libctdbipc/runtime/function_files.h"

namespace ctdb::cli {
namespace {

Table problem_table(const std::vector<ConfigProblem>& problems) {
  Table table{"problems", {"file", "line", "refused", "problem", "remedy"}, {}};
  for (const ConfigProblem& problem : problems) {
    table.rows.push_back({problem.file, problem.line > 0 ? Value(int64_t{problem.line}) : Value(),
                          problem.fatal, problem.text, problem.remedy});
  }
  return table;
}

std::string headline(const Result<Config>& config, const std::vector<ConfigProblem>& problems) {
  if (!config) return "WRONG: no daemon starts with it";
  const std::string who = "node " + std::to_string(config->pnn) + ", " + config->node_address +
                          ", of cluster '" + config->cluster_name + "'";
  return problems.empty() ? "good: " + who : "good, with warnings: " + who;
}

// Where the suite's units are installed (their group exists) the daemons are users of their own, and an administrator who checks may
// read more than they: a file that neither everybody nor `group` may read.
void check_readers(const std::string& file, const char* group, const std::string& text,
                   const std::string& remedy, std::vector<ConfigProblem>& problems) {
  struct stat status {};
  const struct group* const readers = getgrnam(group);
  if (readers == nullptr || file.empty() || stat(file.c_str(), &status) != 0) return;
  if ((status.st_mode & S_IROTH) != 0) return;
  if ((status.st_mode & S_IRGRP) != 0 && status.st_gid == readers->gr_gid) return;
  problems.push_back({file, 0, text, remedy, false});
}

void check_readers(const Config& config, const std::string& base, std::vector<ConfigProblem>& problems) {
  for (const std::string& file : {base + "/ctdb.conf", config.nodes_file})
    check_readers(file, "ctdb", "the daemons' users may not read it", "chmod a+r " + file, problems);
  check_readers(config.key_file, "ctdb-router", "the router's user may not read it",
                "chgrp ctdb-router " + config.key_file + " && chmod 640 " + config.key_file, problems);
}

}  // namespace

Outcome config_check(const Invocation& invocation) {
  std::vector<ConfigProblem> problems;
  Result<Config> config = load_config(invocation.base, problems);
  if (config) {
    check_function_files(*config, problems);
    check_readers(*config, invocation.base, problems);
  }
  if (any_fatal(problems)) config = fail(ErrorCode::kRefused, "configuration has errors");
  Outcome outcome;
  outcome.report.headline.push_back(headline(config, problems));
  outcome.report.json_field("good", config.has_value());
  outcome.report.json_field("node", config ? Value(static_cast<uint64_t>(config->pnn)) : Value());
  outcome.report.json_field("address", config ? Value(config->node_address) : Value());
  if (!problems.empty()) outcome.report.tables.push_back(problem_table(problems));
  if (!config) outcome.exit = Exit::kConfig;
  return outcome;
}

}  // namespace ctdb::cli
