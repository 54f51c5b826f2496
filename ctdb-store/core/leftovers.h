// SPDX-License-Identifier: GPL-3.0-or-later
// What one database's file still has of records that this node has discarded, because somebody keeps their chains. Nobody can
// take it for valid: the files said of none of them that it is this node's, so clients ask for them, and the index knows
// nothing of them. It is removed as soon as this store has the chain, before anything else is done under that lock.
//
// Invariant: the file has it noted, so that the next store does not take it for a copy (it would come back).
#ifndef CTDB_STORE_CORE_LEFTOVERS_H_
#define CTDB_STORE_CORE_LEFTOVERS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "ctdb-store/backend/record_file.h"

namespace ctdb {

class Leftovers {
 public:
  // Those that an earlier store has noted.
  Result<void> take_up(RecordFile& file);
  // Nothing has changed when that fails.
  Result<void> add(RecordFile& file, const std::vector<ByteView>& keys);
  // Those of one chain, which is locked or marked. When that fails the chain had better be let go.
  Result<void> clear(RecordFile& file, uint32_t chain);

  bool empty() const { return chains_.empty(); }
  std::vector<Bytes> keys() const;
  // Of the first chain from `chain` on that has some.
  struct OfChain {
    uint32_t chain = 0;
    size_t count = 0;
    Bytes key;  // one of them
  };
  std::optional<OfChain> first_from(uint32_t chain) const;
  bool has(const RecordFile& file, ByteView key) const;

 private:
  // There may be as many as records, and each chain is cleared by itself.
  std::map<uint32_t, std::set<Bytes>> chains_;
};

}  // namespace ctdb

#endif  // CTDB_STORE_CORE_LEFTOVERS_H_
