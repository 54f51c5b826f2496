// SPDX-License-Identifier: GPL-3.0-or-later
// ctdb-bench: measures rows against one running cluster and prints one JSON object a row on standard output.
//   ctdb-bench --classic SOCKET0,SOCKET1,SOCKET2 [--seconds S] ROW...
//   ctdb-bench --native SETUP0,SETUP1,SETUP2 [--seconds S] ROW...
//   ctdb-bench --list
//   ctdb-bench verbs [OPTION...]      two routers' transports, no cluster (verbs_bench.cc)
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "tests/bench/rows.h"
#include "tests/bench/verbs_bench.h"

namespace ctdb::bench {
namespace {

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  size_t at = 0;
  while (at <= text.size()) {
    const size_t end = std::min(text.find(',', at), text.size());
    parts.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

const Row* find_row(const std::string& name) {
  for (const Row& row : rows()) {
    if (name == row.name) return &row;
  }
  return nullptr;
}

int usage() {
  std::fprintf(
      stderr,
      "usage: ctdb-bench --classic|--native SOCKET,SOCKET,SOCKET [--seconds S] [--bytes N] [--spin] ROW...\n"
      "       ctdb-bench --list\n"
      "       ctdb-bench verbs --help\n");
  return 2;
}

void print(const Row& row, const Outcome& outcome) {
  const double rate = outcome.seconds > 0 ? static_cast<double>(outcome.operations) / outcome.seconds : 0;
  std::printf(
      "{\"name\": \"%s\", \"operations\": %llu, \"seconds\": %.6f, \"median_us\": %.3f, \"rate\": %.1f, "
      "\"slowest_client\": %.3f, \"longest_wait\": %.3f}\n",
      row.name, static_cast<unsigned long long>(outcome.operations), outcome.seconds, outcome.median_us, rate,
      outcome.slowest_client, outcome.longest_wait);
  std::fflush(stdout);
}

int run(int argc, char** argv) {
  Setting setting;
  bool spins = false;
  std::vector<const Row*> wanted;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--list") {
      for (const Row& row : rows()) std::printf("%s\t%s\n", row.name, row.text);
      return 0;
    }
    if ((word == "--classic" || word == "--native") && i + 1 < argc) {
      const std::vector<std::string> sockets = split(argv[++i]);
      if (sockets.size() < 3) return usage();
      const bool native = word == "--native";
      setting.open = [sockets, native, &spins](uint32_t node) {
        return native ? open_native(sockets.at(node), spins) : open_classic(sockets.at(node));
      };
    } else if (word == "--spin") {
      spins = true;
    } else if (word == "--bytes" && i + 1 < argc) {
      setting.message_bytes = std::strtoul(argv[++i], nullptr, 10);
    } else if (word == "--seconds" && i + 1 < argc) {
      setting.seconds = std::strtod(argv[++i], nullptr);
    } else if (const Row* row = find_row(word)) {
      wanted.push_back(row);
    } else {
      return usage();
    }
  }
  if (!setting.open || wanted.empty() || !(setting.seconds > 0)) return usage();
  for (const Row* row : wanted) print(*row, row->run(setting));
  return 0;
}

}  // namespace
}  // namespace ctdb::bench

int main(int argc, char** argv) {
  if (argc > 1 && std::strcmp(argv[1], "verbs") == 0) return ctdb::bench::run_verbs_bench(argc - 1, argv + 1);
  return ctdb::bench::run(argc, argv);
}
