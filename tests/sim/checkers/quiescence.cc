// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/sim/checkers/quiescence.h"

#include <algorithm>
#include <string>
#include <vector>

#include "libctdbipc/base/printable.h"
#include "libctdbipc/wire/placement.h"
#include "tests/sim/node.h"
#include "tests/sim/world.h"

namespace ctdb::sim {
namespace {

constexpr const char* kName = "quiescence";

std::string on(uint32_t node) {
  return " on node " + std::to_string(node);
}

void check_node(World& world, Node& node, uint32_t generation) {
  Verdict& verdict = world.checkers.verdict;
  const Store& store = *node.store.core();
  if (store.phase() != StorePhase::kOpen || store.generation() != generation) {
    verdict.violation(kName, "store in generation " + std::to_string(store.generation()) +
                                 " and not open in " + std::to_string(generation) + on(node.pnn()));
  }
  if (node.recoveryd.core()->open_generation() != generation) {
    verdict.violation(kName, "recoveryd thinks of another generation than its store" + on(node.pnn()));
  }
  if (store.counts().calls_pending != 0) {
    verdict.violation(kName,
                      std::to_string(store.counts().calls_pending) + " calls pending" + on(node.pnn()));
  }
  store.for_each_record([&](const RecordSight& sight) {
    if (sight.waiting != 0) verdict.violation(kName, "requests queued on a record" + on(node.pnn()));
  });
  if (node.router.core()->requests_in_flight() != 0) {
    verdict.violation(kName, std::to_string(node.router.core()->requests_in_flight()) +
                                 " requests in flight in the router" + on(node.pnn()));
  }
  if (node.locks.waiting() != 0) verdict.violation(kName, "somebody waits for a chain lock" + on(node.pnn()));
}

void check_witness(World& world, Node& node) {
  Verdict& verdict = world.checkers.verdict;
  if (!node.router.running() || !node.recoveryd.running())
    return verdict.violation(kName, "a daemon is not running" + on(node.pnn()));
  const ClusterNode& recoveryd = *node.recoveryd.core();
  if (recoveryd.open_generation() != CTDB_INVALID_GENERATION)
    verdict.violation(kName, "a witness is in a generation" + on(node.pnn()));
  if (node.router.core()->requests_in_flight() != 0)
    verdict.violation(kName, "requests in flight in the router" + on(node.pnn()));
}

// Who the node's store thinks has the record: kUnknown when it knows nothing of the record.
uint32_t pointer_of(const Store& store, ByteView key) {
  uint32_t dmaster = CTDB_UNKNOWN_PNN;
  store.for_each_record([&](const RecordSight& sight) {
    if (to_bytes(sight.key) == to_bytes(key)) dmaster = sight.dmaster;
  });
  return dmaster;
}

void check_key(World& world, const Placement& placement, uint32_t key) {
  Verdict& verdict = world.checkers.verdict;
  const Bytes bytes = world.key_bytes(key);
  const std::string name = "key " + std::to_string(key);
  uint32_t owner = CTDB_UNKNOWN_PNN;
  Bytes owned;
  bool has_data = false;
  for (uint32_t pnn = 0; pnn < world.record_nodes(); ++pnn) {
    const std::optional<Bytes> value = world.node(pnn).database()->fetch(bytes);
    const std::optional<RecordHeader> header = value ? read_record_header(*value) : std::nullopt;
    if (!header) continue;
    has_data = has_data || value->size() > CTDB_RECORD_HEADER_SIZE;
    if (header->dmaster != pnn) continue;
    if (owner != CTDB_UNKNOWN_PNN) {
      verdict.violation(kName, name + " has two owners," + on(owner) + " and" + on(pnn));
    }
    owner = pnn;
    owned.assign(value->begin() + CTDB_RECORD_HEADER_SIZE, value->end());
  }
  if (owner == CTDB_UNKNOWN_PNN) {
    if (has_data) verdict.violation(kName, name + " has copies but no owner");
    world.checkers.lost_updates.owned(0, key, {});
    return;
  }
  world.checkers.lost_updates.owned(owner, key, owned);
  const uint32_t lmaster = placement.lmaster(bytes);
  const uint32_t pointer = pointer_of(*world.node(lmaster).store.core(), bytes);
  if (pointer != owner) {
    verdict.violation(kName, name + ": its location master " + std::to_string(lmaster) + " points to " +
                                 std::to_string(pointer) + ", the owner is" + on(owner));
  }
}

// What may be read in a file is what its owner has, and the owner knows that it is read.
void check_read_only_copies(World& world, uint32_t key) {
  const auto value_on = [&](uint32_t pnn) { return world.node(pnn).database()->fetch(world.key_bytes(key)); };
  const auto wrong = [&](uint32_t pnn, const char* what) {
    world.checkers.verdict.violation(kName,
                                     "the read-only copy of key " + std::to_string(key) + on(pnn) + what);
  };
  for (uint32_t pnn = 0; pnn < world.record_nodes(); ++pnn) {
    const std::optional<Bytes> value = value_on(pnn);
    const std::optional<RecordHeader> header = value ? read_record_header(*value) : std::nullopt;
    if (!header || (header->flags & CTDB_RECORD_RO_HAVE_READONLY) == 0) continue;
    uint32_t owner = 0;
    std::optional<RecordHeader> owned;
    for (; owner < world.record_nodes(); ++owner) {
      const std::optional<Bytes> its = value_on(owner);
      owned = its ? read_record_header(*its) : std::nullopt;
      if (owned && owned->dmaster == owner) break;
    }
    if (owner == world.record_nodes()) {
      wrong(pnn, " has no owner");
    } else if ((owned->flags & CTDB_RECORD_RO_HAVE_DELEGATIONS) == 0) {
      wrong(pnn, " is not known to its owner");
    } else if (!std::ranges::equal(ByteView(*value).subspan(CTDB_RECORD_HEADER_SIZE),
                                   ByteView(*value_on(owner)).subspan(CTDB_RECORD_HEADER_SIZE))) {
      wrong(pnn, " is not what its owner has");
    }
  }
}

// Deleted records are gone from all files, where clients that died before they could tell are found in time too.
void check_forgotten(World& world) {
  constexpr TimeNs kFoundInTime = 20 * kMillisecond;
  if (world.options().vacuum == 0 || world.options().vacuum > kFoundInTime) return;
  for (uint32_t key = 0; key < world.options().keys; ++key) {
    uint32_t empty_on = CTDB_UNKNOWN_PNN;
    bool in_use = false;
    for (uint32_t pnn = 0; pnn < world.record_nodes(); ++pnn) {
      const Bytes* value = world.node(pnn).database()->look(world.key_bytes(key));
      if (value == nullptr) continue;
      const std::optional<RecordHeader> header = read_record_header(*value);
      const bool has_data = value->size() > CTDB_RECORD_HEADER_SIZE;
      in_use = in_use || (has_data && header && header->dmaster == pnn);
      if (!has_data) empty_on = pnn;
    }
    if (in_use || empty_on == CTDB_UNKNOWN_PNN) continue;
    world.checkers.verdict.violation(
        kName, "key " + std::to_string(key) + " is deleted and not forgotten" + on(empty_on));
  }
}

void check_losses(World& world) {
  std::vector<std::string> named;
  for (uint32_t key = 0; key < world.options().keys; ++key)
    named.push_back(std::string(World::database_name()) + " " + argument_from_bytes(world.key_bytes(key)));
  world.checkers.reported_losses.at_rest(named);
}

void check_transactions(World& world) {
  std::vector<std::vector<Bytes>> keys;
  for (uint32_t pnn = 0; pnn < world.record_nodes(); ++pnn) {
    MemoryDatabase* database = world.node(pnn).files.database(World::persistent_name());
    keys.push_back(database == nullptr ? std::vector<Bytes>() : database->keys());
    std::ranges::sort(keys.back());
  }
  world.checkers.transactions.at_rest(keys);
}

// The highest of those that say that they have it: more than one is another checker's business.
void check_counters(World& world) {
  for (uint32_t counter = 0; counter < Counters::kCounters; ++counter) {
    int64_t value = 0;
    for (uint32_t pnn = 0; pnn < world.record_nodes(); ++pnn) {
      MemoryDatabase* database = world.node(pnn).files.database(World::counters_name());
      const std::optional<Bytes> found =
          database == nullptr ? std::nullopt : database->fetch(Counters::key_of(counter));
      if (!found || found->size() != CTDB_RECORD_HEADER_SIZE + sizeof value) continue;
      if (read_record_header(*found)->dmaster == pnn)
        value = std::max(value, load<int64_t>(found->data() + CTDB_RECORD_HEADER_SIZE));
    }
    world.checkers.counters.at_rest(counter, value, world.nothing_may_be_lost());
  }
}

}  // namespace

void check_quiescence(World& world) {
  std::vector<uint32_t> members;
  for (uint32_t pnn = 0; pnn < world.node_count(); ++pnn) {
    Node& node = world.node(pnn);
    if (world.is_witness(pnn)) {
      check_witness(world, node);
      continue;
    }
    if (!node.router.running() || !node.store.running() || node.store.core() == nullptr ||
        !node.recoveryd.running()) {
      return world.checkers.verdict.violation(kName, "a daemon is not running" + on(pnn));
    }
    if (node.database() == nullptr) return world.checkers.verdict.violation(kName, "no database" + on(pnn));
    members.push_back(pnn);
  }
  const uint32_t generation = world.node(0).store.core()->generation();
  for (uint32_t pnn : members) check_node(world, world.node(pnn), generation);
  const Placement placement(members);
  for (uint32_t key = 0; key < world.options().keys; ++key) check_key(world, placement, key);
  for (uint32_t key = 0; key < world.options().keys; ++key) check_read_only_copies(world, key);
  check_forgotten(world);
  check_losses(world);
  if (world.options().transactions) check_transactions(world);
  if (world.options().functions) check_counters(world);
  world.checkers.copies.at_rest(std::min(world.options().copies, world.record_nodes()));
}

}  // namespace ctdb::sim
