// SPDX-License-Identifier: GPL-3.0-or-later
// What the members of an attempt say keeps their stores from being prepared, and who is left out for that. Pure.
//
// No store is prepared without the claims and assignments of all others, so one that stands still keeps everybody waiting: who is
// at fault follows only from what all of them say. Those that do not complain of each other go on together, as many as possible.
#ifndef CTDB_RECOVERYD_CORE_COMPLAINTS_H_
#define CTDB_RECOVERYD_CORE_COMPLAINTS_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "libctdbipc/wire/own_messages.h"

namespace ctdb {

class Complaints {
 public:
  void clear() { of_.clear(); }
  // A report that is not ok, and about others or about waiting. The newest of a member counts, but the first that says that
  // another's packets were wrong.
  void take(uint32_t by, const RecoveryReport& report);

  // Somebody says that another's packets were wrong: this attempt cannot succeed.
  bool failed() const;
  // And more than one member says so of the same one, or there is no third that could.
  bool agreed(const std::vector<uint32_t>& members) const;

  // Whom to go on without, and why; nobody: nothing speaks against anybody in particular. Who is not prepared and says nothing,
  // while others do, counts as one that waits for itself.
  std::map<uint32_t, std::string> culprits(const std::vector<uint32_t>& members,
                                           const std::vector<uint32_t>& prepared, uint32_t leader) const;

 private:
  struct Complaint {
    std::string error;  // empty: it waits
    bool all_claimed = false;
    std::vector<uint32_t> about;
  };
  bool counts(const Complaint& complaint) const;
  std::vector<uint32_t> accusers(uint32_t pnn) const;
  std::string why(uint32_t pnn) const;

  std::map<uint32_t, Complaint> of_;
};

}  // namespace ctdb

#endif  // CTDB_RECOVERYD_CORE_COMPLAINTS_H_
