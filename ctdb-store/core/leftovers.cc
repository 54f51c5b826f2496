// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-store/core/leftovers.h"

namespace ctdb {

Result<void> Leftovers::take_up(RecordFile& file) {
  Result<std::vector<Bytes>> noted = file.leftovers();
  if (!noted) return fail(std::move(noted.error()));
  for (const Bytes& key : *noted) chains_[file.chain_of(key)].insert(key);
  return {};
}

Result<void> Leftovers::add(RecordFile& file, const std::vector<ByteView>& keys) {
  std::vector<Bytes> all = this->keys();
  for (const ByteView key : keys) all.push_back(to_bytes(key));
  if (Result<void> noted = file.note_leftovers(all); !noted) return noted;
  for (const ByteView key : keys) chains_[file.chain_of(key)].insert(to_bytes(key));
  return {};
}

// The note goes last: it does no harm to a key that is not there, and the other way round a death would leave a copy.
Result<void> Leftovers::clear(RecordFile& file, uint32_t chain) {
  const auto at = chains_.find(chain);
  if (at == chains_.end()) return {};
  for (const Bytes& key : at->second) {
    if (Result<void> removed = file.remove(key); !removed) return removed;
  }
  Result<void> noted = chains_.size() == 1 ? file.note_leftovers({})
                                           : file.forget_leftovers({at->second.begin(), at->second.end()});
  if (noted) chains_.erase(at);
  return noted;
}

std::vector<Bytes> Leftovers::keys() const {
  std::vector<Bytes> all;
  for (const auto& [chain, keys] : chains_) all.insert(all.end(), keys.begin(), keys.end());
  return all;
}

std::optional<Leftovers::OfChain> Leftovers::first_from(uint32_t chain) const {
  const auto at = chains_.lower_bound(chain);
  if (at == chains_.end()) return std::nullopt;
  return OfChain{at->first, at->second.size(), *at->second.begin()};
}

bool Leftovers::has(const RecordFile& file, ByteView key) const {
  const auto at = empty() ? chains_.end() : chains_.find(file.chain_of(key));
  return at != chains_.end() && at->second.contains(to_bytes(key));
}

}  // namespace ctdb
