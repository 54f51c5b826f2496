// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/sim/checkers/lost_updates.h"

#include <string>

namespace ctdb::sim {

void LostUpdates::report(uint32_t node, uint32_t key, const char* what, VersionId have, VersionId missing) {
  const Version& lost = history_.version(missing);
  verdict_.violation("lost_updates", "key " + std::to_string(key) + " on node " + std::to_string(node) + " " +
                                         what + " version " + std::to_string(have) +
                                         ", which lacks version " + std::to_string(missing) +
                                         (lost.empty ? " (a delete)" : "") + " of node " +
                                         std::to_string(lost.node) + ", rsn " + std::to_string(lost.rsn));
}

VersionId LostUpdates::missing(uint32_t key, VersionId have) const {
  for (uint32_t node = 0; node < lives_.node_count(); ++node) {
    const VersionId last = history_.last_of(key, node);
    if (last != kNoVersion && !history_.is_ancestor_or_self(last, have)) return last;
  }
  return kNoVersion;
}

void LostUpdates::check_counters(uint32_t node, uint32_t key, ByteView data) {
  const std::optional<Value> value = Value::decode(data, lives_.node_count());
  if (!value) return verdict_.violation("lost_updates", "key " + std::to_string(key) + " has a torn value");
  for (uint32_t writer = 0; writer < lives_.node_count(); ++writer) {
    if (value->counters[writer] >= history_.writes_of(key, writer)) continue;
    verdict_.violation("lost_updates", "key " + std::to_string(key) + " on node " + std::to_string(node) +
                                           " counts " + std::to_string(value->counters[writer]) +
                                           " writes of node " + std::to_string(writer) + ", there were " +
                                           std::to_string(history_.writes_of(key, writer)));
  }
}

VersionId LostUpdates::owned(uint32_t node, uint32_t key, ByteView data) {
  const std::optional<VersionId> version = history_.identify(key, data);
  if (!version) {
    verdict_.violation("lost_updates", "key " + std::to_string(key) + " on node " + std::to_string(node) +
                                           " has a value nobody wrote");
    return history_.tip(key);
  }
  if (!lives_.valid(node) || *version == history_.tip(key)) return *version;
  if (const VersionId lost = missing(key, *version); lost != kNoVersion) {
    report(node, key, "falls back to", *version, lost);
    return *version;
  }
  if (!data.empty()) check_counters(node, key, data);
  losses_.lost(key, history_.tip(key));
  history_.set_tip(key, *version);
  return *version;
}

void LostUpdates::replaces(uint32_t node, uint32_t key, VersionId parent) {
  if (parent == history_.tip(key)) return;
  report(node, key, "is replaced from", parent, history_.tip(key));
}

LostUpdates::Expectation LostUpdates::expect(uint32_t key) const {
  Expectation expected;
  expected.fallbacks = history_.fallbacks(key);
  for (uint32_t node = 0; node < lives_.node_count(); ++node) {
    const VersionId last = history_.last_of(key, node);
    if (last != kNoVersion) expected.must_have.emplace_back(last, lives_.life(node));
  }
  return expected;
}

void LostUpdates::read(uint32_t node, uint32_t key, ByteView data, const Expectation& expected) {
  const std::optional<VersionId> version = history_.identify(key, data);
  if (!version) {
    return verdict_.violation("lost_updates", "key " + std::to_string(key) + " is read on node " +
                                                  std::to_string(node) + " with a value nobody wrote");
  }
  // An empty value does not say which one it is; after a fall-back the newest need not be it.
  if (data.empty() && expected.fallbacks != history_.fallbacks(key)) return;
  for (const auto& [must, life] : expected.must_have) {
    const uint32_t writer = history_.version(must).node;
    if (!lives_.valid(writer) || lives_.life(writer) != life || history_.is_ancestor_or_self(must, *version))
      continue;
    return report(node, key, "is read as", *version, must);
  }
}

}  // namespace ctdb::sim
