// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-store/core/leftovers.h"

#include <utility>

namespace ctdb {

Result<void> Leftovers::take_up(RecordFile& file) {
  Result<std::vector<Bytes>> noted = file.leftovers();
  if (!noted) return fail(std::move(noted.error()));
  keys_ = {noted->begin(), noted->end()};
  return {};
}

Result<void> Leftovers::add(RecordFile& file, const std::vector<ByteView>& keys) {
  std::set<Bytes> all = keys_;
  for (const ByteView key : keys) all.insert(to_bytes(key));
  if (Result<void> noted = file.note_leftovers({all.begin(), all.end()}); !noted) return noted;
  keys_ = std::move(all);
  return {};
}

// The note goes last: it does no harm to a key that is not there, and the other way round a death would leave a copy.
Result<void> Leftovers::clear(RecordFile& file, uint32_t chain) {
  std::vector<Bytes> others;
  for (const Bytes& key : keys_) {
    if (file.chain_of(key) != chain) {
      others.push_back(key);
    } else if (Result<void> removed = file.remove(key); !removed) {
      return removed;
    }
  }
  if (others.size() == keys_.size()) return {};
  if (Result<void> noted = file.note_leftovers(others); !noted) return noted;
  keys_ = {others.begin(), others.end()};
  return {};
}

}  // namespace ctdb
