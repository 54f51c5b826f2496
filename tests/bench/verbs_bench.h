// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef TESTS_BENCH_VERBS_BENCH_H_
#define TESTS_BENCH_VERBS_BENCH_H_

namespace ctdb::bench {

// argv[0] is the subcommand's name. Prints one JSON object a row; returns the exit status.
int run_verbs_bench(int argc, char** argv);

}  // namespace ctdb::bench

#endif  // TESTS_BENCH_VERBS_BENCH_H_
