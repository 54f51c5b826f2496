// SPDX-License-Identifier: GPL-3.0-or-later
// Every version of every record that a client ever made, as a tree: a version names the one it was made from. The
// checkers of lost updates, record sequence numbers and owners stand on it.
//
// One key's *tip* is the version the cluster should have now. It moves forward with every write; it moves back only
// when versions after it were lost with the lives they were written in.
#ifndef CTDB_TESTS_SIM_CHECKERS_HISTORY_H_
#define CTDB_TESTS_SIM_CHECKERS_HISTORY_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "libctdbipc/base/bytes.h"
#include "tests/sim/checkers/lives.h"

namespace ctdb::sim {

using VersionId = uint64_t;
inline constexpr VersionId kNoVersion = 0;

struct Version {
  uint32_t key = 0;
  VersionId parent = kNoVersion;
  uint64_t depth = 0;
  uint32_t node = 0;
  uint32_t life = 0;
  uint64_t rsn = 0;
  bool empty = false;
  uint32_t data_hash = 0;
};

// What a client writes: version id, one counter a node, padding. Counters let a lost increment be told by its node
// without the tree.
struct Value {
  VersionId version = kNoVersion;
  std::vector<uint64_t> counters;

  static Bytes encode(VersionId version, const std::vector<uint64_t>& counters, size_t padding);
  static std::optional<Value> decode(ByteView data, uint32_t nodes);
};

class History {
 public:
  History(uint32_t nodes, uint32_t keys, const Lives& lives);

  // The version `data` is, or nullopt if no client ever wrote these bytes under this key. Empty data: the newest
  // empty version the tip descends from (the root is one).
  std::optional<VersionId> identify(uint32_t key, ByteView data) const;
  VersionId next_id() const { return versions_.size(); }
  // Records the write that made `data` from `parent`; its id is what next_id() was. counts: the writer's life has
  // lasted since it took the chain lock; the version is the tip then, else it may be lost.
  VersionId add(uint32_t key, VersionId parent, uint32_t node, uint64_t rsn, ByteView data, bool counts);

  const Version& version(VersionId id) const { return versions_[id]; }
  VersionId tip(uint32_t key) const { return keys_[key].tip; }
  void set_tip(uint32_t key, VersionId id);
  uint64_t fallbacks(uint32_t key) const { return keys_[key].fallbacks; }
  uint64_t fallbacks() const { return fallbacks_; }
  // The newest version that `node` wrote in its present life, if any.
  VersionId last_of(uint32_t key, uint32_t node) const;
  uint64_t writes_of(uint32_t key, uint32_t node) const;
  bool is_ancestor_or_self(VersionId ancestor, VersionId of) const;
  size_t size() const { return versions_.size(); }

 private:
  struct Last {
    VersionId version = kNoVersion;
    uint32_t life = 0;
    uint64_t writes = 0;  // in that life, deletes reset the counters and this too
  };
  struct Key {
    VersionId root = kNoVersion;
    VersionId tip = kNoVersion;
    uint64_t fallbacks = 0;
    std::vector<Last> last;  // by node
  };

  const Lives& lives_;
  std::vector<Version> versions_;
  std::vector<Key> keys_;
  uint64_t fallbacks_ = 0;
};

}  // namespace ctdb::sim

#endif  // CTDB_TESTS_SIM_CHECKERS_HISTORY_H_
