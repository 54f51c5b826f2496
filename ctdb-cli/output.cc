// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-cli/output.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <sstream>

#include "libctdbipc/base/printable.h"

namespace ctdb::cli {
namespace {

using Json = nlohmann::ordered_json;

struct ToJson {
  Json operator()(std::monostate) const { return nullptr; }
  template <typename T>
  Json operator()(const T& value) const {
    return value;
  }
};

struct ToText {
  std::string operator()(std::monostate) const { return "-"; }
  std::string operator()(bool value) const { return value ? "yes" : "no"; }
  std::string operator()(int64_t value) const { return std::to_string(value); }
  std::string operator()(uint64_t value) const { return std::to_string(value); }
  std::string operator()(double value) const {
    char text[32];
    std::snprintf(text, sizeof text, "%.3f", value);
    return text;
  }
  std::string operator()(const std::string& value) const { return printable(as_bytes(value)); }
};

std::string text_of(const Value& value) {
  return std::visit(ToText{}, value);
}

bool is_number(const Value& value) {
  return std::holds_alternative<int64_t>(value) || std::holds_alternative<uint64_t>(value) ||
         std::holds_alternative<double>(value);
}

// Bytes that are not UTF-8 must not end in an exception: they are replaced.
std::string dump(const Json& document) {
  return document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

Json table_to_json(const Table& table) {
  Json out = table.keyed ? Json::object() : Json::array();
  for (const std::vector<Value>& row : table.rows) {
    if (table.keyed) {
      out[text_of(row[0])] = std::visit(ToJson{}, row[1]);
      continue;
    }
    Json entry = Json::object();
    for (size_t i = 0; i < row.size(); ++i) entry[table.columns[i]] = std::visit(ToJson{}, row[i]);
    out.push_back(std::move(entry));
  }
  return out;
}

std::string report_to_json(const std::string& command, const Report& report) {
  Json document = {{"schema", kJsonSchema}, {"command", command}};
  for (const Field& field : report.fields) document[field.name] = std::visit(ToJson{}, field.value);
  for (const Table& table : report.tables) document[table.name] = table_to_json(table);
  return dump(document);
}

std::string heading(const std::string& column) {
  std::string text = column;
  for (char& c : text) c = c == '_' ? ' ' : static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  return text;
}

// Characters of UTF-8, which keys are when they are text.
size_t width_of(const std::string& cell) {
  return static_cast<size_t>(
      std::count_if(cell.begin(), cell.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

void pad(std::string& line, const std::string& cell, size_t width, bool right) {
  const std::string space(width - std::min(width, width_of(cell)), ' ');
  line += right ? space + cell : cell + space;
}

std::string table_to_text(const Table& table) {
  std::vector<std::vector<std::string>> cells(1);
  for (const std::string& column : table.columns) cells[0].push_back(heading(column));
  for (const std::vector<Value>& row : table.rows) {
    cells.emplace_back();
    for (const Value& value : row) cells.back().push_back(text_of(value));
  }
  std::vector<size_t> widths(table.columns.size());
  for (const auto& row : cells) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
  }
  std::string out;
  for (const auto& row : cells) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      const bool right = !table.rows.empty() && is_number(table.rows[0][i]);
      if (i > 0) line += "  ";
      pad(line, row[i], widths[i], right);
    }
    out += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  return out;
}

// Of an error, which may have several.
std::string printable_lines(const std::string& text) {
  std::string out;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);)
    out += (out.empty() ? "" : "\n") + printable(as_bytes(line));
  return out;
}

std::string report_to_text(const Report& report) {
  std::string out;
  for (const std::string& line : report.headline) out += printable(as_bytes(line)) + "\n";
  for (const Field& field : report.fields) {
    if (!field.json_only) out += field.name + ": " + text_of(field.value) + "\n";
  }
  for (const Table& table : report.tables) {
    if (!out.empty()) out += "\n";
    out += table_to_text(table);
  }
  return out;
}

}  // namespace

std::string render(Format format, const std::string& command, const Report& report) {
  return format == Format::kJson ? report_to_json(command, report) : report_to_text(report);
}

std::string render_line(Format format, const std::string& command, const Report& report) {
  if (format == Format::kJson) {
    Json document = {{"schema", kJsonSchema}, {"command", command}};
    for (const Field& field : report.fields) document[field.name] = std::visit(ToJson{}, field.value);
    return document.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  }
  std::string out;
  for (size_t i = 0; i < report.fields.size(); ++i) {
    const Field& field = report.fields[i];
    if (i >= 2 && text_of(field.value).empty()) continue;
    out += i == 0 ? "" : i <= 2 ? "  " : ", ";
    out += (i < 2 ? "" : field.name + ": ") + text_of(field.value);
  }
  return out + "\n";
}

std::string render_error(Format format, const std::string& command, const std::string& text, Exit exit) {
  if (format == Format::kTable) return "ctdb-cli: " + printable_lines(text) + "\n";
  return dump(
      Json{{"schema", kJsonSchema}, {"command", command}, {"error", text}, {"exit", static_cast<int>(exit)}});
}

}  // namespace ctdb::cli
