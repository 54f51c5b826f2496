// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/sim/growth.h"

#include <algorithm>
#include <cstdio>
#include <functional>
#include <optional>

#include "libctdbipc/wire/operations.h"
#include "libctdbipc/wire/packet.h"
#include "tests/sim/node.h"
#include "tests/sim/world.h"

namespace ctdb::sim {
namespace {

constexpr TimeNs kStepBound = 60 * kSecond;
constexpr TimeNs kSettle = 2 * kSecond;
constexpr size_t kRecordBytes = 100;

WorldOptions options_of(uint32_t nodes) {
  WorldOptions options;
  options.nodes = nodes;
  options.clients_per_node = 1;
  options.keys = 1;
  return options;
}

class GrowthRun {
 public:
  GrowthRun(uint32_t nodes, uint32_t records) : records_(records), world_(options_of(nodes)) {
    row_.nodes = nodes;
    row_.records = records;
  }

  Result<GrowthRow> run() {
    world_.start();
    const Progress& progress = world_.checkers.progress;
    if (!until([&] { return progress.all_completed(1); })) return failed("the cluster did not form");
    world_.stop_clients();
    if (!until([&] { return world_.clients_idle(); })) return failed("a client does not end");
    fill();
    if (!until([&] { return all_open_since(0) && filled(); })) return failed("the stores did not come back");
    world_.run(world_.now() + kSettle);
    const uint32_t before = generation(0);
    die();
    const TimeNs began = world_.now();
    if (!until([&] { return all_open_since(before); })) return failed("the survivors did not go on");
    row_.lasted = world_.now() - began;
    return row_;
  }

 private:
  uint32_t victim() const { return world_.node_count() - 1; }

  bool until(const std::function<bool()>& done) {
    // Asked now and then: in a large world every event is one of many.
    const TimeNs end = world_.now() + kStepBound;
    while (!done()) {
      if (world_.now() >= end || !world_.checkers.verdict.ok()) return false;
      world_.run(world_.now() + kMillisecond);
    }
    return true;
  }

  tl::unexpected<Error> failed(const std::string& what) {
    return fail(ErrorCode::kInvalid,
                std::to_string(row_.nodes) + " nodes: " + what + " " + world_.checkers.verdict.text());
  }

  uint32_t generation(uint32_t pnn) {
    const Store* store = world_.node(pnn).store.core();
    return store == nullptr || store->phase() != StorePhase::kOpen ? 0 : store->generation();
  }

  bool all_open_since(uint32_t before) {
    for (uint32_t pnn = 0; pnn < survivors(); ++pnn) {
      if (generation(pnn) <= before || generation(pnn) != generation(0)) return false;
    }
    return true;
  }

  uint32_t survivors() const { return dead_ ? victim() : world_.node_count(); }

  // Records of its own in every node's file. The stores are started anew: then they look what is in their files.
  void fill() {
    for (uint32_t pnn = 0; pnn < world_.node_count(); ++pnn) {
      Node& node = world_.node(pnn);
      Bytes value;
      append_record_header(value, {1, pnn, 0});
      value.resize(value.size() + kRecordBytes, 0x5A);
      for (uint32_t i = 0; i < records_; ++i) {
        Bytes key(8);
        store(key.data(), pnn);
        store(key.data() + 4, i);
        node.database()->store(key, value);
      }
      node.kill_store();
      node.start_store();
    }
  }

  bool filled() {
    for (uint32_t pnn = 0; pnn < world_.node_count(); ++pnn) {
      uint32_t owned = 0;
      world_.node(pnn).store.core()->for_each_record([&](const RecordSight& sight) {
        if (sight.in_file && sight.dmaster == pnn) ++owned;
      });
      if (owned < records_) return false;
    }
    return true;
  }

  void die() {
    world_.network.set_meter([this](uint32_t from, ByteView packet) {
      if (from == victim()) return;
      GrowthRow::Sent& sent = row_.by_operation[read_header(packet).operation];
      ++sent.packets;
      sent.bytes += packet.size();
    });
    Node& node = world_.node(victim());
    for (auto& client : node.clients) client->kill();
    node.kill_daemons(false);
    dead_ = true;
  }

  const uint32_t records_;
  World world_;
  GrowthRow row_;
  bool dead_ = false;
};

std::string operation_name(uint32_t operation) {
  const OperationRow* row = find_operation(operation);
  return row == nullptr ? std::to_string(operation) : row->name;
}

}  // namespace

GrowthRow::Sent GrowthRow::total() const {
  Sent all;
  for (const auto& [operation, sent] : by_operation) {
    all.packets += sent.packets;
    all.bytes += sent.bytes;
  }
  return all;
}

Result<GrowthRow> measure_growth(uint32_t nodes, uint32_t records) {
  return GrowthRun(nodes, records).run();
}

std::string growth_text(const std::vector<GrowthRow>& rows) {
  std::string out;
  char line[200];
  for (const GrowthRow& row : rows) {
    const double survivors = row.nodes - 1;
    std::snprintf(line, sizeof line,
                  "%u nodes, %u records each: %.1f packets, %.0f bytes per surviving node, %.1f ms\n",
                  row.nodes, row.records, row.packets_per_node(), row.bytes_per_node(),
                  static_cast<double>(row.lasted) / kMillisecond);
    out += line;
    for (const auto& [operation, sent] : row.by_operation) {
      std::snprintf(line, sizeof line, "  %-20s%10.1f packets%12.0f bytes\n",
                    operation_name(operation).c_str(), static_cast<double>(sent.packets) / survivors,
                    static_cast<double>(sent.bytes) / survivors);
      out += line;
    }
  }
  return out;
}

std::string growth_json(const std::vector<GrowthRow>& rows) {
  std::string out = "[";
  for (const GrowthRow& row : rows) {
    out += out.size() > 1 ? ",\n " : "";
    out += "{\"nodes\":" + std::to_string(row.nodes) + ",\"records\":" + std::to_string(row.records) +
           ",\"packets\":" + std::to_string(row.packets_per_node()) +
           ",\"bytes\":" + std::to_string(row.bytes_per_node()) +
           ",\"ms\":" + std::to_string(static_cast<double>(row.lasted) / kMillisecond) + "}";
  }
  return out + "]\n";
}

}  // namespace ctdb::sim
