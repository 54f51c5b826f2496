// SPDX-License-Identifier: GPL-3.0-or-later
// Replaces operator new of the program it is linked into: the largest piece anybody has asked for.
#ifndef TESTS_GOLDEN_ALLOCATION_WATCH_H_
#define TESTS_GOLDEN_ALLOCATION_WATCH_H_

#include <cstddef>

namespace ctdb {
extern size_t largest_allocation;  // set it to 0 to begin anew
}  // namespace ctdb

#endif  // TESTS_GOLDEN_ALLOCATION_WATCH_H_
