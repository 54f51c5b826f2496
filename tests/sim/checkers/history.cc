// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/sim/checkers/history.h"

#include "libctdbipc/base/hash.h"
#include "libctdbipc/wire/reader.h"

namespace ctdb::sim {

Bytes Value::encode(VersionId version, const std::vector<uint64_t>& counters, size_t padding) {
  Bytes data;
  data.reserve(8 * (1 + counters.size()) + padding);
  Writer w(data);
  w.u64(version);
  for (uint64_t counter : counters) w.u64(counter);
  for (size_t i = 0; i < padding; ++i) data.push_back(static_cast<uint8_t>(version + i));
  return data;
}

std::optional<Value> Value::decode(ByteView data, uint32_t nodes) {
  Reader reader(data);
  Value value;
  value.version = reader.u64();
  for (uint32_t i = 0; i < nodes; ++i) value.counters.push_back(reader.u64());
  if (!reader.ok()) return std::nullopt;
  return value;
}

History::History(uint32_t nodes, uint32_t keys, const Lives& lives) : lives_(lives), versions_(1) {
  for (uint32_t key = 0; key < keys; ++key) {
    Version root;
    root.key = key;
    root.empty = true;
    keys_.push_back({versions_.size(), versions_.size(), 0, std::vector<Last>(nodes)});
    versions_.push_back(root);
  }
}

std::optional<VersionId> History::identify(uint32_t key, ByteView data) const {
  if (data.empty()) {
    VersionId id = keys_[key].tip;
    while (!versions_[id].empty) id = versions_[id].parent;
    return id;
  }
  if (data.size() < 8) return std::nullopt;
  const VersionId id = load<uint64_t>(data.data());
  if (id == kNoVersion || id >= versions_.size()) return std::nullopt;
  const Version& version = versions_[id];
  if (version.key != key || version.empty || version.data_hash != jenkins_hash(data)) return std::nullopt;
  return id;
}

VersionId History::add(uint32_t key, VersionId parent, uint32_t node, uint64_t rsn, ByteView data,
                       bool counts) {
  const VersionId id = versions_.size();
  const uint32_t life = lives_.life(node);
  const bool empty = data.empty();
  versions_.push_back(
      {key, parent, versions_[parent].depth + 1, node, life, rsn, empty, empty ? 0 : jenkins_hash(data)});
  if (!counts) return id;
  keys_[key].tip = id;
  Last& last = keys_[key].last[node];
  if (last.life != life) last = {kNoVersion, life, 0};
  last.version = id;
  ++last.writes;
  if (empty) {
    for (Last& other : keys_[key].last) other.writes = 0;
  }
  return id;
}

void History::set_tip(uint32_t key, VersionId id) {
  if (keys_[key].tip == id) return;
  keys_[key].tip = id;
  ++keys_[key].fallbacks;
  ++fallbacks_;
}

VersionId History::last_of(uint32_t key, uint32_t node) const {
  const Last& last = keys_[key].last[node];
  return lives_.valid(node) && last.life == lives_.life(node) ? last.version : kNoVersion;
}

uint64_t History::writes_of(uint32_t key, uint32_t node) const {
  const Last& last = keys_[key].last[node];
  return lives_.valid(node) && last.life == lives_.life(node) ? last.writes : 0;
}

bool History::is_ancestor_or_self(VersionId ancestor, VersionId of) const {
  while (versions_[of].depth > versions_[ancestor].depth) of = versions_[of].parent;
  return of == ancestor;
}

}  // namespace ctdb::sim
