// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbipc/runtime/log.h"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/sinks/syslog_sink.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <string>

namespace ctdb {
namespace {

std::atomic<int> current_level{static_cast<int>(LogLevel::kNotice)};
bool journal_lines = false;

std::shared_ptr<spdlog::logger>& logger() {
  static auto instance =
      std::make_shared<spdlog::logger>("ctdb", std::make_shared<spdlog::sinks::stderr_sink_st>());
  return instance;
}

spdlog::level::level_enum spdlog_level(LogLevel level) {
  switch (level) {
    case LogLevel::kError:
      return spdlog::level::err;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kNotice:
      return spdlog::level::info;
    case LogLevel::kInfo:
      return spdlog::level::debug;
    case LogLevel::kDebug:
      return spdlog::level::trace;
  }
  return spdlog::level::info;
}

// Standard error is a stream of journald, which knows time and process itself and reads the priority from the line.
bool stderr_is_journal() {
  const char* stream = std::getenv("JOURNAL_STREAM");
  struct stat status;
  if (stream == nullptr || fstat(STDERR_FILENO, &status) != 0) return false;
  return stream == std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino);
}

const char* journal_priority(LogLevel level) {
  switch (level) {
    case LogLevel::kError:
      return "<3>";
    case LogLevel::kWarning:
      return "<4>";
    case LogLevel::kNotice:
      return "<5>";
    case LogLevel::kInfo:
      return "<6>";
    case LogLevel::kDebug:
      return "<7>";
  }
  return "<6>";
}

Result<spdlog::sink_ptr> make_sink(const std::string& program, const std::string& location) {
  if (location == "stderr") return spdlog::sink_ptr(std::make_shared<spdlog::sinks::stderr_sink_st>());
  // journald takes syslog lines with their priority and adds its fields.
  if (location == "journal" || location.rfind("syslog", 0) == 0) {
    return spdlog::sink_ptr(
        std::make_shared<spdlog::sinks::syslog_sink_st>(program, LOG_PID, LOG_DAEMON, false));
  }
  if (location.rfind("file:", 0) == 0) {
    try {
      return spdlog::sink_ptr(std::make_shared<spdlog::sinks::basic_file_sink_st>(location.substr(5), false));
    } catch (const spdlog::spdlog_ex& problem) {
      return fail(ErrorCode::kSystem, std::string("opening the log: ") + problem.what());
    }
  }
  return fail(ErrorCode::kInvalid,
              "unknown log location '" + location + "' (use stderr, syslog, journal or file:PATH)");
}

}  // namespace

Result<void> log_open(const std::string& program, const std::string& location, LogLevel level) {
  Result<spdlog::sink_ptr> sink = make_sink(program, location);
  if (!sink) return fail(std::move(sink.error()));
  logger() = std::make_shared<spdlog::logger>(program, *sink);
  logger()->set_level(spdlog::level::trace);
  journal_lines = location == "stderr" && stderr_is_journal();
  logger()->set_pattern(journal_lines ? "%v" : "%Y-%m-%dT%H:%M:%S.%e %n[%P] %l: %v");
  logger()->flush_on(spdlog::level::trace);
  log_set_level(level);
  return {};
}

void log_set_level(LogLevel level) {
  current_level = static_cast<int>(level);
}
LogLevel log_level() {
  return static_cast<LogLevel>(current_level.load());
}

bool parse_log_level(std::string_view word, LogLevel& level) {
  struct Name {
    const char* word;
    LogLevel level;
  };
  static constexpr Name kNames[] = {{"ERROR", LogLevel::kError},     {"ERR", LogLevel::kError},
                                    {"WARNING", LogLevel::kWarning}, {"NOTICE", LogLevel::kNotice},
                                    {"INFO", LogLevel::kInfo},       {"DEBUG", LogLevel::kDebug}};
  for (const Name& name : kNames) {
    if (word == name.word) {
      level = name.level;
      return true;
    }
  }
  return false;
}

void log_line(LogLevel level, std::string_view text) {
  if (static_cast<int>(level) > current_level.load(std::memory_order_relaxed)) return;
  if (journal_lines) return logger()->log(spdlog_level(level), journal_priority(level) + std::string(text));
  logger()->log(spdlog_level(level), spdlog::string_view_t(text.data(), text.size()));
}

}  // namespace ctdb
