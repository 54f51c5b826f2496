// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/sim/checkers/copies.h"

#include <optional>
#include <string>

namespace ctdb::sim {

void Copies::acknowledged(uint32_t key, VersionId version, uint32_t nodes, uint32_t losses_before) {
  ++acknowledgements_;
  Key& known = keys_[key];
  if (known.version != kNoVersion && known.version != version &&
      history_.is_ancestor_or_self(version, known.version)) {
    return;
  }
  known = {version, nodes, losses_before, false};
}

// A file without the record has it as empty as one with an empty record. For `strict` neither is a copy: an empty record may be
// from long before the deletion that is looked for, and says no more than none.
uint32_t Copies::holders(uint32_t key, uint32_t without, bool strict) const {
  uint32_t count = 0;
  for (uint32_t node = 0; node < lives_.node_count(); ++node) {
    if (node == without || !lives_.valid(node)) continue;
    const std::optional<Bytes> data = sight_(node, key);
    if (strict && (!data || data->empty())) continue;
    const std::optional<VersionId> version = history_.identify(key, data.value_or(Bytes()));
    if (version && history_.is_ancestor_or_self(keys_[key].version, *version)) ++count;
  }
  return count;
}

void Copies::node_lost(uint32_t node) {
  ++losses_;
  for (uint32_t key = 0; key < keys_.size(); ++key) {
    Key& known = keys_[key];
    if (known.version == kNoVersion) continue;
    if (known.excused || holders(key, node, true) > 0) continue;
    if (losses_ - known.losses_before >= known.nodes) {
      known.excused = true;
      continue;
    }
    if (holders(key, node, false) > 0) continue;
    verdict_.violation("copies", "version " + std::to_string(known.version) + " of key " +
                                     std::to_string(key) + " was acknowledged on " +
                                     std::to_string(known.nodes) + " nodes and is gone with node " +
                                     std::to_string(node));
  }
}

void Copies::seen(uint32_t node, uint32_t key, VersionId version) {
  Key& known = keys_[key];
  if (known.version == kNoVersion || !lives_.valid(node)) return;
  if (history_.is_ancestor_or_self(known.version, version)) return;
  if (!known.excused) {
    verdict_.violation("copies", "key " + std::to_string(key) + " on node " + std::to_string(node) +
                                     " is version " + std::to_string(version) + ", which lacks version " +
                                     std::to_string(known.version) + ", acknowledged on " +
                                     std::to_string(known.nodes) + " nodes");
  }
  known = {};
}

void Copies::at_rest(uint32_t nodes) {
  for (uint32_t key = 0; key < keys_.size(); ++key) {
    const Key& known = keys_[key];
    if (known.version == kNoVersion || known.excused) continue;
    const uint32_t found = holders(key, lives_.node_count(), false);
    if (found >= nodes) continue;
    verdict_.violation("copies", "at rest version " + std::to_string(known.version) + " of key " +
                                     std::to_string(key) + " is on " + std::to_string(found) +
                                     " nodes instead of " + std::to_string(nodes));
  }
}

}  // namespace ctdb::sim
