// SPDX-License-Identifier: GPL-3.0-or-later
// Prints reports and errors. The only file that knows JSON. JSON documents carry "schema": within one schema number
// names keep their meaning and only additions are made (docs/ctdb-cli.schema.json); the text may change at any time.
#ifndef CTDB_CLI_OUTPUT_H_
#define CTDB_CLI_OUTPUT_H_

#include <string>

#include "ctdb-cli/exit_codes.h"
#include "ctdb-cli/report.h"

namespace ctdb::cli {

inline constexpr int kJsonSchema = 1;

enum class Format { kTable, kJson };

// Both end with a newline unless they are empty.
std::string render(Format format, const std::string& command, const Report& report);
// Fields only, on one line: as text their values, behind names but for the first two; empty ones are left out.
std::string render_line(Format format, const std::string& command, const Report& report);
std::string render_error(Format format, const std::string& command, const std::string& text, Exit exit);

}  // namespace ctdb::cli

#endif  // CTDB_CLI_OUTPUT_H_
