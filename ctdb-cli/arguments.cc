// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-cli/arguments.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <sstream>

namespace ctdb::cli {
namespace {

constexpr const char* kDescription =
    "Looks at a node of a CTDB cluster and works on its records.\n"
    "The node is the one configured in --base; the options below may stand anywhere on the line.";

constexpr const char* kFooter =
    "Exit status:\n"
    "  0   done; with status: healthy\n"
    "  1   failed\n"
    "  2   wrong command line\n"
    "  3   not healthy, or no answer within --timeout\n"
    "  4   no daemon there\n"
    "  78  wrong configuration\n"
    "With -o json errors are JSON too, on stderr.\n"
    "\n"
    "Examples:\n"
    "  ctdb-cli status\n"
    "  ctdb-cli wait --for=healthy --timeout 30 && ctdb-cli record put demo.tdb greeting hello\n"
    "  ctdb-cli -o json record get demo.tdb greeting\n"
    "Help on one command: ctdb-cli COMMAND --help\n";

constexpr double kTimeoutSecondsMax = 86400;

// One word of a command's argument list.
struct Word {
  std::string name;   // "KEY", "for"
  std::string shown;  // "CONDITION" of --for=CONDITION; "": a flag
  std::string spelt;  // "--for", "-w,--write", "KEY"
  bool option = false;
  bool required = true;
};

std::vector<Word> words_of(const char* arguments) {
  std::vector<Word> words;
  std::istringstream in(arguments);
  for (std::string text; in >> text;) {
    const bool required = !text.starts_with("[");
    if (!required) text = text.substr(1, text.size() - 2);
    if (!text.starts_with("-")) {
      words.push_back({text, "", text, false, required});
      continue;
    }
    const size_t equals = text.find('=');
    const std::string spelt = text.substr(0, equals);
    const std::string shown = equals == std::string::npos ? "" : text.substr(equals + 1);
    words.push_back({spelt.substr(spelt.rfind("--") + 2), shown, spelt, true, required});
  }
  return words;
}

// A command in CLI11's tree and where its arguments are put.
struct Entry {
  CLI::App* app = nullptr;
  const Command* command = nullptr;
  std::vector<Word> words;
  std::vector<std::string> values;
};

// The description of a noun is the list of its verbs, which grows with each.
CLI::App* noun_app(CLI::App& top, const std::string& noun, const std::string& verb) {
  for (CLI::App* app : top.get_subcommands({})) {
    if (app->get_name() != noun) continue;
    return app->description(app->get_description() + ", " + verb);
  }
  CLI::App* app = top.add_subcommand(noun, verb)->fallthrough()->require_subcommand(1);
  app->footer("Help on one command: ctdb-cli " + noun + " COMMAND --help\n");
  return app;
}

void add_command(CLI::App& top, Entry& entry) {
  const std::string name = entry.command->name;
  const size_t space = name.find(' ');
  const std::string last = space == std::string::npos ? name : name.substr(space + 1);
  CLI::App* parent = space == std::string::npos ? &top : noun_app(top, name.substr(0, space), last);
  entry.app = parent->add_subcommand(last, entry.command->help)->fallthrough();
  entry.app->footer(std::string(entry.command->details) +
                    "\nOptions of all commands and exit status: ctdb-cli --help\n");
  entry.words = words_of(entry.command->arguments);
  entry.values.resize(entry.words.size());
  for (size_t i = 0; i < entry.words.size(); ++i) {
    const Word& word = entry.words[i];
    const bool flag = word.option && word.shown.empty();
    CLI::Option* option =
        flag ? entry.app->add_flag(word.spelt) : entry.app->add_option(word.spelt, entry.values[i]);
    option->required(word.required);
    if (!flag) option->type_name(word.shown);
    option->description(word.option ? "see below" : "");
  }
}

struct Globals {
  std::string base = "/etc/ctdb";
  std::string socket;
  std::string output = "table";
  double timeout = 10;
  const CLI::Option* timeout_option = nullptr;
};

// CLI11 would add validators and exclusions to each line of the help, which the descriptions say better.
class HelpFormatter : public CLI::Formatter {
 public:
  std::string make_option_opts(const CLI::Option* option) const override {
    const std::string type = option->get_type_name();
    const std::string preset = option->get_default_str();
    return (type.empty() ? "" : " " + type) + (preset.empty() ? "" : " (" + preset + ")");
  }
};

void add_globals(CLI::App& top, Globals& globals) {
  CLI::Option* base = top.add_option("--base", globals.base, "directory of the node's ctdb.conf and nodes");
  base->type_name("DIR")->capture_default_str();
  top.add_option("--socket", globals.socket, "instead of --base: the set-up socket of the node's router")
      ->type_name("PATH")
      ->excludes(base);
  top.add_option("-o,--output", globals.output, "table for people, json for programs")
      ->check(CLI::IsMember({"table", "json"}).description(""))
      ->type_name("FORMAT")
      ->capture_default_str();
  globals.timeout_option =
      top.add_option("--timeout", globals.timeout, "how long to wait for an answer or a condition")
          ->check(CLI::Range(0.001, kTimeoutSecondsMax).description(""))
          ->type_name("SECONDS")
          ->capture_default_str();
}

Answered answered(CLI::App& top, const CLI::ParseError& problem) {
  std::ostringstream out, err;
  const bool good = top.exit(problem, out, err) == 0;
  if (good) return {Exit::kOk, out.str()};
  return {Exit::kUsage,
          "ctdb-cli: " + std::string(problem.what()) + "\nctdb-cli --help shows what is possible\n"};
}

CommandLine command_line(const Entry& entry, const Globals& globals) {
  CommandLine line;
  line.command = entry.command;
  for (size_t i = 0; i < entry.words.size(); ++i) {
    const Word& word = entry.words[i];
    const bool given = entry.app->count(word.option ? "--" + word.name : word.name) > 0;
    if (given) line.arguments[word.name] = entry.values[i];
  }
  line.base = globals.base;
  line.socket = globals.socket;
  line.format = globals.output == "json" ? Format::kJson : Format::kTable;
  line.timeout_ms = static_cast<int>(globals.timeout * 1000);
  line.timeout_given = globals.timeout_option->count() > 0;
  return line;
}

}  // namespace

std::variant<CommandLine, Answered> parse_command_line(const std::vector<Command>& commands,
                                                       std::vector<std::string> words) {
  CLI::App top(kDescription, "ctdb-cli");
  Globals globals;
  std::vector<Entry> entries(commands.size());
  auto formatter = std::make_shared<HelpFormatter>();
  formatter->column_width(32);
  formatter->label("SUBCOMMAND", "COMMAND");
  formatter->label("Subcommands", "Commands");
  top.formatter(formatter);
  top.footer(kFooter);
  top.set_version_flag("--version", "ctdb-cli 0.1.0");
  top.require_subcommand(1);
  add_globals(top, globals);
  for (size_t i = 0; i < commands.size(); ++i) {
    entries[i].command = &commands[i];
    add_command(top, entries[i]);
  }
  std::reverse(words.begin(), words.end());  // CLI11 takes them off the end
  try {
    top.parse(std::move(words));
  } catch (const CLI::ParseError& problem) {
    return answered(top, problem);
  }
  const auto chosen =
      std::find_if(entries.begin(), entries.end(), [](const Entry& e) { return e.app->parsed(); });
  return command_line(*chosen, globals);
}

}  // namespace ctdb::cli
