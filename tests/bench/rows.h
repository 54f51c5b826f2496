// SPDX-License-Identifier: GPL-3.0-or-later
// The rows of the benchmark table that a client can measure. run-bench adds what it sees from outside: CPU and
// context switches of the daemons, start-up time, memory.
#ifndef TESTS_BENCH_ROWS_H_
#define TESTS_BENCH_ROWS_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/bench/bench_client.h"

namespace ctdb::bench {

struct Setting {
  std::function<std::unique_ptr<BenchClient>(uint32_t node)> open;  // a new connection to that node
  double seconds = 2.0;
  size_t message_bytes = 128;  // of the row that has no size in its name
};

struct Outcome {
  uint64_t operations = 0;
  double seconds = 0;
  double median_us = 0;  // of single operations; 0 for rows that only have a rate; of contended rows the mean
  // Of rows on one contended record: the mean wait of the client that waited longest, and the longest single wait, over the mean
  // of all waits.
  double slowest_client = 0;
  double longest_wait = 0;
};

struct Row {
  const char* name;
  const char* text;
  std::function<Outcome(const Setting&)> run;
};
const std::vector<Row>& rows();

}  // namespace ctdb::bench

#endif  // TESTS_BENCH_ROWS_H_
