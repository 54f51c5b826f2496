// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-cli/arguments.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <sstream>

#include "libctdbipc/base/release.h"

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

constexpr double kTimeoutSecondsMin = 0.001, kTimeoutSecondsMax = 86400;

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

// CLI::Range lets nan pass.
std::string what_is_wrong_with_seconds(const std::string& text) {
  double seconds = 0;
  const bool good = CLI::detail::lexical_cast(text, seconds) && seconds >= kTimeoutSecondsMin &&
                    seconds <= kTimeoutSecondsMax;
  return good ? "" : "'" + text + "' is not a number of seconds from 0.001 to 86400";
}

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
          ->check(CLI::Validator(what_is_wrong_with_seconds, "", ""))
          ->type_name("SECONDS")
          ->capture_default_str();
}

// "" where none was named, "db" where its verb is missing.
std::string name_of_command(CLI::App*& at) {
  std::string name;
  for (auto named = at->get_subcommands(); !named.empty(); named = at->get_subcommands()) {
    at = named.front();
    name += (name.empty() ? "" : " ") + at->get_name();
  }
  return name;
}

// CLI11 says of an unknown command only that one is required.
std::string what_is_wrong(const CLI::App& top, CLI::App& named, const std::string& name,
                          const CLI::ParseError& problem) {
  const std::vector<std::string> unknown = top.remaining(true);
  if (problem.get_name() != "RequiredError" || named.get_subcommands({}).empty()) return problem.what();
  if (unknown.empty()) return name.empty() ? "no command is given" : "which '" + name + "' command?";
  if (unknown[0].starts_with("-")) return "there is no option '" + unknown[0] + "'";
  return "there is no command '" + (name.empty() ? "" : name + " ") + unknown[0] + "'";
}

Answered answered(CLI::App& top, const CLI::ParseError& problem) {
  std::ostringstream out, err;
  const bool good = top.exit(problem, out, err) == 0;
  if (good) return {Exit::kOk, out.str()};
  CLI::App* named = &top;
  const std::string name = name_of_command(named);
  std::string text = what_is_wrong(top, *named, name, problem);
  const std::vector<std::string> formats = top.get_option("--output")->results();
  if (!formats.empty() && formats.back() == "json")
    return {Exit::kUsage, render_error(Format::kJson, name, text, Exit::kUsage)};
  text += "\nctdb-cli " + name + (name.empty() ? "" : " ") + "--help shows what is possible";
  return {Exit::kUsage, render_error(Format::kTable, name, text, Exit::kUsage)};
}

// CLI11 takes the next word for the value of "--db=", and any value of a flag for yes, "no" and "false" as well.
void check_values(const Entry& entry, const std::vector<std::string>& words) {
  for (const std::string& word : words) {
    if (word == "--") return;
    const size_t equals = word.find('=');
    if (!word.starts_with("--") || equals == std::string::npos) continue;
    const std::string name = word.substr(0, equals);
    const bool flag = std::ranges::any_of(entry.words, [&name](const Word& known) {
      return known.option && known.shown.empty() && known.spelt == name;
    });
    if (flag) throw CLI::ArgumentMismatch(name + " takes no value");
    if (equals + 1 == word.size()) throw CLI::ArgumentMismatch(name + ": nothing is behind the =");
  }
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
                                                       const std::vector<std::string>& words) {
  CLI::App top(kDescription, "ctdb-cli");
  Globals globals;
  std::vector<Entry> entries(commands.size());
  auto formatter = std::make_shared<HelpFormatter>();
  formatter->column_width(32);
  formatter->label("SUBCOMMAND", "COMMAND");
  formatter->label("Subcommands", "Commands");
  top.formatter(formatter);
  top.footer(kFooter);
  top.set_version_flag("--version", std::string("ctdb-cli ") + kRelease);
  top.require_subcommand(1);
  add_globals(top, globals);
  for (size_t i = 0; i < commands.size(); ++i) {
    entries[i].command = &commands[i];
    add_command(top, entries[i]);
  }
  try {
    top.parse(std::vector<std::string>(words.rbegin(), words.rend()));  // CLI11 takes them off the end
    const auto chosen =
        std::find_if(entries.begin(), entries.end(), [](const Entry& e) { return e.app->parsed(); });
    check_values(*chosen, words);
    return command_line(*chosen, globals);
  } catch (const CLI::ParseError& problem) {
    return answered(top, problem);
  }
}

}  // namespace ctdb::cli
