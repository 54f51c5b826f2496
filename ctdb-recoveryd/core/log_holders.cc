// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-recoveryd/core/log_holders.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace ctdb {
namespace {

// That many of them must be members with stores for transactions to be taken.
size_t takes_transactions(const LogHolders::Set& voters) {
  return voters.size() / 2 + 1;
}

LogHolders::Set with_stores(LogHolders::Set nodes, const LogHolders::IsWitness& witness) {
  std::erase_if(nodes, witness);
  return nodes;
}

}  // namespace

void LogHolders::start(Set voters, Set holders) {
  first_voters_ = std::move(voters);
  holders_ = std::move(holders);
}

std::string LogHolders::objection(const Set& now, const Set& next, const IsWitness& witness) const {
  constexpr const char* kWhy =
      "the newest transactions are not known to be on enough of the nodes that would vote: more of those "
      "that vote now must "
      "take part first";
  const Set stores = with_stores(next, witness);
  if (!holders_.empty()) {
    const auto others = static_cast<size_t>(std::ranges::count_if(
        stores, [&](uint32_t pnn) { return !std::ranges::binary_search(holders_, pnn); }));
    return others < takes_transactions(next) ? "" : kWhy;
  }
  // A dead node must be removable also when those that are left take no transactions; a new one can wait until it is known, if it
  // ever can be.
  const bool grows = next.size() > now.size();
  if (grows && with_stores(now, witness).size() >= takes_transactions(now)) return kWhy;
  const Set before = with_stores(first_voters_, witness);
  Set all;
  std::ranges::set_union(before, stores, std::back_inserter(all));
  const bool share_one = takes_transactions(first_voters_) + takes_transactions(next) > all.size();
  return share_one ? "" : kWhy;
}

}  // namespace ctdb
