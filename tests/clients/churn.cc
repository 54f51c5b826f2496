// SPDX-License-Identifier: GPL-3.0-or-later
// ctdb-churn: writes, deletes or looks at many records, one after the other: --key and the numbers 0 to --count less one are the keys.
//   ctdb-churn --setup PATH | --socket PATH  --db NAME --key PREFIX --count N --do write|delete|look
// --setup takes the C API, --socket the classic socket. Prints how many records had data before, and how many of these were not marked as perhaps older. Restarts of daemons are ridden out, as
// ctdb-increment does; gives up when nothing succeeds for two minutes.
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "tests/clients/counting.h"
#include "tests/clients/locking.h"

namespace ctdb {
namespace {

constexpr char kValue[] = "a value of forty bytes, as many have it";

enum class Work : uint8_t { kWrite, kDelete, kLook };

// How a record was before.
struct Found {
  bool data = false, marked = false;
};

// "" or what went wrong; it can be tried again after open().
std::string visit(Locking& records, const std::string& key, Work work, Found& found) {
  if (std::string failure = records.lock(key); !failure.empty()) return failure;
  found = {!records.data().empty(), records.may_be_older()};
  std::string failure;
  if (work == Work::kWrite) failure = records.store(as_bytes(std::string_view(kValue, sizeof kValue)));
  if (work == Work::kDelete && found.data) failure = records.remove();
  const std::string untold = records.unlock();
  return failure.empty() ? untold : failure;
}

int run(Locking& records, const CountingArguments& given, Work work) {
  Patience patience;
  bool opened = false;
  uint64_t with_data = 0, unmarked = 0;
  for (uint64_t done = 0; done < given.count;) {
    Found found;
    std::string failure = opened ? "" : records.open();
    if (failure.empty()) failure = visit(records, given.key + std::to_string(done), work, found);
    opened = failure.empty();
    if (opened) {
      patience.succeeded();
      with_data += found.data ? 1 : 0;
      unmarked += found.data && !found.marked ? 1 : 0;
      ++done;
    } else if (!patience.try_again()) {
      std::fprintf(stderr, "ctdb-churn: after %llu of %llu: %s\n", static_cast<unsigned long long>(done),
                   static_cast<unsigned long long>(given.count), failure.c_str());
      return 1;
    }
  }
  std::printf("%llu %llu\n", static_cast<unsigned long long>(with_data),
              static_cast<unsigned long long>(unmarked));
  return 0;
}

int main_of(int argc, char** argv) {
  std::optional<CountingArguments> given = counting_arguments(argc, argv, {"--do"});
  const std::string what = given ? given->more["--do"] : "";
  if (what != "write" && what != "delete" && what != "look") {
    std::fprintf(stderr,
                 "usage: ctdb-churn --setup PATH | --socket PATH  --db NAME --key PREFIX --count N --do "
                 "write|delete|look\n");
    return 2;
  }
  const Work work = what == "write" ? Work::kWrite : what == "delete" ? Work::kDelete : Work::kLook;
  return run(*Locking::make(*given, 0), *given, work);
}

}  // namespace
}  // namespace ctdb

int main(int argc, char** argv) {
  return ctdb::main_of(argc, argv);
}
