// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/sim/checkers/old_generations.h"

#include "libctdbipc/base/hash.h"
#include "libctdbipc/base/random.h"

namespace ctdb::sim {

bool OldGenerations::concerns(const Header& header, uint32_t own_pnn, uint32_t store_generation) {
  if (header.srcnode == own_pnn || header.generation >= store_generation) return false;
  switch (static_cast<Operation>(header.operation)) {
    case Operation::REQ_CALL:
    case Operation::REPLY_CALL:
    case Operation::REQ_DMASTER:
    case Operation::REPLY_DMASTER:
    case Operation::RECORD_DATABASES:
    case Operation::RECORD_CLAIMS:
    case Operation::RECORD_CLAIMS_END:
    case Operation::RECORD_ASSIGN:
    case Operation::RECORD_ASSIGN_END:
    case Operation::RECORD_COPY:
    case Operation::RECORD_COPIED:
    case Operation::RECORD_FORGET:
    case Operation::RECORD_FORGOTTEN:
    case Operation::COMMIT_SUBMIT:
    case Operation::COMMIT_RESULT:
    case Operation::COMMIT_APPEND:
    case Operation::COMMIT_APPENDED:
    case Operation::COMMIT_APPLY:
    case Operation::COMMIT_APPLIED:
    case Operation::DATABASE_WANTED:
    case Operation::DATABASE_CONTENT:
      return true;
    default:
      return false;
  }
}

OldGenerations::Before OldGenerations::look(const Store& store, uint64_t packets_sent) {
  Before before{0, packets_sent};
  // The order of the visit is the store's own affair: fold with a sum.
  store.for_each_record([&](const RecordSight& sight) {
    const uint64_t facts = jenkins_hash(sight.key) ^ sight.rsn << 32 ^ uint64_t { sight.dmaster } << 16 ^
                           sight.flags ^ uint64_t { sight.in_file } << 63;
    before.records += Random::mix(facts);
  });
  return before;
}

void OldGenerations::compare(uint32_t node, const Header& header, const Before& before, const Before& after) {
  ++seen_;
  if (before.records == after.records && before.packets_sent == after.packets_sent) return;
  const OperationRow* row = find_operation(header.operation);
  verdict_.violation("old_generations", std::string(row == nullptr ? "?" : row->name) + " of generation " +
                                            std::to_string(header.generation) + " from node " +
                                            std::to_string(header.srcnode) + " had an effect on node " +
                                            std::to_string(node));
}

}  // namespace ctdb::sim
