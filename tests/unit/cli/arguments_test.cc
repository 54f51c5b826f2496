// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-cli/arguments.h"

#include <gtest/gtest.h>

namespace ctdb::cli {
namespace {

Outcome nothing(const Invocation&) {
  return {};
}

const std::vector<Command>& commands() {
  static const std::vector<Command> table = {
      {"status", "", "how it is", "More about it.", nothing},
      {"record get", "DB KEY", "show one", "", nothing},
      {"record put", "DB KEY VALUE", "change one", "", nothing},
      {"ping", "[NODE]", "sign of life", "", nothing},
      {"wait", "--for=CONDITION", "wait for it", "", nothing},
      {"node add", "ADDRESS [--id=N] [--witness]", "one more", "", nothing},
  };
  return table;
}

CommandLine good(std::vector<std::string> words) {
  auto parsed = parse_command_line(commands(), std::move(words));
  if (const Answered* answer = std::get_if<Answered>(&parsed)) {
    ADD_FAILURE() << answer->text;
    return {};
  }
  return std::get<CommandLine>(parsed);
}

Answered answer(std::vector<std::string> words) {
  auto parsed = parse_command_line(commands(), std::move(words));
  EXPECT_TRUE(std::holds_alternative<Answered>(parsed));
  return std::holds_alternative<Answered>(parsed) ? std::get<Answered>(parsed) : Answered{};
}

TEST(Arguments, FindsCommandOfOneWordWithDefaults) {
  const CommandLine line = good({"status"});
  EXPECT_STREQ(line.command->name, "status");
  EXPECT_EQ(line.base, "/etc/ctdb");
  EXPECT_EQ(line.socket, "");
  EXPECT_EQ(line.format, Format::kTable);
  EXPECT_EQ(line.timeout_ms, 10000);
  EXPECT_FALSE(line.timeout_given);
  EXPECT_TRUE(line.arguments.empty());
}

TEST(Arguments, FindsCommandOfNounAndVerb) {
  const CommandLine line = good({"record", "put", "a.tdb", "key", "value"});
  EXPECT_STREQ(line.command->name, "record put");
  const std::map<std::string, std::string> expected = {{"DB", "a.tdb"}, {"KEY", "key"}, {"VALUE", "value"}};
  EXPECT_EQ(line.arguments, expected);
}

TEST(Arguments, AnOptionOfACommandMayBeLeftOut) {
  using Map = std::map<std::string, std::string>;
  EXPECT_EQ(good({"node", "add", "10.0.0.4"}).arguments, (Map{{"ADDRESS", "10.0.0.4"}}));
  EXPECT_EQ(good({"node", "add", "--id", "7", "10.0.0.4"}).arguments,
            (Map{{"ADDRESS", "10.0.0.4"}, {"id", "7"}}));
}

TEST(Arguments, TakesGeneralOptionsAnywhere) {
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"--base", "/b", "-o", "json", "--timeout", "2.5", "record", "get", "d", "k"},
        std::vector<std::string>{"record", "get", "--timeout=2.5", "d", "-o", "json", "k", "--base=/b"}}) {
    const CommandLine line = good(words);
    EXPECT_EQ(line.base, "/b");
    EXPECT_EQ(line.format, Format::kJson);
    EXPECT_EQ(line.timeout_ms, 2500);
    EXPECT_TRUE(line.timeout_given);
    EXPECT_EQ(line.arguments.at("KEY"), "k");
  }
}

TEST(Arguments, LeavesOutWhatWasNotGiven) {
  EXPECT_TRUE(good({"ping"}).arguments.empty());
  EXPECT_EQ(good({"ping", "2"}).arguments.at("NODE"), "2");
}

TEST(Arguments, AnEmptyArgumentIsAnArgument) {
  EXPECT_EQ(good({"record", "put", "d", "k", ""}).arguments.at("VALUE"), "");
}

TEST(Arguments, DashesCanBeValuesAfterTwoDashes) {
  EXPECT_EQ(good({"record", "put", "d", "k", "--", "-v"}).arguments.at("VALUE"), "-v");
}

TEST(Arguments, WhatLooksLikeAnOptionWithoutAValueIsNoneAfterTwoDashes) {
  EXPECT_EQ(good({"record", "put", "d", "k", "--", "--id="}).arguments.at("VALUE"), "--id=");
}

TEST(Arguments, TakesOptionsOfACommand) {
  EXPECT_TRUE(good({"node", "add", "10.0.0.4", "--witness"}).arguments.contains("witness"));
  EXPECT_EQ(good({"wait", "--for=leader"}).arguments.at("for"), "leader");
}

TEST(Arguments, RefusesWrongLines) {
  const std::vector<std::vector<std::string>> wrong = {
      {},
      {"nonsense"},
      {"record"},
      {"record", "nonsense"},
      {"record", "get", "d"},
      {"record", "get", "d", "k", "more"},
      {"wait"},
      {"status", "-o", "xml"},
      {"status", "--timeout", "0"},
      {"status", "--timeout", "soon"},
      {"status", "--timeout", "nan"},
      {"status", "--base"},
      {"status", "--base", "/b", "--socket", "/s"},
      {"status", "--unknown"},
      {"node", "add", "10.0.0.4", "--id=", "--witness"},
      {"node", "add", "10.0.0.4", "--id="},
      {"node", "add", "--base=", "10.0.0.4", "10.0.0.5"},
      {"node", "add", "10.0.0.4", "--witness=false"},
      {"node", "add", "10.0.0.4", "--witness="},
  };
  for (const auto& words : wrong) {
    const Answered answered = answer(words);
    EXPECT_EQ(answered.exit, Exit::kUsage);
    EXPECT_TRUE(answered.text.starts_with("ctdb-cli: ")) << answered.text;
    EXPECT_TRUE(answered.text.ends_with("--help shows what is possible\n")) << answered.text;
  }
}

TEST(Arguments, NamesWhatIsUnknown) {
  const auto said = [](std::vector<std::string> words) { return answer(std::move(words)).text; };
  EXPECT_EQ(said({"nonsense"}),
            "ctdb-cli: there is no command 'nonsense'\nctdb-cli --help shows what is possible\n");
  EXPECT_EQ(said({"record", "lst", "a.tdb"}),
            "ctdb-cli: there is no command 'record lst'\nctdb-cli record --help shows what is possible\n");
  EXPECT_EQ(said({"record"}),
            "ctdb-cli: which 'record' command?\nctdb-cli record --help shows what is possible\n");
  EXPECT_EQ(said({"--nonsense"}),
            "ctdb-cli: there is no option '--nonsense'\nctdb-cli --help shows what is possible\n");
  EXPECT_EQ(said({"ping", "--timeout=0"}),
            "ctdb-cli: --timeout: '0' is not a number of seconds from 0.001 to 86400\n"
            "ctdb-cli ping --help shows what is possible\n");
  EXPECT_EQ(said({"node", "add", "10.0.0.4", "--id=", "--witness"}),
            "ctdb-cli: --id: nothing is behind the =\nctdb-cli node add --help shows what is possible\n");
  EXPECT_EQ(said({"node", "add", "10.0.0.4", "--witness=false"}),
            "ctdb-cli: --witness takes no value\nctdb-cli node add --help shows what is possible\n");
}

// A program that asked for JSON reads nothing else.
TEST(Arguments, RefusesWrongLinesInJson) {
  EXPECT_EQ(answer({"-o", "json", "record", "get", "d"}).text, R"({
  "schema": 1,
  "command": "record get",
  "error": "KEY is required",
  "exit": 2
}
)");
  for (const auto& words : {std::vector<std::string>{"nonsense", "--output=json"}, {"-o", "json"}}) {
    EXPECT_TRUE(answer(words).text.starts_with("{\n")) << answer(words).text;
  }
}

TEST(Arguments, HelpOfACommandComesFromItsRow) {
  const Answered answered = answer({"status", "--help"});
  EXPECT_EQ(answered.exit, Exit::kOk);
  EXPECT_NE(answered.text.find("how it is"), std::string::npos);
  EXPECT_NE(answered.text.find("More about it."), std::string::npos);
}

TEST(Arguments, GeneralHelpListsAllCommandsAndExitCodes) {
  const Answered answered = answer({"--help"});
  EXPECT_EQ(answered.exit, Exit::kOk);
  for (const char* part : {"record", "wait for it", "sign of life", "78  wrong configuration"}) {
    EXPECT_NE(answered.text.find(part), std::string::npos) << part;
  }
}

}  // namespace
}  // namespace ctdb::cli
