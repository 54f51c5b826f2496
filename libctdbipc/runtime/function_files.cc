// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbipc/runtime/function_files.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace ctdb {

void check_function_files(const Config& config, std::vector<ConfigProblem>& problems) {
  for (const std::string& path : config.functions) {
    const auto problem = [&](const std::string& text, const std::string& remedy) {
      problems.push_back({path, 0, text, remedy});
    };
    struct stat status {};
    if (stat(path.c_str(), &status) != 0) {
      problem("these functions cannot be used: " + std::string(std::strerror(errno)),
              "install the file, or take it out of '[database] functions'");
    } else if (!S_ISREG(status.st_mode)) {
      problem("it is not a regular file", "name a shared library in '[database] functions'");
    } else if (status.st_uid != 0 && status.st_uid != geteuid()) {
      problem("it does not belong to root, and what is in it becomes part of ctdb-store",
              "chown root " + path);
    } else if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
      problem("others may change it, and what is in it becomes part of ctdb-store", "chmod go-w " + path);
    }
  }
}

}  // namespace ctdb
