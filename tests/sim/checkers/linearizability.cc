// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/sim/checkers/linearizability.h"

#include <algorithm>
#include <map>

namespace ctdb::sim {
namespace {

using Kind = HistoryEvent::Kind;

constexpr const char* kNames[] = {"begin", "locked", "wrote", "unlock", "read", "read-copy", "gone"};

}  // namespace

// Whether all versions from `lost` back to one that is seen may be gone: their lives were over by then.
bool Linearizability::explained(VersionId lost, const HistoryEvent& seen) const {
  for (VersionId id = lost; !history_.is_ancestor_or_self(id, seen.version);) {
    const Version& version = history_.version(id);
    const auto begin = lives_.ends().begin(), end = begin + static_cast<std::ptrdiff_t>(seen.lives_ended);
    const bool over = std::any_of(begin, end, [&version](const Lives::Ended& ended) {
      return ended.node == version.node && ended.life == version.life;
    });
    if (!over) return false;
    id = version.parent;
  }
  return true;
}

void Linearizability::report(const HistoryEvent& event, VersionId missing) {
  verdict_.violation("linearizability",
                     "client " + std::to_string(event.client) + " of node " + std::to_string(event.node) +
                         " sees version " + std::to_string(event.version) + " of key " +
                         std::to_string(event.key) + " at " + std::to_string(event.time / kMicrosecond) +
                         " us, version " + std::to_string(missing) + " was there before it asked");
}

void Linearizability::check() {
  std::map<uint32_t, VersionId> newest;  // by key
  std::map<uint32_t, VersionId> known;   // by client: the newest of its key when it began
  for (const HistoryEvent& event : events_) {
    VersionId& tip = newest[event.key];
    if (event.kind == Kind::kBegin) known[event.client] = tip;
    if (event.kind == Kind::kLocked && event.counts) {
      // Under the lock it must be the newest there is now.
      if (tip != kNoVersion && !event.empty && !explained(tip, event)) report(event, tip);
      if (!event.empty) tip = event.version;
    }
    // Nobody can change it while copies are read: it must be the newest, too.
    if (event.kind == Kind::kReadCopy && !event.empty && tip != kNoVersion && !explained(tip, event))
      report(event, tip);
    if (event.kind == Kind::kWrote && event.counts) tip = event.version;
    if (event.kind == Kind::kRead && !event.empty) {
      const VersionId must = known[event.client];
      if (must != kNoVersion && !explained(must, event)) report(event, must);
    }
  }
}

std::string Linearizability::json_lines() const {
  std::string out;
  const auto number = [&out](const char* name, uint64_t value) {
    out += std::string(",\"") + name + "\":" + std::to_string(value);
  };
  size_t ended = 0;
  for (const HistoryEvent& event : events_) {
    for (; ended < event.lives_ended; ++ended) {
      out += "{\"event\":\"life-over\"";
      number("node", lives_.ends()[ended].node);
      number("life", lives_.ends()[ended].life);
      out += "}\n";
    }
    out += std::string("{\"event\":\"") + kNames[static_cast<size_t>(event.kind)] + "\"";
    number("time", static_cast<uint64_t>(event.time));
    number("client", event.client);
    number("node", event.node);
    number("key", event.key);
    number("life", event.life);
    number("version", event.version);
    if (event.kind == Kind::kWrote) number("parent", event.parent);
    out += event.empty ? ",\"empty\":true" : "";
    out += event.counts ? "}\n" : ",\"counts\":false}\n";
  }
  return out;
}

}  // namespace ctdb::sim
