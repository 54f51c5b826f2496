// SPDX-License-Identifier: GPL-3.0-or-later
// ctdb-sim: runs seeds and scenarios of the simulator. docs/simulator.md describes its use.
//
// Exit code: 0 all passed, 1 one failed, 2 wrong usage.
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "libctdbipc/base/limits.h"
#include "tests/sim/growth.h"
#include "tests/sim/report.h"
#include "tests/sim/seed_range.h"
#include "tests/sim/shrink.h"
#include "tests/sim/simulation.h"

namespace ctdb::sim {
namespace {

struct CommandLine {
  SeedRange range;
  bool trace = false;
  bool print = false;
  bool coverage = false;
  uint64_t shrink = 2000;
  std::string out;
  std::string history;  // file
  std::vector<std::string> scenarios;
  std::vector<uint32_t> growth;  // sizes of clusters
  uint32_t records = 1000;       // a node has there
  bool json = false;
  std::string program;
};

int usage() {
  std::fprintf(stderr,
               "usage: ctdb-sim --seed S [--trace] [--print]     one seed; --print: its scenario\n"
               "       ctdb-sim --seeds A..B [--jobs N] [--failures N] [--twice] [--resume FILE] [--history "
               "FILE] [--piece N]\n"
               "                  [--coverage]\n"
               "       ctdb-sim --scenario FILE|DIRECTORY... [--trace]\n"
               "       ctdb-sim --growth NODES,... [--records N] [--json]   what one recovery costs in so "
               "large clusters\n"
               "       all: [--mutation NAME] [--shrink RUNS] [--out DIRECTORY]\n");
  return 2;
}

bool parse_number(std::string_view text, uint64_t& number) {
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  return problem == std::errc() && end == text.data() + text.size();
}

bool parse_range(std::string_view value, SeedRange& range) {
  const size_t dots = value.find("..");
  return dots != std::string_view::npos && parse_number(value.substr(0, dots), range.first) &&
         parse_number(value.substr(dots + 2), range.last) && range.last >= range.first;
}

bool parse_growth(const char* value, std::vector<uint32_t>& sizes) {
  std::istringstream in(value);
  for (std::string word; std::getline(in, word, ',');) {
    sizes.push_back(static_cast<uint32_t>(std::strtoul(word.c_str(), nullptr, 10)));
    if (sizes.back() < 3 || sizes.back() > kNodesMax) return false;
  }
  return !sizes.empty();
}

// An option with a value.
bool parse_value(const std::string& option, const char* value, CommandLine& line) {
  uint64_t number = 0;
  const bool is_number = parse_number(value, number);
  for (const char* numeric : {"--seed", "--records", "--jobs", "--failures", "--piece", "--shrink"}) {
    if (option == numeric && !is_number) return false;
  }
  if (number == 0 && (option == "--jobs" || option == "--failures")) return false;
  if (option == "--seed") {
    line.range.first = line.range.last = number;
  } else if (option == "--seeds") {
    return parse_range(value, line.range);
  } else if (option == "--growth") {
    return parse_growth(value, line.growth);
  } else if (option == "--records") {
    line.records = static_cast<uint32_t>(number);
  } else if (option == "--jobs") {
    line.range.jobs = static_cast<uint32_t>(number);
  } else if (option == "--failures") {
    line.range.failures_max = number;
  } else if (option == "--piece") {
    line.range.piece = std::max<uint64_t>(1, number);
  } else if (option == "--resume") {
    line.range.resume = value;
  } else if (option == "--shrink") {
    line.shrink = number;
  } else if (option == "--history") {
    line.history = value;
  } else if (option == "--out") {
    line.out = value;
  } else if (option == "--mutation" && mutation_by_name(value)) {
    line.range.mutation = *mutation_by_name(value);
  } else {
    return false;
  }
  return true;
}

bool parse(int argc, char** argv, CommandLine& line) {
  line.program = argv[0];
  bool what = false;  // is to be done
  for (int i = 1; i < argc; ++i) {
    const std::string option = argv[i];
    if (option == "--trace") {
      line.trace = true;
    } else if (option == "--print") {
      line.print = true;
    } else if (option == "--json") {
      line.json = true;
    } else if (option == "--coverage") {
      line.coverage = true;
    } else if (option == "--twice") {
      line.range.twice = true;
    } else if (option == "--scenario") {
      while (i + 1 < argc && argv[i + 1][0] != '-') line.scenarios.emplace_back(argv[++i]);
      what = !line.scenarios.empty();
    } else if (i + 1 < argc && parse_value(option, argv[i + 1], line)) {
      what = what || option == "--seed" || option == "--seeds" || option == "--growth";
      ++i;
    } else {
      std::fprintf(stderr, "ctdb-sim: %s%s%s: no such option, or not with this value\n", argv[i],
                   i + 1 < argc ? " " : "", i + 1 < argc ? argv[i + 1] : "");
      return false;
    }
  }
  return what;
}

std::string replay(const CommandLine& line, uint64_t seed) {
  std::string command = line.program + " --seed " + std::to_string(seed);
  if (line.range.mutation != Mutation::kNone) {
    command += " --mutation " + std::string(mutation_name(line.range.mutation));
  }
  return command;
}

// ---- seeds ----

int run_one_seed(const CommandLine& line) {
  const uint64_t seed = line.range.first;
  const Scenario scenario = scenario_of_seed(seed, line.range.mutation);
  if (line.print) {
    std::printf("%s", scenario_text(scenario).c_str());
    return 0;
  }
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  const RunResult result = run_scenario(scenario, line.trace);
  std::printf("trace hash %016llx\n%s", static_cast<unsigned long long>(result.trace_hash),
              figures_text(result.figures).c_str());
  if (result.ok) return 0;
  std::printf("last events:\n%s%s", result.last_events.c_str(),
              failure_text(scenario, result.failure, replay(line, seed), line.shrink, line.out).c_str());
  return 1;
}

int run_seeds(const CommandLine& line) {
  const Result<RangeResult> result = run_range(line.range);
  if (!result) {
    std::fprintf(stderr, "ctdb-sim: %s\n", result.error().text().c_str());
    return 2;
  }
  for (const auto& [seed, failure] : result->failures) {
    // One that crashes cannot be shrunk in this process.
    const uint64_t runs = failure == kCrashed || line.range.twice ? 0 : line.shrink;
    std::printf("%s", failure_text(scenario_of_seed(seed, line.range.mutation), failure, replay(line, seed),
                                   runs, line.out)
                          .c_str());
  }
  std::printf("%s", figures_text(result->figures).c_str());
  if (line.coverage) std::printf("%s", coverage_text(result->figures).c_str());
  return result->failures.empty() ? 0 : 1;
}

// Into one file, a line that names the seed before each. Returns how many failed.
int write_histories(const CommandLine& line) {
  std::ofstream out(line.history);
  int failed = 0;
  for (uint64_t seed = line.range.first; seed <= line.range.last; ++seed) {
    const RunResult result = run_scenario(scenario_of_seed(seed, line.range.mutation), false, true);
    failed += result.ok ? 0 : 1;
    out << "{\"event\":\"seed\",\"seed\":" << seed << "}\n" << result.history;
  }
  if (!out.flush()) std::fprintf(stderr, "ctdb-sim: %s cannot be written\n", line.history.c_str());
  return out ? failed : 2;
}

// ---- scenarios ----

std::vector<std::filesystem::path> scenario_files(const std::string& given) {
  std::vector<std::filesystem::path> files;
  if (!std::filesystem::is_directory(given)) return {given};
  for (const auto& entry : std::filesystem::directory_iterator(given)) {
    if (entry.path().extension() == ".scenario") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

int run_file(const CommandLine& line, const std::filesystem::path& file) {
  std::ifstream in(file);
  std::stringstream text;
  text << in.rdbuf();
  if (!in) {
    std::fprintf(stderr, "ctdb-sim: %s cannot be read\n", file.c_str());
    return 2;
  }
  const Result<std::vector<Scenario>> scenarios = parse_scenarios(file.stem().string(), text.str());
  if (!scenarios) {
    std::fprintf(stderr, "ctdb-sim: %s\n", scenarios.error().text().c_str());
    return 2;
  }
  int status = 0;
  for (const Scenario& scenario : *scenarios) {
    const RunResult result = run_scenario(scenario, line.trace);
    std::printf("%-6s %s\n", result.ok ? "ok" : "FAILED", scenario.name.c_str());
    if (result.ok) continue;
    status = 1;
    std::printf("%slast events:\n%s", (result.failure + "\n").c_str(), result.last_events.c_str());
  }
  return status;
}

int run_scenarios(const CommandLine& line) {
  int status = 0;
  for (const std::string& given : line.scenarios) {
    for (const std::filesystem::path& file : scenario_files(given))
      status = std::max(status, run_file(line, file));
  }
  return status;
}

// ---- growth ----

int run_growth(const CommandLine& line) {
  std::vector<GrowthRow> rows;
  for (const uint32_t nodes : line.growth) {
    Result<GrowthRow> row = measure_growth(nodes, line.records);
    if (!row) {
      std::fprintf(stderr, "ctdb-sim: %s\n", row.error().text().c_str());
      return 1;
    }
    rows.push_back(std::move(*row));
  }
  std::printf("%s", (line.json ? growth_json(rows) : growth_text(rows)).c_str());
  return 0;
}

}  // namespace
}  // namespace ctdb::sim

int main(int argc, char** argv) {
  using namespace ctdb::sim;
  CommandLine line;
  if (!parse(argc, argv, line)) return usage();
  if (!line.growth.empty()) return run_growth(line);
  if (!line.scenarios.empty()) return run_scenarios(line);
  if (!line.history.empty()) return write_histories(line) == 0 ? 0 : 1;
  const bool one = line.range.first == line.range.last && !line.range.twice;
  return one ? run_one_seed(line) : run_seeds(line);
}
