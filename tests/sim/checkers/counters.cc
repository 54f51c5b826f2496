// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/sim/checkers/counters.h"

namespace ctdb::sim {
namespace {

constexpr const char* kName = "counters";

}  // namespace

void Counters::done(uint32_t counter, int64_t value, bool nothing_may_be_lost) {
  Counter& its = counters_[counter];
  ++its.done;
  const bool is_new = its.values.insert(value).second;
  if (nothing_may_be_lost && !is_new) {
    verdict_.violation(
        kName, "counter " + std::to_string(counter) + ": two adds made " + std::to_string(value) + " of it");
  }
}

void Counters::at_rest(uint32_t counter, int64_t value, bool nothing_may_be_lost) {
  const Counter& its = counters_[counter];
  const std::string name = "counter " + std::to_string(counter) + " is " + std::to_string(value) + ", ";
  if (value > its.begun)
    verdict_.violation(kName, name + "but only " + std::to_string(its.begun) + " adds were begun");
  if (nothing_may_be_lost && value < its.done)
    verdict_.violation(kName, name + "but " + std::to_string(its.done) + " adds were done");
}

uint64_t Counters::acknowledged() const {
  int64_t all = 0;
  for (const Counter& its : counters_) all += its.done;
  return static_cast<uint64_t>(all);
}

}  // namespace ctdb::sim
