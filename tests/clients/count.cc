// SPDX-License-Identifier: GPL-3.0-or-later
// ctdb-count: adds one to a counter with ctdb_add(), wherever the record is, and tells what became of each.
//   ctdb-count --setup PATH --db NAME --key KEY [--count N] [--copies K]
// Prints + for one that was done and ? for one of which nobody knows, at once, for this process may be killed; at the end the
// counter's value. It ends after N that were done (--count 0: none, only the value). Restarts of daemons are ridden
// out; gives up when nothing succeeds for two minutes.
#include <cstdio>
#include <cstdlib>
#include <string>

#include "tests/clients/counting.h"

namespace ctdb {
namespace {

void tell(const char* what) {
  std::fputs(what, stdout);
  std::fflush(stdout);
}

int run(NativeConnection& connection, const std::string& key, uint64_t count) {
  Patience patience;
  bool opened = false;
  for (uint64_t done = 0; done <= count;) {
    const bool last = done == count;  // only the value is wanted
    std::string failure = opened ? "" : connection.open();
    opened = failure.empty();
    int64_t value = 0;
    int error = 0;
    if (opened) {
      error = ctdb_add(connection.db(), {key.data(), key.size()}, last ? 0 : 1, kCallTimeoutMs, &value);
      if (error != 0) failure = connection.text(error);
      // A lost router ends the connection, and some calls only hear that nobody knows.
      if (error != 0) opened = false;
    }
    if (error == CTDB_ERR_UNKNOWN && !last) tell("?\n");
    if (failure.empty()) {
      patience.succeeded();
      ++done;
      if (last) std::printf("%lld\n", static_cast<long long>(value));
      if (!last) tell("+\n");
    } else if (!patience.try_again()) {
      std::fprintf(stderr, "ctdb-count: after %llu of %llu: %s\n", static_cast<unsigned long long>(done),
                   static_cast<unsigned long long>(count), failure.c_str());
      return 1;
    }
  }
  return 0;
}

int main_of(int argc, char** argv) {
  std::optional<CountingArguments> given = counting_arguments(argc, argv, {"--copies"});
  if (!given || given->setup.empty()) {
    std::fprintf(stderr, "usage: ctdb-count --setup PATH --db NAME --key KEY [--count N] [--copies K]\n");
    return 2;
  }
  const auto copies = static_cast<uint32_t>(std::strtoul(given->more["--copies"].c_str(), nullptr, 10));
  NativeConnection connection(given->setup, given->database, CTDB_ATTACH_COPIES(copies));
  return run(connection, given->key, given->count);
}

}  // namespace
}  // namespace ctdb

int main(int argc, char** argv) {
  return ctdb::main_of(argc, argv);
}
