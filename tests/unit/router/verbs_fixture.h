// SPDX-License-Identifier: GPL-3.0-or-later
// Two nodes whose whole transport goes over the fake devices, with traffic both ways.
#ifndef CTDB_TESTS_UNIT_ROUTER_VERBS_FIXTURE_H_
#define CTDB_TESTS_UNIT_ROUTER_VERBS_FIXTURE_H_

#include <memory>
#include <string>
#include <vector>

#include "tests/unit/router/verbs_cluster.h"
#include "tests/verbs/fake_ibverbs.h"

namespace ctdb::test {

class VerbsFaults : public testing::Test {
 protected:
  VerbsFaults() {
    fake_verbs_reset();
    make_ = make_verbs_cluster(VerbsConfig{});
  }
  ~VerbsFaults() override {
    a.reset();
    b.reset();
    const fake_verbs_counts counts = fake_verbs_counts_now();
    EXPECT_EQ(counts.contexts, 0u);
    EXPECT_EQ(counts.pairs, 0u);
    EXPECT_EQ(counts.misuses, 0u);
    EXPECT_EQ(counts.lost_receives, 0u);
    EXPECT_EQ(counts.dry, 0u);
  }
  void start() {
    a = std::make_unique<TransportNode>(0, 100, make_);
    b = std::make_unique<TransportNode>(1, 101, make_);
    ASSERT_TRUE(until([&] { return a->ups() == 1 && b->ups() == 1; }));
  }
  void start_on_verbs() {
    start();
    ASSERT_TRUE(until([&] { return both_on(LinkKind::kVerbs); })) << why(*a) << why(*b);
  }
  LinkReport report(const TransportNode& node) const {
    return node.transport->report(&node == a.get() ? 1 : 0);
  }
  std::string why(const TransportNode& node) const { return report(node).why; }
  bool both_on(LinkKind kind) const { return report(*a).kind == kind && report(*b).kind == kind; }
  bool until(const std::function<bool()>& condition) { return turn_until({a.get(), b.get()}, condition); }
  // Packets both ways, more than a window of chunks.
  void send_some(uint32_t count = 100) {
    for (uint32_t i = 0; i < count; ++i) {
      ++sent_;
      EXPECT_TRUE(a->transport->send(1, Lane::kData, link_message(0, 1, sent_, 3000)));
      EXPECT_TRUE(b->transport->send(0, Lane::kData, link_message(1, 0, sent_, 300)));
    }
  }
  // All that was ever sent has come, once, in order, and no link went down.
  void expect_all() {
    ASSERT_TRUE(until([&] { return a->packets() >= sent_ && b->packets() >= sent_; }))
        << a->packets() << " and " << b->packets() << " of " << sent_;
    std::vector<uint32_t> all(sent_);
    for (uint32_t i = 0; i < sent_; ++i) all[i] = i + 1;
    EXPECT_EQ(a->reqids(), all);
    EXPECT_EQ(b->reqids(), all);
    EXPECT_EQ(a->downs() + b->downs(), 0u);
  }
  // Something goes wrong with traffic under way: back on TCP for this reason, nothing lost, and on verbs again.
  void expect_fall_and_rise(const std::function<void()>& fault, const std::string& reason) {
    start_on_verbs();
    send_some();
    const uint64_t falls = report(*a).falls + report(*b).falls;
    fault();
    send_some();
    std::string told;
    ASSERT_TRUE(until([&] {
      told += why(*a) + " " + why(*b) + "\n";
      return report(*a).falls + report(*b).falls >= falls + 2;
    }));
    EXPECT_NE(told.find(reason), std::string::npos) << told;
    expect_all();
    fake_verbs_hold(0);
    fake_verbs_tamper(nullptr);
    ASSERT_TRUE(until([&] { return both_on(LinkKind::kVerbs); })) << why(*a) << " " << why(*b);
    send_some();
    expect_all();
  }

  MakeTransport make_;
  std::unique_ptr<TransportNode> a, b;
  uint32_t sent_ = 0;
};

}  // namespace ctdb::test

#endif  // CTDB_TESTS_UNIT_ROUTER_VERBS_FIXTURE_H_
