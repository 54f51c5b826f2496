// SPDX-License-Identifier: LGPL-3.0-or-later
// What a process is called, for messages to people, and where its number means it.
#ifndef LIBCTDBIPC_BASE_PROCESS_NAME_H_
#define LIBCTDBIPC_BASE_PROCESS_NAME_H_

#include <sys/types.h>

#include <cstdint>
#include <string>

namespace ctdb {

// Empty: there is no such process, or this one may not look at it.
std::string process_name(pid_t pid);
// "ctdbd (process 123)"; without the name where it cannot be seen; "a program that cannot be seen from here" for 0.
std::string process_text(pid_t pid);

// The number of this process's pid namespace, in which alone its pid means it; 0: it cannot be seen (no /proc).
uint32_t own_pid_namespace();

}  // namespace ctdb

#endif  // LIBCTDBIPC_BASE_PROCESS_NAME_H_
