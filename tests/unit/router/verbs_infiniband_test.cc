// SPDX-License-Identifier: GPL-3.0-or-later
// Ports of InfiniBand, which have no IP addresses: found by the interfaces that sysfs shows, connected by LID. The fake devices carry a
// message only where a fabric would.
#include <filesystem>
#include <fstream>

#include "ctdb-router/transport/verbs/ipoib.h"
#include "tests/unit/router/verbs_fixture.h"
#include "tests/unit/store/temporary_directory.h"

namespace ctdb::test {
namespace {

constexpr uint16_t kDefaultPartition = 0xffff, kOtherPartition = 0x8001;

// "00:01:...", as sysfs writes hardware addresses.
std::string hexadecimal(const std::vector<uint8_t>& bytes) {
  std::string text;
  char byte[4];
  for (const uint8_t value : bytes) {
    std::snprintf(byte, sizeof byte, ":%02x", value);
    text += byte;
  }
  return text.substr(1);
}

class VerbsInfiniBand : public VerbsFaults {
 protected:
  // The loopback interface of node `pnn` is an InfiniBand port's in its sysfs, so routes that begin at 127.0.0.1 begin there.
  void show_port(uint32_t pnn, int device, int port, uint16_t partition = kDefaultPartition) {
    std::vector<uint8_t> own = {0x80, 0, 0, 0x48}, all = {0, 0xff, 0xff, 0xff, 0xff, 0x12, 0x40, 0x1b};
    const ibv_gid gid = fake_verbs_gid(device, port);
    own.insert(own.end(), gid.raw, gid.raw + sizeof gid.raw);
    all.push_back(static_cast<uint8_t>(partition >> 8));
    all.push_back(static_cast<uint8_t>(partition));
    all.resize(20, 0xff);
    write(pnn, "type", "32");
    write(pnn, "address", hexadecimal(own));
    write(pnn, "broadcast", hexadecimal(all));
  }
  void write(uint32_t pnn, const std::string& name, const std::string& text) {
    const std::string folder = interfaces(pnn) + "/lo";
    std::filesystem::create_directories(folder);
    std::ofstream(folder + "/" + name) << text << "\n";
  }
  std::string interfaces(uint32_t pnn) const { return sysfs_.path() + "/" + std::to_string(pnn); }
  void use_interfaces(const VerbsConfig& config = {}) {
    make_ = make_verbs_cluster([config](uint32_t) { return config; },
                               [](const std::string&, const std::string&) { return "127.0.0.1"; },
                               [this](uint32_t pnn) { return interfaces(pnn); });
  }

  TemporaryDirectory sysfs_;
};

TEST_F(VerbsInfiniBand, TheOnlyInfiniBandPortIsTaken) {
  fake_verbs_set_devices(1, 1);
  start_on_verbs();
  send_some();
  expect_all();
}

TEST_F(VerbsInfiniBand, OfSeveralInfiniBandPortsNoneIsGuessed) {
  fake_verbs_set_devices(2, 1);
  start();
  ASSERT_TRUE(until([&] { return why(*b).find("2 InfiniBand ports are up") != std::string::npos; }))
      << why(*b);
  a.reset();
  b.reset();
  fake_verbs_reset();
  fake_verbs_set_devices(2, 1);
  VerbsConfig named;
  named.device = "fake1";
  make_ = make_verbs_cluster(named);
  start_on_verbs();
}

TEST_F(VerbsInfiniBand, TheRouteToThePeerChoosesDeviceAndPort) {
  fake_verbs_set_devices(3, 1);
  fake_verbs_set_ports(2);
  show_port(0, 1, 2);
  show_port(1, 2, 1);
  use_interfaces();
  start_on_verbs();
  send_some();
  expect_all();
  EXPECT_EQ(fake_verbs_last_path(1).port, 2);
  EXPECT_EQ(fake_verbs_last_path(2).port, 1);
  EXPECT_EQ(fake_verbs_last_path(0).port, 0) << "nobody is there";
}

TEST_F(VerbsInfiniBand, PacketsAreRoutedByLid) {
  fake_verbs_set_devices(2, 1);
  show_port(0, 0, 1);
  show_port(1, 1, 1);
  use_interfaces();
  start_on_verbs();
  const fake_verbs_path path = fake_verbs_last_path(0);
  EXPECT_EQ(path.route.is_global, 0);
  EXPECT_EQ(path.route.dlid, 0x21) << "port 1 of the second device";
  EXPECT_EQ(path.partition_index, 0);
}

TEST_F(VerbsInfiniBand, TheInterfacesPartitionIsTheQueuePairs) {
  fake_verbs_set_devices(2, 1);
  show_port(0, 0, 1, kOtherPartition);
  show_port(1, 1, 1, kOtherPartition);
  use_interfaces();
  start_on_verbs();
  send_some();
  expect_all();
  EXPECT_EQ(fake_verbs_last_path(0).partition_index, 1);
}

TEST_F(VerbsInfiniBand, WhatIsConfiguredMustFitTheInterface) {
  fake_verbs_set_devices(2, 1);
  show_port(0, 0, 1);
  show_port(1, 1, 1);
  VerbsConfig named;
  named.gid_index = 0;
  use_interfaces(named);
  start_on_verbs();
}

TEST_F(VerbsInfiniBand, APortThatGetsAnotherLidFallsBackAndRises) {
  fake_verbs_set_devices(2, 1);
  show_port(0, 0, 1);
  show_port(1, 1, 1);
  use_interfaces();
  expect_fall_and_rise([] { fake_verbs_move_lid(0); }, "LID has changed");
}

TEST_F(VerbsInfiniBand, AnotherSubnetCannotBeReached) {
  fake_verbs_set_devices(2, 1);
  fake_verbs_split_subnet();
  show_port(0, 0, 1);
  show_port(1, 1, 1);
  use_interfaces();
  start();
  ASSERT_TRUE(until([&] { return why(*a).find("another InfiniBand subnet") != std::string::npos; }))
      << why(*a);
  send_some();
  expect_all();
  EXPECT_TRUE(both_on(LinkKind::kTcp));
}

TEST_F(VerbsInfiniBand, InterfacesOfOtherKindsAreNone) {
  fake_verbs_set_devices(2, 1);
  EXPECT_FALSE(ipoib_port("127.0.0.1", interfaces(0))) << "no such interface in sysfs";
  show_port(0, 0, 1);
  const std::optional<IpoibPort> found = ipoib_port("127.0.0.1", interfaces(0));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->partition, kDefaultPartition);
  EXPECT_TRUE(std::equal(found->gid.begin(), found->gid.end(), fake_verbs_gid(0, 1).raw));
  EXPECT_FALSE(ipoib_port("192.0.2.1", interfaces(0))) << "nobody has that address";
  EXPECT_FALSE(ipoib_port("nonsense", interfaces(0)));
  for (const std::string& address : {std::string("80:00:00:48"), std::string(59, 'x'), std::string()}) {
    write(0, "address", address);
    EXPECT_FALSE(ipoib_port("127.0.0.1", interfaces(0))) << address;
  }
  show_port(0, 0, 1);
  write(0, "type", "1");
  EXPECT_FALSE(ipoib_port("127.0.0.1", interfaces(0))) << "Ethernet";
}

TEST_F(VerbsInfiniBand, TwoLimitedMembersOfAPartitionDoNotReachEachOther) {
  EXPECT_TRUE(same_partition(0xffff, 0x7fff));
  EXPECT_TRUE(same_partition(0x8001, 0x8001));
  EXPECT_FALSE(same_partition(0x0001, 0x0001));
  EXPECT_FALSE(same_partition(0x8001, 0xffff));
}

}  // namespace
}  // namespace ctdb::test
