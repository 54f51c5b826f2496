// SPDX-License-Identifier: LGPL-3.0-or-later
// Errors that say nothing about the thing that was asked for: the system is short of something, or a disk does not answer just
// now. What failed so is as good as it was, and is tried again. Pure.
#ifndef LIBCTDBIPC_BASE_SHORTAGE_H_
#define LIBCTDBIPC_BASE_SHORTAGE_H_

#include <string_view>

#include "libctdbipc/base/result.h"

namespace ctdb {

bool is_shortage(const Error& error);
// What an administrator can do about it, as a clause; "" of an error that is none.
std::string_view remedy_of(const Error& error);

}  // namespace ctdb

#endif  // LIBCTDBIPC_BASE_SHORTAGE_H_
