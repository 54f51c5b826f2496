// SPDX-License-Identifier: GPL-3.0-or-later
// Where the transactions are that clients were told of, as far as the leader knows, and whether voters may change with that.
// Transactions are taken when more than half of the voters are members with stores, so two such groups of the same
// voters, or of voters that differ in one, share a node that has all of them. Of voters that have changed twice meanwhile that is
// not so: two new nodes of three could take transactions while the third, which was alone before, is away, and its
// own would be lost.
#ifndef CTDB_RECOVERYD_CORE_LOG_HOLDERS_H_
#define CTDB_RECOVERYD_CORE_LOG_HOLDERS_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace ctdb {

class LogHolders {
 public:
  using Set = std::vector<uint32_t>;  // ascending
  using IsWitness = std::function<bool(uint32_t pnn)>;

  // A term begins; `holders` have everything, empty: nobody knows yet.
  void start(Set voters, Set holders);
  // In an open generation that takes transactions the logs of its members, these, have become equal.
  void equal(Set members) { holders_ = std::move(members); }
  // Why `next` must not vote instead of `now`, which differ in one node; "": they may.
  std::string objection(const Set& now, const Set& next, const IsWitness& witness) const;

 private:
  Set holders_;
  Set first_voters_;  // of the term: some of them have everything, whoever took the last transactions
};

}  // namespace ctdb

#endif  // CTDB_RECOVERYD_CORE_LOG_HOLDERS_H_
