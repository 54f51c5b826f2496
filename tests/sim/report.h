// SPDX-License-Identifier: GPL-3.0-or-later
// What ctdb-sim prints: figures of many seeds, coverage, and a failing seed with all that is needed to look into it.
#ifndef CTDB_TESTS_SIM_REPORT_H_
#define CTDB_TESTS_SIM_REPORT_H_

#include <string>

#include "tests/sim/figures.h"
#include "tests/sim/scenario.h"

namespace ctdb::sim {

std::string figures_text(const Figures& figures);
// How often each fault came at each point.
std::string coverage_text(const Figures& figures);
// Shrinks the scenario (at most `runs_max` runs, none for 0) and describes what is left. The text of the smaller scenario
// goes to `directory` as well, unless that is empty.
std::string failure_text(const Scenario& scenario, const std::string& failure, const std::string& replay,
                         uint64_t runs_max, const std::string& directory);

}  // namespace ctdb::sim

#endif  // CTDB_TESTS_SIM_REPORT_H_
