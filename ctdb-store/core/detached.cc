// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-store/core/detached.h"

#include <algorithm>
#include <map>
#include <utility>

#include "libctdbipc/base/hash.h"
#include "libctdbipc/base/limits.h"

namespace ctdb {

std::vector<std::string> Detached::take_up(uint32_t open_generation) {
  notes_ = files_.detached_list();
  std::vector<std::string> gone;
  for (const DetachedNote& note : notes_) {
    if (note.attempt <= open_generation) gone.push_back(note.name);
  }
  for (DetachedNote& note : notes_) {
    if (note.attempt <= open_generation) note.attempt = 0;
  }
  return gone;
}

void Detached::order(std::string_view name) {
  news_ = true;
  if (std::ranges::find(orders_, name) == orders_.end()) orders_.emplace_back(name);
}

DetachedNote* Detached::find(std::string_view name) {
  const auto at = std::ranges::find(notes_, name, &DetachedNote::name);
  return at == notes_.end() ? nullptr : &*at;
}

// A note that stays on disk would do no harm: a later one counts more, and this node is open in a later generation.
void Detached::attached(std::string_view name) {
  if (std::erase_if(notes_,
                    [&](const DetachedNote& note) { return note.name == name && note.attempt == 0; }) > 0)
    (void)save();
}

bool Detached::is_over(std::string_view name, uint32_t open_generation) const {
  return std::ranges::any_of(notes_, [&](const DetachedNote& note) {
    return note.attempt == 0 && note.name == name && open_generation < note.generation;
  });
}

bool Detached::is_noted(uint32_t db_id) const {
  return std::ranges::any_of(
      notes_, [&](const DetachedNote& note) { return note.attempt == 0 && database_id(note.name) == db_id; });
}

// Of the generation being made: nobody has been open in it.
void Detached::tell(RecordDatabases& message) const {
  for (const std::string& name : orders_) message.detached.push_back({name, message.generation});
  for (const DetachedNote& note : notes_) {
    if (note.attempt == 0) message.detached.push_back({note.name, note.generation});
  }
  if (message.detached.size() > kDatabasesMax) message.detached.resize(kDatabasesMax);
}

bool Detached::is_alive(const DetachedEntry& over) const {
  return std::ranges::any_of(heard_, [&](const RecordDatabases& told) {
    return told.open_generation >= over.generation &&
           std::ranges::find(told.databases, over.name, &DatabaseEntry::name) != told.databases.end();
  });
}

Result<void> Detached::decide(uint32_t generation) {
  all_know_ = std::ranges::all_of(heard_, &RecordDatabases::knows_detached);
  std::map<std::string, uint32_t> over;
  for (const RecordDatabases& told : heard_) {
    for (const DetachedEntry& entry : told.detached) {
      uint32_t& newest = over[entry.name];
      newest = std::max(newest, entry.generation);
    }
  }
  bool changed = false;
  for (const auto& [name, since] : over) {
    DetachedNote* known = find(name);
    if (!all_know_ || is_alive({name, since}) || (known != nullptr && known->generation >= since)) continue;
    if (known == nullptr) known = &notes_.emplace_back();
    *known = {name, since, generation};
    changed = true;
  }
  if (notes_.size() > kDatabasesMax) {
    std::ranges::sort(notes_, std::greater<>(), &DetachedNote::generation);
    notes_.resize(kDatabasesMax);
  }
  return changed ? save() : Result<void>();
}

bool Detached::goes(std::string_view name) const {
  return std::ranges::any_of(
      notes_, [&](const DetachedNote& note) { return note.attempt != 0 && note.name == name; });
}

// An attempt before the decided generation may have been decided, too: this node was cut off since. Then who has such a database tells so.
std::vector<std::string> Detached::settle(uint32_t decided) {
  std::vector<std::string> gone;
  bool changed = false;
  for (const DetachedNote& note : notes_) {
    changed = changed || note.attempt != 0;
    if (note.attempt != 0 && note.attempt <= decided) gone.push_back(note.name);
  }
  std::erase_if(notes_,
                [&](const DetachedNote& note) { return note.attempt != 0 && note.attempt != decided; });
  for (DetachedNote& note : notes_) note.attempt = 0;
  if (changed) (void)save();
  return gone;
}

void Detached::forget() {
  if (!all_know_ || notes_.empty()) return;
  notes_.clear();
  (void)save();
}

}  // namespace ctdb
