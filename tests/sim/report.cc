// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/sim/report.h"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <utility>
#include <vector>

#include "tests/sim/shrink.h"

namespace ctdb::sim {
namespace {

template <typename... Values>
std::string line(const char* format, Values... values) {
  char text[400];
  std::snprintf(text, sizeof text, format, values...);
  return text;
}

unsigned long long ull(uint64_t value) {
  return value;
}

std::string faults_text(const Figures& figures) {
  std::string out = "faults injected by kind:\n";
  for (size_t f = 0; f < kFaultCount; ++f) {
    const std::string name(fault_row(static_cast<Fault>(f)).name);
    out += line("  %-15s%9llu%s", name.c_str(), ull(figures.get("fault " + name)), f % 4 == 3 ? "\n" : "");
  }
  return out + (kFaultCount % 4 == 0 ? "" : "\n");
}

}  // namespace

std::string figures_text(const Figures& f) {
  const double hours = static_cast<double>(f.get("milliseconds")) / 3.6e6;
  const double wall = std::max(1e-3, static_cast<double>(f.get("wall milliseconds")) * 1e-3);
  std::string out =
      line("%llu seeds, %llu failed\n", ull(f.get("seeds")), ull(f.get("failed"))) +
      line("%.2f simulated hours in %.1f s: %.4f simulated hours a second, %.1f seeds a second\n", hours,
           wall, hours / wall, static_cast<double>(f.get("seeds")) / wall) +
      line("%llu states (steps of the cluster), %llu operations, %llu changes, %llu recoveries opened\n",
           ull(f.get("steps")), ull(f.get("operations")), ull(f.get("changes")),
           ull(f.get("point store-opened"))) +
      line("%llu faults, %llu lives ended, %llu fall-backs, %llu stale packets, %llu records forgotten\n",
           ull(f.get("faults")), ull(f.get("lives ended")), ull(f.get("fall-backs")),
           ull(f.get("stale packets")), ull(f.get("forgotten records")));
  out += line(
      "excused uses by classic clients: %llu of old lock holders, %llu on dead nodes, %llu on paused ones\n",
      ull(f.get("excused holders")), ull(f.get("excused on dead nodes")),
      ull(f.get("excused on paused nodes")));
  return out + faults_text(f);
}

std::string coverage_text(const Figures& figures) {
  std::string out = line("%-16s%11s  faults that came there, by kind\n", "point", "reached");
  size_t pairs = 0;
  for (size_t p = 0; p < kPointCount; ++p) {
    const std::string point(point_row(static_cast<Point>(p)).name);
    out += line("%-16s%11llu ", point.c_str(), ull(figures.get("point " + point)));
    for (size_t f = 0; f < kFaultCount; ++f) {
      const std::string fault(fault_row(static_cast<Fault>(f)).name);
      const uint64_t hits = figures.get("hit " + point + " " + fault);
      if (hits == 0) continue;
      ++pairs;
      out += line(" %s %llu", fault.c_str(), ull(hits));
    }
    out += "\n";
  }
  return out + line("%zu of %zu pairs of point and fault\n", pairs, kPointCount * kFaultCount);
}

std::string failure_text(const Scenario& scenario, const std::string& failure, const std::string& replay,
                         uint64_t runs_max, const std::string& directory) {
  std::string out = scenario.name + " FAILED: " + failure + "\n  replay: " + replay + "\n";
  if (runs_max == 0) return out;
  Shrunk shrunk = shrink(scenario, failure.substr(0, failure.find(':')), runs_max);
  if (shrunk.failure.empty()) return out + "  it does not fail when it is run again\n";
  shrunk.scenario.story = {"# " + scenario.name + ": " + shrunk.failure};
  const std::string text = scenario_text(shrunk.scenario);
  out += "  shrunk in " + std::to_string(shrunk.runs) + " runs, a scenario for ctdb-sim --scenario FILE:\n" +
         text;
  if (directory.empty()) return out;
  std::string file = scenario.name;
  std::replace(file.begin(), file.end(), ' ', '-');
  file = directory + "/" + file + ".scenario";
  std::ofstream to(file);
  to << text;
  return out + (to ? "  written to " : "  could not be written to ") + file + "\n";
}

}  // namespace ctdb::sim
