// SPDX-License-Identifier: GPL-3.0-or-later
// Broken worlds: each mutation takes away one rule the cores rely on or keep, by changing what travels between them. The
// cores carry no test hooks. A run with a mutation must be caught by a checker (mutation_test.cc); World's processes
// and the network ask here.
#ifndef CTDB_TESTS_SIM_MUTATIONS_H_
#define CTDB_TESTS_SIM_MUTATIONS_H_

#include <cstdint>
#include <optional>
#include <string_view>

#include "libctdbipc/base/bytes.h"
#include "libctdbipc/base/random.h"
#include "tests/sim/network.h"

namespace ctdb::sim {

enum class Mutation : uint8_t {
  kNone,
  kRestampGenerations,  // record packets of an older generation pass as ones of the present generation
  kKeepOldRecords,      // a store that missed generations does not discard its records
  kIgnoreSuspend,       // a store is not told that its node is no member
  kHideShortResets,     // a link that comes back within 50 ms is not reported as reset
  kReorderLane,         // packets of one lane overtake each other
  kDuplicatePackets,    // record packets arrive twice
  kPromoteLoser,        // the lmaster's assignments name another holder than the winner
  kForgetClaims,        // one holder's claims do not reach the lmaster
  kLoseVotes,           // recoveryd's durable state is lost with the process
};

std::optional<Mutation> mutation_by_name(std::string_view name);
std::string_view mutation_name(Mutation mutation);

// Networks that do not keep what they promise.
void mutate_world(Mutation mutation, NetworkOptions& network);
// What a store gets from its router. false: it does not get it.
bool mutate_store_input(Mutation mutation, Bytes& packet, uint32_t store_generation, uint32_t store_newest);
// What a store sends. false: it does not send it.
bool mutate_store_output(Mutation mutation, Bytes& packet, uint32_t nodes, Random& random);

}  // namespace ctdb::sim

#endif  // CTDB_TESTS_SIM_MUTATIONS_H_
