// SPDX-License-Identifier: GPL-3.0-or-later
// What one recovery costs a node grows no faster than its records plus the nodes there are. The bounds are a fifth above
// what is sent now; something that every node says to every other one about every third would be far above them.
#include "tests/sim/growth.h"

#include <gtest/gtest.h>

namespace ctdb::sim {
namespace {

constexpr uint32_t kRecords = 50;
constexpr double kPacketsPerPeer = 5, kBytesPerPeer = 500, kBytesPerRecord = 40;
constexpr double kPacketsAnyway = 15, kBytesAnyway = 2000;

TEST(Growth, WhatARecoveryCostsANodeIsLinearInTheNodes) {
  for (const uint32_t nodes : {4u, 16u, 64u}) {
    const Result<GrowthRow> row = measure_growth(nodes, kRecords);
    ASSERT_TRUE(row.has_value()) << row.error().text();
    EXPECT_LE(row->packets_per_node(), kPacketsPerPeer * nodes + kPacketsAnyway) << growth_text({*row});
    EXPECT_LE(row->bytes_per_node(), kBytesPerPeer * nodes + kBytesPerRecord * kRecords + kBytesAnyway)
        << growth_text({*row});
  }
}

TEST(Growth, RecordsCostBytesAndFewPackets) {
  const Result<GrowthRow> few = measure_growth(4, 10), many = measure_growth(4, 1000);
  ASSERT_TRUE(few.has_value() && many.has_value());
  EXPECT_LE(many->packets_per_node(), few->packets_per_node() + kPacketsAnyway);
  EXPECT_LE(many->bytes_per_node() - few->bytes_per_node(), 990 * kBytesPerRecord);
  EXPECT_GE(many->bytes_per_node() - few->bytes_per_node(), 990 * 12) << "they are not claimed at all";
}

}  // namespace
}  // namespace ctdb::sim
