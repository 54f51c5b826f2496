// SPDX-License-Identifier: LGPL-3.0-or-later
// How a store says that a step of a wipe or a restore was ended by a recovery (or another transaction) and nothing has changed: at the
// end of its error text, where a user reads it and ctdb-cli looks for it.
#ifndef LIBCTDBIPC_WIRE_TRY_AGAIN_H_
#define LIBCTDBIPC_WIRE_TRY_AGAIN_H_

namespace ctdb {

inline constexpr char kTryAgain[] = "nothing was changed: try again";
// Without that it is a commit's answer: another node may have done it, and doing it once more makes the same of it.
inline constexpr char kNotFrozen[] = "the database is not frozen (a recovery ends that)";

}  // namespace ctdb

#endif  // LIBCTDBIPC_WIRE_TRY_AGAIN_H_
