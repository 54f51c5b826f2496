// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-router/transport/verbs/ipoib.h"

#include <ifaddrs.h>
#include <net/if_arp.h>
#include <sys/socket.h>

#include <array>
#include <charconv>
#include <cstring>
#include <fstream>
#include <memory>

#include "ctdb-router/transport/tcp/address.h"

namespace ctdb {
namespace {

// Of IPoIB (RFC 4391): flags and queue pair number in 4 bytes, then a GID: the port's, or that of all in the partition.
constexpr size_t kHardwareBytes = 20, kGidAt = 4;
constexpr size_t kPartitionInGid = 4;  // of the latter: ff1x:401b:PKEY:... for IPv4

using HardwareAddress = std::array<uint8_t, kHardwareBytes>;

struct FreeInterfaces {
  void operator()(ifaddrs* list) const { freeifaddrs(list); }
};

// Empty: none.
std::string interface_with(const std::string& address) {
  ifaddrs* raw = nullptr;
  if (getifaddrs(&raw) != 0) return "";
  const std::unique_ptr<ifaddrs, FreeInterfaces> list(raw);
  for (const ifaddrs* at = raw; at != nullptr; at = at->ifa_next) {
    const int family = at->ifa_addr == nullptr ? AF_UNSPEC : at->ifa_addr->sa_family;
    if (family != AF_INET && family != AF_INET6) continue;
    sockaddr_storage found{};
    std::memcpy(&found, at->ifa_addr, family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6));
    if (address_text(found) == address) return at->ifa_name;
  }
  return "";
}

std::string line_of(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// "80:00:00:48:fe:80:...", nothing shorter or longer.
std::optional<HardwareAddress> parse_hardware_address(const std::string& text) {
  if (text.size() != 3 * kHardwareBytes - 1) return std::nullopt;
  HardwareAddress address{};
  const char* at = text.data();
  for (uint8_t& byte : address) {
    const auto [end, error] = std::from_chars(at, at + 2, byte, 16);
    if (error != std::errc() || end != at + 2) return std::nullopt;
    at += 3;
  }
  return address;
}

}  // namespace

std::optional<IpoibPort> ipoib_port(const std::string& address, const std::string& interfaces) {
  const std::string name = interface_with(address);
  if (name.empty()) return std::nullopt;
  const std::string folder = interfaces + "/" + name;
  if (line_of(folder + "/type") != std::to_string(ARPHRD_INFINIBAND)) return std::nullopt;
  const auto own = parse_hardware_address(line_of(folder + "/address"));
  const auto all = parse_hardware_address(line_of(folder + "/broadcast"));
  if (!own || !all) return std::nullopt;
  IpoibPort port;
  std::copy(own->begin() + kGidAt, own->end(), port.gid.begin());
  const uint8_t* partition = all->data() + kGidAt + kPartitionInGid;
  port.partition = static_cast<uint16_t>(partition[0] << 8 | partition[1]);
  return port;
}

}  // namespace ctdb
