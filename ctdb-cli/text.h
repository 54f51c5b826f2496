// SPDX-License-Identifier: GPL-3.0-or-later
// Small conversions between what people type or read and what the protocol carries.
#ifndef CTDB_CLI_TEXT_H_
#define CTDB_CLI_TEXT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libctdbipc/base/printable.h"

namespace ctdb::cli {

std::string joined(const std::vector<std::string>& parts, std::string_view between);

// A whole decimal number up to `max`. nullopt: anything else.
std::optional<uint32_t> parse_number(const std::string& text, uint32_t max);

// "2024-11-25 13:35:07", local time.
std::string time_text(int64_t realtime_ns);
// "2024-11-25T13:35:07.123Z", for programs.
std::string utc_text(int64_t realtime_ns);

}  // namespace ctdb::cli

#endif  // CTDB_CLI_TEXT_H_
