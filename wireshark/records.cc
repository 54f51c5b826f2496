// SPDX-License-Identifier: GPL-2.0-or-later
#include "wireshark/records.h"

#include <algorithm>

#include "wireshark/tables.h"

namespace ctdbx {
namespace {

bool moves_records(uint32_t operation) {
  return operation == kREQ_CALL || operation == kREPLY_CALL || operation == kREQ_DMASTER ||
         operation == kREPLY_DMASTER;
}
bool is_dmaster(uint32_t operation) {
  return operation == kREQ_DMASTER || operation == kREPLY_DMASTER;
}
// A record that was deleted everywhere begins again with small numbers.
constexpr uint64_t kFirstRsns = 8;

}  // namespace

const Judgement& Records::judge(const Sighting& s) {
  const uint64_t where = uint64_t{s.frame} << 32 | s.index;
  auto found = judgements_.find(where);
  if (found == judgements_.end()) found = judgements_.emplace(where, find_judgement(s)).first;
  return found->second;
}

Record* Records::find(uint32_t number) {
  return number > 0 && number <= records_.size() ? &records_[number - 1] : nullptr;
}

void Records::clear() {
  records_.clear();
  by_key_.clear();
  judgements_.clear();
  order_.clear();
  newest_of_.clear();
}

// A packet's receiver has used a newer generation already. Generations of classic clusters are random, so newer is what was seen
// later.
bool Records::left_generation(const Sighting& s) {
  if (s.generation <= CTDB_INVALID_GENERATION) return false;
  const uint32_t place = order_.try_emplace(s.generation, static_cast<uint32_t>(order_.size())).first->second;
  uint32_t& newest = newest_of_.try_emplace(s.srcnode, place).first->second;
  newest = std::max(newest, place);
  auto receiver = newest_of_.find(s.destnode);
  return moves_records(s.operation) && receiver != newest_of_.end() && receiver->second > place;
}

Record& Records::record_of(const Sighting& s) {
  std::string key(reinterpret_cast<const char*>(&s.db_id), sizeof s.db_id);
  key += s.key;
  auto [found, is_new] = by_key_.try_emplace(std::move(key), nullptr);
  if (is_new) {
    found->second = &records_.emplace_back();
    found->second->number = static_cast<uint32_t>(records_.size());
  }
  return *found->second;
}

Judgement Records::find_judgement(const Sighting& s) {
  Judgement judgement;
  judgement.old_generation = left_generation(s);
  if (!s.has_key) return judgement;
  Record& record = record_of(s);
  judgement.record = &record;
  if (record.frames.empty() || record.frames.back() != s.frame) record.frames.push_back(s.frame);
  if (!is_dmaster(s.operation)) return judgement;
  if (record.generation != s.generation) record.granted = false, record.rsn = 0;
  record.generation = s.generation;
  judgement.rsn_back = s.has_rsn && s.rsn < record.rsn && s.rsn > kFirstRsns;
  record.rsn = s.rsn;
  if (s.operation == kREQ_DMASTER) {
    record.granted = false;
    return judgement;
  }
  judgement.granted_twice =
      record.granted && record.granted_by == s.srcnode && record.granted_to != s.destnode;
  record.granted = true;
  record.granted_by = s.srcnode;
  record.granted_to = s.destnode;
  return judgement;
}

}  // namespace ctdbx
