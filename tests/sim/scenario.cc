// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/sim/scenario.h"

#include <charconv>
#include <sstream>
#include <utility>

namespace ctdb::sim {
namespace {

using Kind = Statement::Kind;

struct Unit {
  std::string_view name;
  TimeNs length;
};
constexpr Unit kUnits[] = {{"s", kSecond}, {"ms", kMillisecond}, {"us", kMicrosecond}, {"ns", 1}};

constexpr std::pair<std::string_view, NodeRef> kParts[] = {
    {"sender", kSender}, {"next", kNext}, {"leader", kLeader}, {"follower", kFollower}, {"turn", kTurn}};

std::string node_text(NodeRef node) {
  for (const auto& [name, part] : kParts) {
    if (part == node) return std::string(name);
  }
  return std::to_string(node);
}

std::optional<uint64_t> parse_number(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<NodeRef> parse_node(std::string_view text) {
  for (const auto& [name, part] : kParts) {
    if (name == text) return part;
  }
  const std::optional<uint64_t> number = parse_number(text);
  if (!number || *number > 63) return std::nullopt;
  return static_cast<NodeRef>(*number);
}

// Words of one line, taken from the front.
class Words {
 public:
  explicit Words(std::string_view line) {
    std::istringstream in{std::string(line)};
    for (std::string word; in >> word;) words_.push_back(word);
  }
  bool done() const { return next_ == words_.size(); }
  std::string_view peek() const { return done() ? std::string_view() : std::string_view(words_[next_]); }
  std::string_view take() { return done() ? std::string_view() : std::string_view(words_[next_++]); }
  bool take(std::string_view word) {
    if (peek() != word) return false;
    ++next_;
    return true;
  }
  // The line cannot be understood if what must come next does not.
  template <typename T>
  void take(std::optional<T> value, T& out) {
    if (value) {
      out = *value;
    } else {
      bad_ = true;
    }
  }
  void number(uint64_t& out) { take(parse_number(take()), out); }
  void number(uint32_t& out) {
    uint64_t value = 0;
    number(value);
    out = static_cast<uint32_t>(value);
  }
  void time(TimeNs& out) { take(parse_time(take()), out); }
  void node(NodeRef& out) { take(parse_node(take()), out); }
  void refuse() { bad_ = true; }
  bool understood() const { return !bad_ && done(); }

 private:
  std::vector<std::string> words_;
  size_t next_ = 0;
  bool bad_ = false;
};

// FAULT NODE[-PEER] [for TIME] [x DETAIL]
std::string event_text(const FaultEvent& event) {
  const FaultRow& row = fault_row(event.fault);
  std::string out(row.name);
  out += " " + node_text(event.node);
  if (row.has_peer) out += "-" + node_text(event.peer);
  if (event.time != 0) out += " for " + time_text(event.time);
  if (event.detail != 0) out += " x " + std::to_string(event.detail);
  return out;
}

void parse_event(Words& words, FaultEvent& event) {
  words.take(fault_by_name(words.take()), event.fault);
  const std::string_view where = words.take();
  const size_t dash = where.find('-');
  words.take(parse_node(where.substr(0, dash)), event.node);
  if (fault_row(event.fault).has_peer != (dash != std::string_view::npos)) return words.refuse();
  if (dash != std::string_view::npos) words.take(parse_node(where.substr(dash + 1)), event.peer);
  if (words.take("for")) words.time(event.time);
  if (words.take("x")) words.number(event.detail);
}

void parse_at(Words& words, Statement& statement) {
  const std::string_view when = words.take();
  if (const std::optional<TimeNs> time = parse_time(when)) {
    statement.event.after = *time;
  } else {
    Moment moment;
    words.take(Moment::parse(when), moment);
    statement.event.at = moment;
    if (words.peek().starts_with('+')) words.take(parse_time(words.take().substr(1)), statement.event.after);
  }
  parse_event(words, statement.event);
}

void parse_until(Words& words, Statement& statement) {
  const bool served = words.take("served");
  if (served || words.take("recovered")) {
    statement.kind = served ? Kind::kUntilServed : Kind::kUntilRecovered;
    if (!served) words.node(statement.node);
    if (words.take("within")) words.time(statement.within);
    return;
  }
  statement.kind = Kind::kUntilPoint;
  words.take(Moment::parse(words.take()), statement.moment);
}

void parse_expect(Words& words, Statement& statement) {
  if (words.take("lives-ended")) {
    statement.kind = Kind::kExpectLivesEnded;
    return words.number(statement.number);
  }
  if (words.take("same-generation")) {
    statement.kind = Kind::kExpectSameGeneration;
    return;
  }
  if (words.take("out")) {
    statement.kind = Kind::kExpectOut;
  } else if (words.take("suspended")) {
    statement.kind = Kind::kExpectSuspended;
  } else {
    words.refuse();
  }
  words.node(statement.node);
}

// false: it is none.
bool parse_statement(Words& words, Statement& statement) {
  if (words.take("at")) {
    statement.kind = Kind::kAt;
    parse_at(words, statement);
  } else if (words.take("do")) {
    statement.kind = Kind::kDo;
    parse_event(words, statement.event);
  } else if (words.take("run")) {
    statement.kind = Kind::kRun;
    words.time(statement.time);
    if (words.take("growing")) words.time(statement.growing);
  } else if (words.take("until")) {
    parse_until(words, statement);
  } else if (words.take("heal")) {
    statement.kind = Kind::kHealBut;
    if (!words.take("but")) words.refuse();
    words.node(statement.node);
  } else if (words.take("mark")) {
    statement.kind = Kind::kMark;
  } else if (words.take("repeat")) {
    statement.kind = Kind::kRepeat;
    words.number(statement.number);
  } else if (words.take("end")) {
    statement.kind = Kind::kEnd;
  } else if (words.take("expect")) {
    parse_expect(words, statement);
  } else {
    return false;
  }
  return true;
}

bool parse_setting(Words& words, Scenario& scenario) {
  WorldOptions& world = scenario.world;
  const std::string_view name = words.take();
  if (name == "seed") {
    words.number(world.seed);
  } else if (name == "nodes") {
    words.number(world.nodes);
    if (world.nodes < 1 || world.nodes > 63) words.refuse();
  } else if (name == "clients") {
    words.number(world.clients_per_node);
  } else if (name == "keys") {
    words.number(world.keys);
    if (world.keys < 1) words.refuse();
  } else if (name == "chains") {
    words.number(world.chains);
    if (world.chains < 1) words.refuse();
  } else if (name == "transactions") {
    world.transactions = true;
  } else if (name == "functions") {
    world.functions = true;
  } else if (name == "delegations") {
    world.delegations = true;
  } else if (name == "copies") {
    words.number(world.copies);
    if (world.copies < 1 || world.copies > 8) words.refuse();
  } else if (name == "vacuum") {
    words.time(world.vacuum);
  } else if (name == "lock") {
    world.lock = true;
  } else if (name == "witness") {
    world.witness = true;
  } else if (name == "think") {
    words.time(world.think_time);
  } else if (name == "pinned") {
    world.clients_pinned = true;
  } else if (name == "local") {
    world.clients_local = true;
  } else if (name == "brisk") {
    world.clients_brisk = true;
  } else if (name == "latency") {
    words.time(world.network.latency);
  } else if (name == "tail") {
    words.number(world.network.tail);
  } else if (name == "reconnect") {
    words.time(world.network.reconnect_delay_max);
  } else if (name == "mutation") {
    words.take(mutation_by_name(words.take()), world.mutation);
  } else if (name == "progress") {
    words.time(scenario.progress_bound);
  } else {
    return false;
  }
  return true;
}

Result<Scenario> parse_one(const std::string& name, std::string_view text) {
  Scenario scenario;
  scenario.name = name;
  size_t depth = 0, number = 0;
  std::istringstream lines{std::string(text)};
  const auto error = [&](const std::string& line) {
    return fail(ErrorCode::kInvalid,
                name + ", line " + std::to_string(number) + ": '" + line + "' is not understood");
  };
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (line.starts_with('#')) {
      if (scenario.statements.empty()) scenario.story.push_back(line);
      continue;
    }
    Words words(line);
    if (words.done() || words.peek() == "each") continue;
    Statement statement;
    if (parse_statement(words, statement)) {
      if (statement.kind == Kind::kRepeat) ++depth;
      if (statement.kind == Kind::kEnd && depth-- == 0) return error(line);
      scenario.statements.push_back(statement);
    } else if (!parse_setting(words, scenario)) {
      return error(line);
    }
    if (!words.understood()) return error(line);
  }
  if (depth != 0) return error("repeat without end");
  if (scenario.world.witness && scenario.world.nodes < 3) return error("a witness needs two others");
  return scenario;
}

// "each $x A B C": the text once with A for $x, once with B, ...
std::vector<std::pair<std::string, std::string>> variants(const std::string& name, const std::string& text) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    Words words(line);
    if (!words.take("each")) continue;
    const std::string variable(words.take());
    std::vector<std::pair<std::string, std::string>> all;
    while (!words.done()) {
      const std::string value(words.take());
      std::string copy = text;
      for (size_t at = 0; (at = copy.find(variable, at)) != std::string::npos; at += value.size()) {
        copy.replace(at, variable.size(), value);
      }
      all.emplace_back(name + " " + value, copy);
    }
    return all;
  }
  return {{name, text}};
}

std::string within_text(const Statement& statement) {
  return statement.within == 0 ? "" : " within " + time_text(statement.within);
}

std::string statement_text(const Statement& statement) {
  switch (statement.kind) {
    case Kind::kAt: {
      const FaultEvent& event = statement.event;
      if (!event.at) return "at " + time_text(event.after) + " " + event_text(event);
      const std::string after = event.after != 0 ? " +" + time_text(event.after) : "";
      return "at " + event.at->text() + after + " " + event_text(event);
    }
    case Kind::kDo:
      return "do " + event_text(statement.event);
    case Kind::kRun:
      return "run " + time_text(statement.time) +
             (statement.growing != 0 ? " growing " + time_text(statement.growing) : "");
    case Kind::kUntilPoint:
      return "until " + statement.moment.text();
    case Kind::kUntilRecovered:
      return "until recovered " + node_text(statement.node) + within_text(statement);
    case Kind::kUntilServed:
      return "until served" + within_text(statement);
    case Kind::kHealBut:
      return "heal but " + node_text(statement.node);
    case Kind::kMark:
      return "mark";
    case Kind::kRepeat:
      return "repeat " + std::to_string(statement.number);
    case Kind::kEnd:
      return "end";
    case Kind::kExpectLivesEnded:
      return "expect lives-ended " + std::to_string(statement.number);
    case Kind::kExpectOut:
      return "expect out " + node_text(statement.node);
    case Kind::kExpectSuspended:
      return "expect suspended " + node_text(statement.node);
    case Kind::kExpectSameGeneration:
      return "expect same-generation";
  }
  return "";
}

}  // namespace

std::string time_text(TimeNs time) {
  for (const Unit& unit : kUnits) {
    if (time % unit.length == 0) return std::to_string(time / unit.length) + std::string(unit.name);
  }
  return "";
}

std::optional<TimeNs> parse_time(std::string_view text) {
  const size_t digits = text.find_first_not_of("0123456789");
  if (digits == std::string_view::npos) return std::nullopt;
  const std::optional<uint64_t> value = parse_number(text.substr(0, digits));
  for (const Unit& unit : kUnits) {
    if (value && *value < 1000000000000 && unit.name == text.substr(digits)) {
      return static_cast<TimeNs>(*value) * unit.length;
    }
  }
  return std::nullopt;
}

Result<std::vector<Scenario>> parse_scenarios(std::string_view name, std::string_view text) {
  std::vector<Scenario> all;
  for (const auto& [variant, copy] : variants(std::string(name), std::string(text))) {
    Result<Scenario> one = parse_one(variant, copy);
    if (!one) return fail(one.error());
    all.push_back(std::move(*one));
  }
  return all;
}

std::string scenario_text(const Scenario& scenario) {
  const WorldOptions& world = scenario.world;
  std::ostringstream out;
  for (const std::string& line : scenario.story) out << line << "\n";
  out << "seed " << world.seed << "\nnodes " << world.nodes << "\nclients " << world.clients_per_node
      << "\nkeys " << world.keys << "\nchains " << world.chains << "\nthink " << time_text(world.think_time)
      << "\nlatency " << time_text(world.network.latency) << "\ntail " << world.network.tail << "\nreconnect "
      << time_text(world.network.reconnect_delay_max) << "\nprogress " << time_text(scenario.progress_bound)
      << "\n";
  out << "vacuum " << time_text(world.vacuum) << "\n";
  if (world.lock) out << "lock\n";
  if (world.witness) out << "witness\n";
  if (world.copies > 1) out << "copies " << world.copies << "\n";
  if (world.transactions) out << "transactions\n";
  if (world.functions) out << "functions\n";
  if (world.delegations) out << "delegations\n";
  if (world.clients_pinned) out << "pinned\n";
  if (world.clients_local) out << "local\n";
  if (world.clients_brisk) out << "brisk\n";
  if (world.mutation != Mutation::kNone) out << "mutation " << mutation_name(world.mutation) << "\n";
  out << "\n";
  size_t depth = 0;
  for (const Statement& statement : scenario.statements) {
    if (statement.kind == Kind::kEnd) --depth;
    out << std::string(2 * depth, ' ') << statement_text(statement) << "\n";
    if (statement.kind == Kind::kRepeat) ++depth;
  }
  return out.str();
}

}  // namespace ctdb::sim
