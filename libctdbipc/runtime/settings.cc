// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbipc/runtime/settings.h"

#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "libctdbipc/base/release.h"
#include "libctdbipc/runtime/quorum_names.h"

namespace ctdb {
namespace {

std::string path_of(const Config& config, const std::string& daemon) {
  return config.run_directory + "/" + daemon + ".settings";
}

std::string line(const std::string& name, const std::string& value) {
  return name + " = " + value + "\n";
}

std::string of_store(const Config& config) {
  std::string copies;
  for (const CopiesRule& rule : config.copies)
    copies += (copies.empty() ? "" : " ") + rule.pattern + "=" + std::to_string(rule.copies);
  std::string limits;
  for (const RecordLimitRule& rule : config.record_limits)
    limits += (limits.empty() ? "" : " ") + rule.pattern + "=" + std::to_string(rule.bytes);
  std::string functions;
  for (const std::string& file : config.functions) functions += (functions.empty() ? "" : " ") + file;
  return line("[database] copies", copies) + line("[database] record limit", limits) +
         line("[database] functions", functions);
}

std::string of_recoveryd(const Config& config) {
  return line("[cluster] quorum", std::string(kQuorumNames[static_cast<size_t>(config.quorum)])) +
         line("[cluster] cluster lock", config.cluster_lock) +
         line("[cluster] lock register", config.lock_register) +
         line("[cluster] client grace", std::to_string(config.client_grace));
}

}  // namespace

std::string settings_text(const Config& config, const std::string& daemon) {
  std::string text = line("release of " + daemon, kRelease);
  if (daemon == "ctdb-store") text += of_store(config);
  if (daemon == "ctdb-recoveryd") text += of_recoveryd(config);
  return text;
}

void note_settings(const Config& config, const std::string& daemon) {
  const std::string path = path_of(config, daemon);
  const std::string fresh = path + ".new";
  unlink(path.c_str());
  std::ofstream out(fresh, std::ios::trunc);
  out << settings_text(config, daemon);
  out.close();
  if (out) (void)std::rename(fresh.c_str(), path.c_str());
}

std::string noted_settings(const Config& config, const std::string& daemon) {
  const Result<std::string> text = read_config_file(path_of(config, daemon));
  return text ? *text : "";
}

}  // namespace ctdb
