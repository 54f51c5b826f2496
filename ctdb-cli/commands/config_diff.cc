// SPDX-License-Identifier: GPL-3.0-or-later
// config diff: settings that are to be the same on all nodes and are not, as their daemons were started with them.
#include <algorithm>
#include <map>
#include <set>
#include <sstream>

#include "ctdb-cli/connection.h"
#include "ctdb-cli/text.h"

namespace ctdb::cli {
namespace {

// What each node says, by the setting's name. Of a daemon that does not run a node says nothing.
using Settings = std::map<std::string, std::map<uint32_t, std::string>>;

// Lines "name = value".
bool take_settings(Settings& settings, uint32_t node, ByteView answer) {
  std::istringstream lines(decode_string(answer));
  for (std::string line; std::getline(lines, line);) {
    const size_t equals = line.find(" = ");
    if (equals == std::string::npos) return false;
    settings[line.substr(0, equals)][node] = line.substr(equals + 3);
  }
  return true;
}

bool differs(const std::map<uint32_t, std::string>& values) {
  return std::ranges::any_of(values,
                             [&](const auto& value) { return value.second != values.begin()->second; });
}

void add_rows(Table& table, const std::string& name, const std::map<uint32_t, std::string>& values,
              const std::vector<uint32_t>& asked) {
  for (const uint32_t node : asked) {
    const auto said = values.find(node);
    table.rows.push_back(
        {name, static_cast<uint64_t>(node), said == values.end() ? Value() : Value(said->second)});
  }
}

std::string names_of(const std::vector<uint32_t>& nodes) {
  std::vector<std::string> names;
  names.reserve(nodes.size());
  for (const uint32_t node : nodes) names.push_back(std::to_string(node));
  return (nodes.size() == 1 ? "node " : "nodes ") + joined(names, ", ");
}

}  // namespace

Outcome config_diff(const Invocation& invocation) {
  auto connection = Connection::open(invocation);
  if (!connection) return failed(connection.error());
  Settings settings;
  std::vector<uint32_t> asked;
  const Result<std::string> trouble =
      (*connection)->ask_all(Control::GET_SETTINGS, [&](uint32_t node, ByteView answer) {
        asked.push_back(node);
        return take_settings(settings, node, answer);
      });
  if (!trouble) return failed(trouble.error());
  Table table{"differences", {"setting", "node", "value"}, {}};
  std::vector<std::string> different;
  for (const auto& [name, values] : settings) {
    if (!differs(values)) continue;
    different.push_back(name);
    add_rows(table, name, values, asked);
  }
  Outcome outcome;
  outcome.report.headline.push_back((different.empty() ? "the same on " : "NOT THE SAME on ") +
                                    names_of(asked) +
                                    (different.empty() ? "" : ": " + joined(different, ", ")));
  outcome.report.json_field("same", different.empty());
  outcome.report.json_field("nodes_asked", static_cast<uint64_t>(asked.size()));
  if (!different.empty()) outcome.report.tables.push_back(std::move(table));
  outcome.error = *trouble;
  if (!different.empty() || !trouble->empty()) outcome.exit = Exit::kFailed;
  return outcome;
}

}  // namespace ctdb::cli
