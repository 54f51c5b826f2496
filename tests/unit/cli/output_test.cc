// SPDX-License-Identifier: GPL-3.0-or-later
// What is printed, literally. The JSON here is a promise to other people's programs: change it only by adding.
#include "ctdb-cli/output.h"

#include <gtest/gtest.h>

namespace ctdb::cli {
namespace {

Report everything() {
  Report report;
  report.headline = {"first line", "second line"};
  report.field("name", std::string("x"));
  report.field("nothing", {});
  report.json_field("flag", true);
  report.json_field("fraction", 0.5);
  report.json_field("negative", int64_t{-3});
  report.tables.push_back(
      {"rows", {"key", "bytes_max", "note"}, {{"a", uint64_t{5}, ""}, {"long key", uint64_t{12345}, "!"}}});
  report.tables.push_back(
      {"counters", {"counter", "value", "meaning"}, {{"calls", uint64_t{7}, "calls answered"}}, true});
  return report;
}

TEST(Output, TextHasHeadlineFieldsAndAlignedTables) {
  EXPECT_EQ(render(Format::kTable, "show", everything()), R"(first line
second line
name: x
nothing: -

KEY       BYTES MAX  NOTE
a                 5
long key      12345  !

COUNTER  VALUE  MEANING
calls        7  calls answered
)");
}

TEST(Output, JsonHasSchemaCommandFieldsAndTables) {
  EXPECT_EQ(render(Format::kJson, "show", everything()), R"({
  "schema": 1,
  "command": "show",
  "name": "x",
  "nothing": null,
  "flag": true,
  "fraction": 0.5,
  "negative": -3,
  "rows": [
    {
      "key": "a",
      "bytes_max": 5,
      "note": ""
    },
    {
      "key": "long key",
      "bytes_max": 12345,
      "note": "!"
    }
  ],
  "counters": {
    "calls": 7
  }
}
)");
}

TEST(Output, EmptyTableShowsItsHeadings) {
  Report report;
  report.tables.push_back({"rows", {"key", "value"}, {}});
  EXPECT_EQ(render(Format::kTable, "show", report), "KEY  VALUE\n");
  EXPECT_EQ(render(Format::kJson, "show", report),
            "{\n  \"schema\": 1,\n  \"command\": \"show\",\n  \"rows\": []\n}\n");
}

TEST(Output, BytesThatAreNotUtf8DoNotBreakJson) {
  Report report;
  report.field("text", std::string("a\xff"));
  EXPECT_NE(render(Format::kJson, "show", report).find("\"a\xEF\xBF\xBD\""), std::string::npos);
}

TEST(Output, ErrorsAsTextAndAsJson) {
  EXPECT_EQ(render_error(Format::kTable, "ping", "no answer", Exit::kNotHealthy), "ctdb-cli: no answer\n");
  EXPECT_EQ(render_error(Format::kJson, "ping", "no \"answer\"", Exit::kNotHealthy), R"({
  "schema": 1,
  "command": "ping",
  "error": "no \"answer\"",
  "exit": 3
}
)");
}

}  // namespace
}  // namespace ctdb::cli
