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

TEST(Output, ALineHasFieldsOnly) {
  Report report;
  report.field("time", std::string("12:00"));
  report.field("event", std::string("leader"));
  report.field("leader", {});
  report.field("empty", std::string());
  report.field("reason", std::string("two\nlines"));
  EXPECT_EQ(render_line(Format::kTable, "show", report), "12:00  leader  leader: -, reason: two?lines\n");
  EXPECT_EQ(render_line(Format::kJson, "show", report),
            "{\"schema\":1,\"command\":\"show\",\"time\":\"12:00\",\"event\":\"leader\",\"leader\":null,"
            "\"empty\":\"\","
            "\"reason\":\"two\\nlines\"}\n");
}

TEST(Output, ColumnsCountCharacters) {
  Report report;
  report.tables.push_back({"rows", {"key", "bytes"}, {{"näh", uint64_t{4}}, {"nah", uint64_t{3}}}});
  EXPECT_EQ(render(Format::kTable, "show", report), R"(KEY  BYTES
näh      4
nah      3
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

// Texts of daemons and other nodes, names of programs: a terminal does what is in them.
TEST(Output, NothingThatIsShownMovesTheCursor) {
  Report report;
  report.headline = {"one\x1b[2J"};
  report.field("text", std::string("a\nb\tc\x7f\xc2\x9b\xff"));
  report.tables.push_back({"rows", {"program"}, {{"\x1b]0;smbd\a"}, {"grün"}}});
  EXPECT_EQ(render(Format::kTable, "show", report), "one?[2J\ntext: a?b?c????\n\nPROGRAM\n?]0;smbd?\ngrün\n");
  EXPECT_EQ(render_error(Format::kTable, "show", "one\x1b[2J\ntwo", Exit::kFailed),
            "ctdb-cli: one?[2J\ntwo\n");
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
