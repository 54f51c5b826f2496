// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-cli/text.h"

#include <time.h>

#include <charconv>
#include <cstdio>

namespace ctdb::cli {

std::string joined(const std::vector<std::string>& parts, std::string_view between) {
  std::string out;
  for (const std::string& part : parts) {
    if (!out.empty()) out += between;
    out += part;
  }
  return out;
}

std::optional<uint32_t> parse_number(const std::string& text, uint32_t max) {
  uint32_t value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc() || end != text.data() + text.size() || value > max) return std::nullopt;
  return value;
}

std::string time_text(int64_t realtime_ns) {
  const time_t seconds = realtime_ns / 1000000000;
  tm parts;
  localtime_r(&seconds, &parts);
  char out[32];
  strftime(out, sizeof out, "%Y-%m-%d %H:%M:%S", &parts);
  return out;
}

std::string utc_text(int64_t realtime_ns) {
  const time_t seconds = realtime_ns / 1000000000;
  tm parts;
  gmtime_r(&seconds, &parts);
  char day[32];
  strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &parts);
  char out[48];
  std::snprintf(out, sizeof out, "%s.%03dZ", day, static_cast<int>(realtime_ns / 1000000 % 1000));
  return out;
}

}  // namespace ctdb::cli
