// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbipc/base/process_name.h"

#include <sys/stat.h>

#include <fstream>

#include "libctdbipc/base/printable.h"

namespace ctdb {

std::string process_name(pid_t pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/comm");
  std::string name;
  std::getline(in, name);
  return printable(as_bytes(name));  // a program calls itself what it likes
}

std::string process_text(pid_t pid) {
  if (pid <= 0) return "a program that cannot be seen from here";
  const std::string name = process_name(pid);
  if (name.empty()) return "process " + std::to_string(pid);
  return name + " (process " + std::to_string(pid) + ")";
}

uint32_t own_pid_namespace() {
  struct stat status {};
  return stat("/proc/self/ns/pid", &status) == 0 ? static_cast<uint32_t>(status.st_ino) : 0;
}

}  // namespace ctdb
