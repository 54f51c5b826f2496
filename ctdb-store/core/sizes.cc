// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-store/core/sizes.h"

#include <string>

#include "ctdb-store/core/rules.h"
#include "ctdb-store/core/store_context.h"
#include "libctdbipc/base/printable.h"

namespace ctdb {
namespace {

constexpr uint64_t kNamed = 1000;  // in the log of one store

}  // namespace

void tell_over_limit(StoreContext& context, const Database& db, RecordEntry& entry, size_t bytes) {
  if (entry.over_limit) return;
  entry.over_limit = true;
  const uint64_t count = ++context.counts.records_over_limit;
  if (count > kNamed) return;
  std::string text = db.name + ": record " + argument_from_bytes(entry.key()) + " has " +
                     std::to_string(bytes) + " bytes, " + std::to_string(db.record_limit) +
                     " are allowed ([database] record limit): a classic client wrote it, or the limit was "
                     "higher then. ";
  text += bytes > kDataBytesMax ? "No packet has room for it: other nodes do not get it before it is smaller"
                                : "It stays, and moves";
  if (count == kNamed)
    text += ". Records that are found from now on are only counted (store_records_over_limit)";
  context.out.log(StoreLog::kWarning, text);
}

}  // namespace ctdb
