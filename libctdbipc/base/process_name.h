// SPDX-License-Identifier: LGPL-3.0-or-later
// What a process is called, for messages to people.
#ifndef LIBCTDBIPC_BASE_PROCESS_NAME_H_
#define LIBCTDBIPC_BASE_PROCESS_NAME_H_

#include <sys/types.h>

#include <string>

namespace ctdb {

// Empty: there is no such process, or this one may not look at it.
std::string process_name(pid_t pid);
// "ctdbd (process 123)"; without the name where it cannot be seen; "a program that cannot be seen from here" for 0.
std::string process_text(pid_t pid);

}  // namespace ctdb

#endif  // LIBCTDBIPC_BASE_PROCESS_NAME_H_
