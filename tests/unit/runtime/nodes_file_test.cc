// SPDX-License-Identifier: GPL-3.0-or-later
// The nodes file: both forms, what is wrong with others, and what an edit makes of a text.
#include "libctdbipc/runtime/nodes_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "libctdbipc/base/limits.h"
#include "tests/unit/store/temporary_directory.h"

namespace ctdb {
namespace {

const std::string kForms = "write one address a line, in digits, and nothing behind it but the word witness";

struct ParsedNodes {
  bool good = false;
  std::vector<NodeAddress> nodes;
  std::string text;
};

ParsedNodes nodes_of(const std::string& text) {
  ParsedNodes parsed;
  std::vector<ConfigProblem> problems;
  Result<std::vector<NodeAddress>> nodes = parse_nodes("n", text, problems);
  parsed.good = nodes.has_value();
  if (nodes) parsed.nodes = *nodes;
  for (const ConfigProblem& problem : problems) parsed.text += problem.format() + "\n";
  return parsed;
}

TEST(Nodes, LineNumberIsPnnDeletedOnesCountBlankOnesDoNot) {
  const ParsedNodes parsed = nodes_of("10.0.0.1\n\n  10.0.0.2  \n#10.0.0.3\n \t\n# deleted\r\nfd00::5\r\n");
  ASSERT_TRUE(parsed.good) << parsed.text;
  ASSERT_EQ(parsed.nodes.size(), 5u);
  EXPECT_EQ(parsed.nodes[0].address, "10.0.0.1");
  EXPECT_EQ(parsed.nodes[1].address, "10.0.0.2");
  EXPECT_TRUE(parsed.nodes[2].deleted);
  EXPECT_EQ(parsed.nodes[2].address, "");
  EXPECT_TRUE(parsed.nodes[3].deleted);
  EXPECT_EQ(parsed.nodes[4].address, "fd00::5");
  for (uint32_t pnn = 0; pnn < 5; ++pnn) EXPECT_EQ(parsed.nodes[pnn].pnn, pnn);
}

TEST(Nodes, NoNewlineAtTheEndIsNeeded) {
  EXPECT_EQ(nodes_of("10.0.0.1\n10.0.0.2").nodes.size(), 2u);
}

TEST(Nodes, AnEditorsMarkInFrontIsNoPartOfTheText) {
  const TemporaryDirectory directory;
  const std::string file = directory.path() + "/nodes";
  std::ofstream(file) << "\xEF\xBB\xBF"
                      << "10.0.0.1\n10.0.0.2\n";
  std::vector<ConfigProblem> problems;
  const Result<std::vector<NodeAddress>> nodes = load_nodes(file, problems);
  ASSERT_TRUE(nodes) << problems.front().format();
  EXPECT_EQ(nodes->front().address, "10.0.0.1");
}

TEST(Nodes, ProblemsNameFileLineAndRemedy) {
  EXPECT_EQ(nodes_of("10.0.0.1\nhost-b\n").text, "n:2: 'host-b' is not an IP address (" + kForms + ")\n");
  EXPECT_EQ(nodes_of("10.0.0.1 # me\n").text, "n:1: '10.0.0.1 # me' is not an IP address (" + kForms + ")\n");
  EXPECT_EQ(nodes_of("10.0.0.300\n").text, "n:1: '10.0.0.300' is not an IP address (" + kForms + ")\n");
  EXPECT_EQ(nodes_of("fd00::1\n\nfd00:0::1\n").text,
            "n:3: fd00::1 stands in line 1 already (each node needs its own address)\n");
  EXPECT_EQ(nodes_of("").text, "n: no node addresses in this file (" + kForms + ")\n");
  EXPECT_EQ(nodes_of("#10.0.0.1\n").text, "n: no node addresses in this file (" + kForms + ")\n");
  EXPECT_EQ(nodes_of(std::string("10.0.0.1\n\0\n", 11)).text,
            "n:2: line has a NUL byte (save the file as plain UTF-8 text)\n");
  std::string many;
  for (size_t i = 0; i <= kNodesMax; ++i)
    many += "10.0." + std::to_string(i / 250) + "." + std::to_string(i % 250) + "\n";
  EXPECT_EQ(nodes_of(many).text, "n: more than 1024 nodes (remove some)\n");
}

NodeList list_of(const std::string& text) {
  const ParsedNodes parsed = nodes_of(text);
  EXPECT_TRUE(parsed.good) << parsed.text;
  return node_list(parsed.nodes);
}

TEST(Nodes, NumbersInFrontOfAddressesMayLeaveGapsAndStandInAnyOrder) {
  EXPECT_EQ(list_of("# the big ones\n3 10.0.0.4\n\n0\t10.0.0.1\n  # 1 10.0.0.2\n 4   fd00:0::5 \n"),
            (NodeList{"10.0.0.1", "", "", "10.0.0.4", "fd00::5"}));
  const ParsedNodes parsed = nodes_of("2 10.0.0.3\n");
  ASSERT_EQ(parsed.nodes.size(), 3u);
  EXPECT_TRUE(parsed.nodes[0].deleted && parsed.nodes[1].deleted && !parsed.nodes[2].deleted);
}

TEST(Nodes, ProblemsOfNumbersNameFileLineAndRemedy) {
  EXPECT_EQ(
      nodes_of("0 10.0.0.1\n10.0.0.2\n").text,
      "n:2: this line has no number, others have (write the number in front of every address, or of none)\n");
  EXPECT_EQ(nodes_of("10.0.0.1\n#\n2 10.0.0.2\n").text,
            "n:3: this line has a number, others have none (write the number in front of every address, or "
            "of none)\n");
  EXPECT_EQ(nodes_of("1024 10.0.0.1\n").text,
            "n:1: 1024 is no number of a node (write one from 0 to 1023)\n");
  EXPECT_EQ(nodes_of("99999999999 10.0.0.1\n").text,
            "n:1: 99999999999 is no number of a node (write one from 0 to 1023)\n");
  EXPECT_EQ(nodes_of("1 10.0.0.1\n1 10.0.0.2\n").text,
            "n:2: number 1 stands in line 1 already (each node needs its own number)\n");
  EXPECT_EQ(nodes_of("1 10.0.0.1\n2 10.0.0.1\n").text,
            "n:2: 10.0.0.1 stands in line 1 already (each node needs its own address)\n");
  EXPECT_EQ(nodes_of("1 host\n").text, "n:1: 'host' is not an IP address (" + kForms + ")\n");
}

TEST(Nodes, AnAddressThatEveryMachineOrNoneHasIsRefused) {
  for (const auto& [address, why] : std::vector<std::pair<std::string, std::string>>{
           {"0.0.0.0", "means any address"},
           {"0.0.0.7", "means any address"},
           {"::", "means any address"},
           {"224.0.0.1", "is a multicast address"},
           {"239.255.255.255", "is a multicast address"},
           {"ff02::1", "is a multicast address"},
           {"255.255.255.255", "is the broadcast address"},
           {"fe80::1", "is an address of one network card only"},
           {"::ffff:10.0.0.2", "is an IPv4 address in IPv6 form"}}) {
    const std::string remedy = " (write the address that the other nodes reach this one by)\n";
    EXPECT_EQ(nodes_of("10.0.0.1\n" + address + "\n").text, "n:2: " + address + " " + why + remedy);
  }
  for (const char* good :
       {"1.0.0.1", "127.0.0.1", "223.255.255.255", "240.0.0.1", "::1", "fd00::1", "fec0::1"})
    EXPECT_EQ(nodes_of(good + std::string("\n")).text, "") << good;
}

TEST(Nodes, TheWordWitnessMarksOneInBothForms) {
  const NodeList list = list_of("10.0.0.1\n10.0.0.2\n10.0.0.3 \t witness\n");
  EXPECT_EQ(list, (NodeList{"10.0.0.1", "10.0.0.2", {"10.0.0.3", true}}));
  EXPECT_EQ(list_of("2 10.0.0.3 witness\n0 10.0.0.1\n1 10.0.0.2\n"), list);
  EXPECT_EQ(nodes_of("10.0.0.1 wittness\n").text,
            "n:1: '10.0.0.1 wittness' is not an IP address (" + kForms + ")\n");
}

TEST(Nodes, MoreThanHalfMustHoldRecords) {
  EXPECT_EQ(nodes_of("10.0.0.1\n10.0.0.2 witness\n").text,
            "n: 1 of 2 nodes are witnesses (more than half must hold records: take the word 'witness' away "
            "from some "
            "lines)\n");
}

// ---- edits ----

std::string edited(const std::string& text, const NodesEdit& edit) {
  const Result<std::string> result = edit_nodes(text, edit);
  return result ? *result : "refused: " + result.error().context;
}

TEST(NodesEdit, AddsALineAtTheEndOfTheClassicForm) {
  EXPECT_EQ(edited("10.0.0.1\n\n10.0.0.2", {true, 2, "10.0.0.3"}), "10.0.0.1\n\n10.0.0.2\n10.0.0.3\n");
}

TEST(NodesEdit, FillsTheGapWithDeletedLines) {
  const std::string text = edited("10.0.0.1\n", {true, 3, "10.0.0.4"});
  EXPECT_EQ(list_of(text), (NodeList{"10.0.0.1", "", "", "10.0.0.4"}));
}

TEST(NodesEdit, TakesTheLineOfADeletedNodeForItsNumber) {
  EXPECT_EQ(edited("10.0.0.1\n\n#10.0.0.2\n10.0.0.3\n", {true, 1, "10.0.0.9"}),
            "10.0.0.1\n\n10.0.0.9\n10.0.0.3\n");
}

TEST(NodesEdit, RemovingKeepsTheNumbersOfTheOthers) {
  EXPECT_EQ(edited("10.0.0.1\n 10.0.0.2\n10.0.0.3\n", {false, 1, ""}), "10.0.0.1\n#10.0.0.2\n10.0.0.3\n");
  EXPECT_EQ(edited("# a\n5 10.0.0.6\n0 10.0.0.1\n", {false, 5, ""}), "# a\n0 10.0.0.1\n");
  EXPECT_EQ(edited("# a\n5 10.0.0.6\n", {true, 2, "fd00:0::1"}), "# a\n5 10.0.0.6\n2 fd00::1\n");
}

TEST(NodesEdit, AddsAWitness) {
  EXPECT_EQ(edited("10.0.0.1\n10.0.0.2\n", {true, 2, "10.0.0.3", true}),
            "10.0.0.1\n10.0.0.2\n10.0.0.3 witness\n");
  EXPECT_EQ(edited("0 10.0.0.1\n1 10.0.0.2\n", {true, 5, "10.0.0.3", true}),
            "0 10.0.0.1\n1 10.0.0.2\n5 10.0.0.3 witness\n");
  EXPECT_EQ(edited("10.0.0.1\n10.0.0.2\n10.0.0.3 witness\n", {false, 1, ""}),
            "refused: 1 of 2 nodes are witnesses: more than half must hold records: take the word 'witness' "
            "away from "
            "some lines");
  EXPECT_EQ(edited("10.0.0.1\n10.0.0.2\n10.0.0.3 witness\n", {false, 2, ""}),
            "10.0.0.1\n10.0.0.2\n#10.0.0.3 witness\n");
}

TEST(NodesEdit, RefusesWithAReason) {
  const std::string text = "10.0.0.1\n10.0.0.2\n";
  EXPECT_EQ(edited(text, {true, 2, "10.0.0.2"}), "refused: 10.0.0.2 is node 1 already");
  EXPECT_EQ(edited(text, {true, 1, "10.0.0.3"}), "refused: node 1 is there already, with address 10.0.0.2");
  EXPECT_EQ(edited(text, {true, 2, "host"}), "refused: 'host' is not an IP address");
  EXPECT_EQ(edited(text, {true, 2, "0.0.0.0"}),
            "refused: 0.0.0.0 means any address: write the address that the other nodes reach this one by");
  EXPECT_EQ(edited(text, {true, 1024, "10.0.0.3"}), "refused: the highest number of a node is 1023");
  EXPECT_EQ(edited(text, {false, 2, ""}), "refused: there is no node 2");
  EXPECT_EQ(edited("10.0.0.1\n#\n", {false, 0, ""}), "refused: node 0 is the only one left");
  EXPECT_EQ(edited("bad\n", {false, 0, ""}),
            "refused: nodes file:1: 'bad' is not an IP address (" + kForms + ")");
}

TEST(NodesEdit, TheFileIsReplacedWholeAndKeepsItsMode) {
  const TemporaryDirectory directory;
  const std::string file = directory.path() + "/nodes";
  std::ofstream(file) << "10.0.0.1\n";
  ASSERT_EQ(chmod(file.c_str(), 0640), 0);
  const mode_t mask = umask(077);
  ASSERT_TRUE(replace_nodes_file(file, "10.0.0.2\n"));
  umask(mask);
  std::ifstream in(file);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), "10.0.0.2\n");
  struct stat status {};
  ASSERT_EQ(stat(file.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0640u);
  EXPECT_FALSE(replace_nodes_file(directory.path() + "/none/nodes", "x"));
}

TEST(NodesEdit, ALinkToTheFileStaysOne) {
  const TemporaryDirectory directory;
  const std::string file = directory.path() + "/site-nodes";
  const std::string link = directory.path() + "/nodes";
  std::ofstream(file) << "10.0.0.1\n";
  std::filesystem::create_symlink(file, link);
  ASSERT_TRUE(replace_nodes_file(link, "10.0.0.2\n"));
  EXPECT_TRUE(std::filesystem::is_symlink(link));
  std::ifstream in(file);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), "10.0.0.2\n");
}

}  // namespace
}  // namespace ctdb
