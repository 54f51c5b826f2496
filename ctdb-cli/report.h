// SPDX-License-Identifier: GPL-3.0-or-later
// What a command found out, before anybody decided how it looks: output.cc prints it as text or as JSON. Commands
// build one and know of neither.
//
// As text: the headline, then the fields (one "name: value" line each) unless the headline says it all, then the
// tables with aligned columns. As JSON: one object with "schema" and "command", the fields, and each table as an array
// of objects (or, when keyed, as one object).
#ifndef CTDB_CLI_REPORT_H_
#define CTDB_CLI_REPORT_H_

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace ctdb::cli {

// monostate: unknown, absent; null in JSON, "-" as text.
using Value = std::variant<std::monostate, bool, int64_t, uint64_t, double, std::string>;

struct Field {
  std::string name;  // JSON name: lower case, words joined by _
  Value value;
  bool json_only = false;
};

struct Table {
  std::string name;
  std::vector<std::string> columns;  // JSON names; upper case as headings of the text
  std::vector<std::vector<Value>> rows;
  // JSON: {first column: second column}, further columns are text only.
  bool keyed = false;
};

struct Report {
  std::vector<std::string> headline;  // text only
  std::vector<Field> fields;
  std::vector<Table> tables;

  void field(std::string name, Value value) { fields.push_back({std::move(name), std::move(value), false}); }
  // For what the headline already tells people.
  void json_field(std::string name, Value value) {
    fields.push_back({std::move(name), std::move(value), true});
  }
};

}  // namespace ctdb::cli

#endif  // CTDB_CLI_REPORT_H_
