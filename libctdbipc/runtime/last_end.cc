// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbipc/runtime/last_end.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>

namespace ctdb {
namespace {

std::string path_of(const std::string& run_directory, const std::string& daemon) {
  return run_directory + "/" + daemon + ".ended";
}

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// "killed by signal ABRT: its watchdog"; empty when it ended in good order.
std::string systemd_words() {
  const std::string result = variable("SERVICE_RESULT");
  if (result.empty() || result == "success") return "";
  const std::string status = variable("EXIT_STATUS");
  std::string text =
      variable("EXIT_CODE") == "exited" ? "exit status " + status : "killed by signal " + status;
  if (result == "watchdog") text += ": it hung, its watchdog was not fed";
  if (result == "oom-kill") text += ": out of memory";
  if (result == "timeout") text += ": it took too long";
  return text;
}

}  // namespace

void note_end(const Config& config, const std::string& daemon, const std::string& text) {
  const std::string path = path_of(config.run_directory, daemon);
  const std::string fresh = path + ".new";
  std::ofstream out(fresh, std::ios::trunc);
  out << text << "\n";
  out.close();
  if (out) (void)std::rename(fresh.c_str(), path.c_str());
}

void forget_end(const Config& config, const std::string& daemon) {
  unlink(path_of(config.run_directory, daemon).c_str());
}

std::string last_end(const std::string& run_directory, const std::string& daemon) {
  std::ifstream in(path_of(run_directory, daemon));
  std::string line;
  std::getline(in, line);
  return line;
}

void note_end_as_systemd_saw_it(const Config& config, const std::string& daemon) {
  const std::string seen = systemd_words();
  if (seen.empty()) return;
  const std::string own = last_end(config.run_directory, daemon);
  note_end(config, daemon, own.empty() ? seen : own + " (" + seen + ")");
}

}  // namespace ctdb
