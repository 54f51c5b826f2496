// SPDX-License-Identifier: GPL-3.0-or-later
// Invariant 8: every request is answered, or its client's connection is gone. A client reports when it begins to wait
// and when it goes on; after the network and the daemons are healed all of them must go on within a bound.
#ifndef CTDB_TESTS_SIM_CHECKERS_PROGRESS_H_
#define CTDB_TESTS_SIM_CHECKERS_PROGRESS_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tests/sim/checkers/verdict.h"

namespace ctdb::sim {

class Progress {
 public:
  explicit Progress(Verdict& verdict) : verdict_(verdict) {}

  uint32_t add_client(uint32_t node) {
    clients_.push_back({node, 0, 0, "starts"});
    return static_cast<uint32_t>(clients_.size() - 1);
  }
  void completed(uint32_t client) {
    ++clients_[client].completed;
    ++total_;
  }
  // `what` is a literal: what the client is doing now.
  void doing(uint32_t client, const char* what) { clients_[client].doing = what; }

  void begin_phase() {
    for (Client& client : clients_) client.phase_start = client.completed;
  }
  // All clients have completed at least `operations` since begin_phase().
  bool all_completed(uint64_t operations) const;
  // The same, as below, of the clients of the nodes that count.
  bool all_completed(uint64_t operations, const std::function<bool(uint32_t node)>& counts) const;
  void demand(uint64_t operations, const std::function<bool(uint32_t node)>& counts);
  uint64_t total() const { return total_; }

 private:
  struct Client {
    uint32_t node;
    uint64_t completed;
    uint64_t phase_start;
    const char* doing;
  };
  std::vector<Client> clients_;
  uint64_t total_ = 0;
  Verdict& verdict_;
};

}  // namespace ctdb::sim

#endif  // CTDB_TESTS_SIM_CHECKERS_PROGRESS_H_
