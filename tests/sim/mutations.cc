// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/sim/mutations.h"

#include <iterator>

#include "libctdbipc/wire/own_messages.h"

namespace ctdb::sim {
namespace {

struct Row {
  Mutation mutation;
  std::string_view name;
};
constexpr Row kRows[] = {
    {Mutation::kNone, "none"},
    {Mutation::kRestampGenerations, "restamp-generations"},
    {Mutation::kKeepOldRecords, "keep-old-records"},
    {Mutation::kIgnoreSuspend, "ignore-suspend"},
    {Mutation::kHideShortResets, "hide-short-resets"},
    {Mutation::kReorderLane, "reorder-lane"},
    {Mutation::kDuplicatePackets, "duplicate-packets"},
    {Mutation::kPromoteLoser, "promote-loser"},
    {Mutation::kForgetClaims, "forget-claims"},
    {Mutation::kLoseVotes, "lose-votes"},
};

bool is_record_packet(Operation operation) {
  return operation == Operation::REQ_DMASTER || operation == Operation::REPLY_DMASTER ||
         operation == Operation::REQ_CALL;
}

void replace_payload(Bytes& packet, ByteView payload) {
  Header header = read_header(packet);
  build_own(packet, header, payload);
}

}  // namespace

std::optional<Mutation> mutation_by_name(std::string_view name) {
  for (const Row& row : kRows) {
    if (row.name == name) return row.mutation;
  }
  return std::nullopt;
}

std::string_view mutation_name(Mutation mutation) {
  for (const Row& row : kRows) {
    if (row.mutation == mutation) return row.name;
  }
  return "?";
}

void mutate_world(Mutation mutation, NetworkOptions& network) {
  if (mutation == Mutation::kHideShortResets) network.hide_resets_shorter_than = 300 * kMillisecond;
  network.reorder = mutation == Mutation::kReorderLane;
  network.duplicate = mutation == Mutation::kDuplicatePackets;
}

bool mutate_store_input(Mutation mutation, Bytes& packet, uint32_t store_generation, uint32_t store_newest) {
  const Header header = read_header(packet);
  const Operation operation = static_cast<Operation>(header.operation);
  switch (mutation) {
    case Mutation::kRestampGenerations:
      if (is_record_packet(operation) && header.generation < store_generation)
        set_generation(packet, store_generation);
      return true;
    case Mutation::kKeepOldRecords:
      if (operation == Operation::STORE_RECOVER) {
        std::optional<StoreRecover> recover = StoreRecover::decode(own_payload(packet));
        if (recover && recover->base_generation > store_newest) {
          recover->base_generation = store_newest;
          replace_payload(packet, recover->encode());
        }
      }
      return true;
    case Mutation::kIgnoreSuspend:
      return operation != Operation::STORE_SUSPEND;
    default:
      return true;
  }
}

bool mutate_store_output(Mutation mutation, Bytes& packet, uint32_t nodes, Random& random) {
  const Header header = read_header(packet);
  const Operation operation = static_cast<Operation>(header.operation);
  if (mutation == Mutation::kPromoteLoser && operation == Operation::RECORD_ASSIGN) {
    std::optional<RecordAssign> assign = RecordAssign::decode(own_payload(packet));
    if (assign) {
      for (RecordAssignment& one : assign->assignments)
        one.dmaster = static_cast<uint32_t>(random.below(nodes));
      replace_payload(packet, assign->encode());
    }
  }
  return mutation != Mutation::kForgetClaims || operation != Operation::RECORD_CLAIMS || !random.one_in(3);
}

}  // namespace ctdb::sim
