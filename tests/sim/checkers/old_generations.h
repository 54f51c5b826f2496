// SPDX-License-Identifier: GPL-3.0-or-later
// Invariant 5: a record packet of an older generation changes nothing in the store that gets it: no record, no packet
// sent. The store process asks before and after each such packet.
#ifndef CTDB_TESTS_SIM_CHECKERS_OLD_GENERATIONS_H_
#define CTDB_TESTS_SIM_CHECKERS_OLD_GENERATIONS_H_

#include <cstdint>
#include <string>

#include "ctdb-store/core/store.h"
#include "libctdbipc/wire/packet.h"
#include "tests/sim/checkers/verdict.h"

namespace ctdb::sim {

class OldGenerations {
 public:
  explicit OldGenerations(Verdict& verdict) : verdict_(verdict) {}

  // The packet comes from another node and is of an older generation than the store's.
  static bool concerns(const Header& header, uint32_t own_pnn, uint32_t store_generation);

  struct Before {
    uint64_t records = 0;
    uint64_t packets_sent = 0;
  };
  static Before look(const Store& store, uint64_t packets_sent);
  void compare(uint32_t node, const Header& header, const Before& before, const Before& after);
  uint64_t seen() const { return seen_; }

 private:
  Verdict& verdict_;
  uint64_t seen_ = 0;
};

}  // namespace ctdb::sim

#endif  // CTDB_TESTS_SIM_CHECKERS_OLD_GENERATIONS_H_
