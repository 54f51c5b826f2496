// SPDX-License-Identifier: GPL-3.0-or-later
// A file's record of locks: any bytes are read or refused with a reason, and what was read is the same when it is written again. Its rules
// work on whatever was read: what they leave can be written.
#include <algorithm>

#include "libctdbshare/brlock/record.h"
#include "tests/fuzz/fuzz_input.h"

namespace ctdb_share {
namespace {

void work_on(Record record) {
  (void)first_that_can_go(record);
  const size_t before = record.locks.size();
  for (const Waiter& waiter : record.waiters) {
    if (first_blocker(record, waiter.wanted, waiter.ticket) != nullptr) continue;
    add(record.locks, waiter.wanted);
    // Two more where the locks of one owner do not overlap, as the rules leave them. Any bytes may say that they do: then each may be split.
    FUZZ_CHECK(record.locks.size() <= 2 * before + 1);
    break;
  }
  if (!record.locks.empty()) {
    const Lock last = record.locks.back();
    FUZZ_CHECK(remove(record.locks, last));
  }
  Record again;
  std::string why;
  FUZZ_CHECK(decode(encode(record), &again, &why));
}

}  // namespace
}  // namespace ctdb_share

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ctdb_share::Record record;
  std::string why;
  const std::span bytes(data, size);
  if (!decode(bytes, &record, &why)) {
    FUZZ_CHECK(!why.empty());
    return 0;
  }
  const std::vector<uint8_t> written = encode(record);
  FUZZ_CHECK(size == 0 || (written.size() == size && std::equal(written.begin(), written.end(), data)));
  ctdb_share::work_on(record);
  return 0;
}
