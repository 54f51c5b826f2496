// SPDX-License-Identifier: GPL-3.0-or-later
// What must be true when everything is healed and no client wants anything: one generation open everywhere, one owner a
// record, location masters that know it, nothing queued anywhere, and the last value of every record in place.
#ifndef CTDB_TESTS_SIM_CHECKERS_QUIESCENCE_H_
#define CTDB_TESTS_SIM_CHECKERS_QUIESCENCE_H_

namespace ctdb::sim {

class World;

void check_quiescence(World& world);

}  // namespace ctdb::sim

#endif  // CTDB_TESTS_SIM_CHECKERS_QUIESCENCE_H_
