// SPDX-License-Identifier: GPL-3.0-or-later
// The record of an open file: any bytes are read or refused with a reason, and what was read is the same when it is written again. Its rules
// work on whatever was read: what they leave can be written.
#include <algorithm>

#include "libctdbshare/opendb/record.h"
#include "libctdbshare/opendb/rules.h"
#include "tests/fuzz/fuzz_input.h"

namespace ctdb_share::open_files {
namespace {

void check(const Record& record) {
  Record again;
  std::string why;
  FUZZ_CHECK(decode(encode(record), &again, &why));
  FUZZ_CHECK(record == again);
}

void open_and_close(Record record) {
  const Entry made = add(record, {{1, 2, 3}, 4, 0x10001, kShareRead, 0}, "a name");
  add_token(record, made, false, "a token");
  check(record);
  const size_t before = record.entries.size();
  (void)let_pend(record, made);
  remove(record, made);
  FUZZ_CHECK(record.entries.size() < before);
  check(record);
}

void work_on(const Record& record) {
  open_and_close(record);
  Record left = record;
  while (!left.entries.empty()) {
    const Entry entry = left.entries[left.entries.size() / 2];
    (void)first_that_excludes(left, entry.access, entry.share);
    (void)let_pend(left, entry);
    if ((entry.handle & 1) != 0) {
      FUZZ_CHECK(remove_dead(left, entry.server, last_handle(left, entry.server)));
    } else {
      remove(left, entry);
    }
    check(left);
  }
}

}  // namespace
}  // namespace ctdb_share::open_files

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace open_files = ctdb_share::open_files;
  open_files::Record record;
  std::string why;
  if (!decode(std::span(data, size), &record, &why)) {
    FUZZ_CHECK(!why.empty());
    return 0;
  }
  const std::vector<uint8_t> written = encode(record);
  FUZZ_CHECK(written.size() == size && std::equal(written.begin(), written.end(), data));
  open_files::work_on(record);
  return 0;
}
