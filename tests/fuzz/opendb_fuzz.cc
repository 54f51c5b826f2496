// SPDX-License-Identifier: GPL-3.0-or-later
// The record of an open file, and what its owners say to each other: any bytes are read or refused with a reason, and what was read is the same when it is written again. Its rules
// work on whatever was read: what they leave can be written.
#include <algorithm>
#include <optional>

#include "libctdbshare/opendb/leases.h"
#include "libctdbshare/opendb/messages.h"
#include "libctdbshare/opendb/record.h"
#include "libctdbshare/opendb/rules.h"
#include "tests/fuzz/fuzz_input.h"

namespace ctdb_share::open_files {
namespace {

void check(const Record& record) {
  Record again;
  std::string why;
  FUZZ_CHECK(decode(encode(record), &again, &why));
  FUZZ_CHECK(record == again || record.entries.empty());
}

void open_and_close(Record record) {
  LeaseRequest lease;
  lease.key = LeaseKey{1, 2, 3};
  lease.level = kCacheRead | kCacheWrite;
  const Entry made = add(record, {{1, 2, 3}, 4, 0x10001, kShareRead, 0, grant(record, lease)}, "a name");
  add_token(record, made, false, "a token");
  check(record);
  const size_t before = record.entries.size();
  (void)let_pend(record, made);
  remove(record, made);
  FUZZ_CHECK(record.entries.size() < before);
  check(record);
}

void break_leases(Record record, uint8_t allowed) {
  for (const size_t lease : leases_beyond(record, {}, allowed)) {
    (void)require(record, lease, allowed);
    check(record);
    FUZZ_CHECK(!holders_of(record, lease).empty());
    (void)first_holder_of(record, lease);
    if (lease % 2 == 0) {
      FUZZ_CHECK(give_back(record, lease, record.leases[lease].requested));
    } else {
      force(record, lease);
    }
    check(record);
  }
}

void rename_all(Record record) {
  rename(record, static_cast<uint32_t>(record.names.size() - 1), record.names[0]);
  check(record);
  rename(record, 0, "another name");
  check(record);
}

void work_on(const Record& record) {
  open_and_close(record);
  if (!record.names.empty()) rename_all(record);
  break_leases(record, kCacheRead | kCacheHandle);
  break_leases(record, 0);
  Record left = record;
  while (!left.entries.empty()) {
    const Entry entry = left.entries[left.entries.size() / 2];
    (void)excluded_by(left, entry.access, entry.share);
    (void)let_pend(left, entry);
    if ((entry.handle & 1) != 0) {
      FUZZ_CHECK(remove_dead(left, entry.server, last_handle(left, entry.server)));
    } else {
      remove(left, entry);
    }
    check(left);
  }
}

template <typename Message>
void check_message(const std::optional<Message>& message, std::span<const uint8_t> bytes) {
  if (message) FUZZ_CHECK(std::ranges::equal(encode(*message), bytes));
}

void read_message(std::span<const uint8_t> bytes) {
  check_message(decode_break(bytes), bytes);
  check_message(decode_rename(bytes), bytes);
}

}  // namespace
}  // namespace ctdb_share::open_files

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace open_files = ctdb_share::open_files;
  open_files::read_message({data, size});
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
