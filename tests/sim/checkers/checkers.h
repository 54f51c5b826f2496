// SPDX-License-Identifier: GPL-3.0-or-later
// All checkers of one run, wired together. World owns it; clients and processes report to it.
#ifndef CTDB_TESTS_SIM_CHECKERS_CHECKERS_H_
#define CTDB_TESTS_SIM_CHECKERS_CHECKERS_H_

#include <utility>

#include "tests/sim/checkers/copies.h"
#include "tests/sim/checkers/counters.h"
#include "tests/sim/checkers/history.h"
#include "tests/sim/checkers/linearizability.h"
#include "tests/sim/checkers/lives.h"
#include "tests/sim/checkers/lost_updates.h"
#include "tests/sim/checkers/old_generations.h"
#include "tests/sim/checkers/outsiders.h"
#include "tests/sim/checkers/progress.h"
#include "tests/sim/checkers/reported_losses.h"
#include "tests/sim/checkers/sequence_numbers.h"
#include "tests/sim/checkers/single_owner.h"
#include "tests/sim/checkers/transactions.h"
#include "tests/sim/checkers/verdict.h"

namespace ctdb::sim {

struct Checkers {
  Checkers(uint32_t nodes, uint32_t keys, Lives::Watcher& watcher, SingleOwner::Sight sight,
           Copies::Sight data_sight, std::function<TimeNs()> clock)
      : lives(nodes, watcher),
        history(nodes, keys, lives),
        sequence_numbers(keys, lives, verdict),
        reported_losses(history, std::move(clock), verdict),
        lost_updates(lives, history, reported_losses, verdict),
        copies(keys, lives, history, std::move(data_sight), verdict),
        single_owner(lives, std::move(sight), verdict),
        old_generations(verdict),
        linearizability(lives, history, verdict),
        outsiders(lives, verdict),
        transactions(verdict),
        counters(verdict),
        progress(verdict) {}

  Verdict verdict;
  Lives lives;
  History history;
  SequenceNumbers sequence_numbers;
  ReportedLosses reported_losses;
  LostUpdates lost_updates;
  Copies copies;
  SingleOwner single_owner;
  OldGenerations old_generations;
  Linearizability linearizability;
  Outsiders outsiders;
  Transactions transactions;
  Counters counters;
  Progress progress;
};

}  // namespace ctdb::sim

#endif  // CTDB_TESTS_SIM_CHECKERS_CHECKERS_H_
