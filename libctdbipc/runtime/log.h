// SPDX-License-Identifier: LGPL-3.0-or-later
// Logging for daemons: state changes, never packets. spdlog is used in log.cc and nowhere else.
#ifndef LIBCTDBIPC_RUNTIME_LOG_H_
#define LIBCTDBIPC_RUNTIME_LOG_H_

#include <string>
#include <string_view>

#include "libctdbipc/base/result.h"

namespace ctdb {

// The numbers of the protocol's debug levels (wire-protocol §8.1, GET_DEBUG).
enum class LogLevel : int { kError = 0, kWarning = 1, kNotice = 3, kInfo = 5, kDebug = 10 };

// `location`: stderr, syslog, journal or file:PATH. `program` heads each line. Before the call everything
// goes to stderr.
Result<void> log_open(const std::string& program, const std::string& location, LogLevel level);
void log_set_level(LogLevel level);
LogLevel log_level();
// nullopt-like: returns false for a word that is no level.
bool parse_log_level(std::string_view word, LogLevel& level);

void log_line(LogLevel level, std::string_view text);
inline void log_error(std::string_view text) {
  log_line(LogLevel::kError, text);
}
inline void log_warning(std::string_view text) {
  log_line(LogLevel::kWarning, text);
}
inline void log_notice(std::string_view text) {
  log_line(LogLevel::kNotice, text);
}
inline void log_info(std::string_view text) {
  log_line(LogLevel::kInfo, text);
}
inline void log_debug(std::string_view text) {
  log_line(LogLevel::kDebug, text);
}

}  // namespace ctdb

#endif  // LIBCTDBIPC_RUNTIME_LOG_H_
