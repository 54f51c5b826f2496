// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-router/core/services.h"

#include <gtest/gtest.h>

#include <ctime>

#include "libctdbipc/base/limits.h"

namespace ctdb {
namespace {

constexpr size_t kAll = SIZE_MAX;

TEST(Services, RegistrationsOfOneIdByOneClientAreKeptSeparately) {
  Services services;
  services.add_client(1, 100);
  EXPECT_TRUE(services.add(1, 5));
  EXPECT_TRUE(services.add(1, 5));
  EXPECT_EQ(services.listeners(5).size(), 2u);
  EXPECT_TRUE(services.remove(1, 5));
  EXPECT_EQ(services.listeners(5).size(), 1u);
  EXPECT_TRUE(services.remove(1, 5));
  EXPECT_FALSE(services.remove(1, 5));
  EXPECT_TRUE(services.listeners(5).empty());
}

TEST(Services, ARestoredClientHasWhatItHad) {
  Services before;
  before.add_client(1, 100);
  before.add(1, 5);
  before.add(1, 5);
  before.add(1, 6);
  before.add_tunnel(1, 9);
  before.add_notify(1, 11, as_bytes("gone"));
  Services after;
  after.add_client(2, 100);
  after.restore(2, before.registrations(1, kAll));
  EXPECT_EQ(after.listeners(5), (std::vector<uint32_t>{2, 2}));
  EXPECT_EQ(after.listeners(6), std::vector<uint32_t>{2});
  EXPECT_EQ(after.tunnel_owner(9), 2u);
  EXPECT_EQ(after.registrations(2, kAll), before.registrations(1, kAll));
  const std::vector<Services::Notify> notifies = after.remove_client(2);
  ASSERT_EQ(notifies.size(), 1u);
  EXPECT_EQ(as_text(notifies[0].data), "gone");
}

// A router writes them down behind each control, while all others wait.
TEST(Services, OfVeryManyRegistrationsNotAllArePutTogether) {
  Services services;
  services.add_client(1, 100);
  const size_t one = [&] {
    services.add(1, 0);
    return services.registrations(1, kAll).size();
  }();
  for (uint64_t id = 1; id < 1000; ++id) services.add(1, id);
  for (uint64_t id = 0; id < 100; ++id) services.add_notify(1, id, Bytes(64u << 10));
  EXPECT_EQ(services.registrations(1, 10 * one).size(), 11 * one);
  EXPECT_EQ(services.registrations(1, 0).size(), one);
  const Bytes all = services.registrations(1, kAll);
  EXPECT_GT(all.size(), 6u << 20);
  EXPECT_EQ(services.registrations(1, all.size()), all);
}

TEST(Services, DamagedRegistrationsRestoreWhatCanBeRead) {
  Services services;
  services.add_client(1, 100);
  services.add(1, 5);
  services.add(1, 6);
  const Bytes bytes = services.registrations(1, kAll);
  for (size_t size = 0; size < bytes.size(); ++size) {
    Services other;
    other.add_client(2, 100);
    other.restore(2, ByteView(bytes).first(size));
    EXPECT_EQ(other.listeners(5).size(), size >= bytes.size() / 2 ? 1u : 0u);
    EXPECT_TRUE(other.listeners(6).empty());
  }
}

TEST(Services, AClientThatGoesTakesItsRegistrationsWithIt) {
  Services services;
  services.add_client(1, 100);
  services.add_client(2, 200);
  services.add(1, 5);
  services.add(1, 5);
  services.add(2, 5);
  services.add_tunnel(1, 9);
  services.add_notify(1, 11, as_bytes("gone"));
  const std::vector<Services::Notify> notifies = services.remove_client(1);
  ASSERT_EQ(notifies.size(), 1u);
  EXPECT_EQ(notifies[0].srvid, 11u);
  EXPECT_EQ(as_text(notifies[0].data), "gone");
  EXPECT_EQ(services.listeners(5), std::vector<uint32_t>{2});
  EXPECT_EQ(services.tunnel_owner(9), 0u);
  EXPECT_EQ(services.client_count(), 1u);
  EXPECT_TRUE(services.remove_client(1).empty());
}

TEST(Services, OneThatRegisteredOneServiceVeryOftenLeavesAtOnce) {
  Services services;
  for (uint32_t client = 1; client <= 4; ++client) {
    services.add_client(client, 100);
    for (size_t i = 0; i < kClientSrvidsMax; ++i) ASSERT_TRUE(services.add(client, 5));
  }
  // Looked for again for each registration it would be 13 thousand million comparisons.
  const std::clock_t begin = std::clock();  // what it costs the processor, however busy that is
  services.remove_client(4);
  EXPECT_LT(std::clock() - begin, CLOCKS_PER_SEC);
  EXPECT_EQ(services.listeners(5).size(), 3 * kClientSrvidsMax);
}

TEST(Services, NewestClientOfAProcess) {
  Services services;
  services.add_client(3, 100);
  services.add_client(8, 100);
  services.add_client(9, 200);
  EXPECT_EQ(services.newest_client(100), 8u);
  services.remove_client(8);
  EXPECT_EQ(services.newest_client(100), 3u);
  EXPECT_EQ(services.newest_client(300), 0u);
}

TEST(Services, AnyConnectionOfAProcessMayBeTheOneThatListens) {
  Services services;
  services.add_client(1, 100);
  services.add_client(2, 100);
  services.add(2, 77);
  EXPECT_TRUE(services.pid_listens(100, 77));
  EXPECT_FALSE(services.pid_listens(100, 78));
  EXPECT_FALSE(services.pid_listens(101, 77));
}

// smbd asks so for each of the locks that it finds.
TEST(Services, WhetherAProcessLivesIsNotLookedForAmongAllClients) {
  Services services;
  constexpr uint32_t kClients = 10000, kQuestions = 100000;
  for (uint32_t client = 1; client <= kClients; ++client) {
    services.add_client(client, static_cast<int32_t>(client));
    services.add(client, 5);
    services.add(client, 1000 + client);
  }
  // A thousand million clients each, if all of them were looked at.
  const std::clock_t begin = std::clock();
  for (uint32_t i = 0; i < kQuestions; ++i) {
    const auto pid = static_cast<int32_t>(i % kClients + 1);
    ASSERT_EQ(services.newest_client(pid), static_cast<uint32_t>(pid));
    ASSERT_TRUE(services.pid_listens(pid, 5));
    ASSERT_FALSE(services.pid_listens(pid, 1000));
  }
  EXPECT_LT(std::clock() - begin, 2 * CLOCKS_PER_SEC);
}

TEST(Services, ATunnelHasOneOwner) {
  Services services;
  services.add_client(1, 100);
  services.add_client(2, 200);
  EXPECT_TRUE(services.add_tunnel(1, 9));
  EXPECT_FALSE(services.add_tunnel(2, 9));
  EXPECT_FALSE(services.remove_tunnel(2, 9));
  EXPECT_TRUE(services.remove_tunnel(1, 9));
  EXPECT_TRUE(services.add_tunnel(2, 9));
}

TEST(Services, QuotasHold) {
  Services services;
  services.add_client(1, 100);
  for (size_t i = 0; i < kClientSrvidsMax; ++i) ASSERT_TRUE(services.add(1, i));
  EXPECT_FALSE(services.add(1, 5));
  uint64_t notifies = 0;
  while (services.add_notify(1, notifies, {})) ASSERT_LT(++notifies, 100000u);
  uint64_t tunnels = 0;
  while (services.add_tunnel(1, tunnels)) ASSERT_LT(++tunnels, 100000u);
  services.add_client(2, 200);
  EXPECT_FALSE(services.add_notify(2, 1, Bytes(1u << 20)));
}

TEST(Services, StrangersCanDoNothing) {
  Services services;
  EXPECT_FALSE(services.add(5, 1));
  EXPECT_FALSE(services.remove(5, 1));
  EXPECT_FALSE(services.add_notify(5, 1, {}));
  EXPECT_FALSE(services.add_tunnel(5, 1));
}

}  // namespace
}  // namespace ctdb
