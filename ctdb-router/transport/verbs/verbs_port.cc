// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-router/transport/verbs/verbs_port.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <vector>

#include "ctdb-router/transport/tcp/address.h"
#include "libctdbipc/base/unique_fd.h"
#include "libctdbipc/runtime/log.h"

namespace ctdb {
namespace {

using VerbsDeviceList = std::unique_ptr<ibv_device*, VerbsDeleter<ibv_free_device_list>>;

// Before any device is opened: what is allocated before is not protected.
void make_fork_safe() {
  static const bool done = ibv_fork_init() == 0;
  if (!done) log_warning("verbs: the library cannot protect its memory from children of this process");
}

// nullptr and errno: it cannot be opened. The library waits seconds for a device file that is missing or may not be opened, and
// nobody has those, so it is asked only when a plain open has worked.
VerbsContext open_device(ibv_device* device) {
  if (device->dev_name[0] != '\0') {
    const UniqueFd file(
        open(("/dev/infiniband/" + std::string(device->dev_name)).c_str(), O_RDWR | O_CLOEXEC));
    if (!file.valid()) return nullptr;
  }
  errno = 0;
  return VerbsContext(ibv_open_device(device));
}

// As RoCE has it: an IPv4 address is mapped into IPv6.
std::optional<Gid> gid_of(const std::string& address) {
  Gid gid{};
  if (inet_pton(AF_INET6, address.c_str(), gid.data()) == 1) return gid;
  gid[10] = gid[11] = 0xff;
  if (inet_pton(AF_INET, address.c_str(), gid.data() + 12) == 1) return gid;
  return std::nullopt;
}

Gid gid_in(const ibv_gid& raw) {
  Gid gid;
  std::copy_n(raw.raw, gid.size(), gid.begin());
  return gid;
}

std::string name_of(const ibv_context* context, unsigned port) {
  return "port " + std::to_string(port) + " of RDMA device " + ibv_get_device_name(context->device);
}

bool is_ethernet(const ibv_port_attr& attributes) {
  return attributes.link_layer == IBV_LINK_LAYER_ETHERNET;
}

// The index of that address on the port, as RoCE v2 (or InfiniBand) speaks it.
std::optional<uint8_t> find_gid(ibv_context* context, uint8_t port, const ibv_port_attr& attributes,
                                const Gid& wanted) {
  const int size = std::min(attributes.gid_tbl_len, 255);
  for (int index = 0; index < size; ++index) {
    ibv_gid_entry entry{};
    if (ibv_query_gid_ex(context, port, static_cast<uint32_t>(index), &entry, 0) != 0) continue;
    if (entry.gid_type != IBV_GID_TYPE_ROCE_V1 && gid_in(entry.gid) == wanted)
      return static_cast<uint8_t>(index);
  }
  return std::nullopt;
}

Gid gid_at(ibv_context* context, uint8_t port, uint8_t index) {
  ibv_gid gid{};
  return ibv_query_gid(context, port, index, &gid) == 0 ? gid_in(gid) : Gid{};
}

// 0: there is none.
uint16_t partition_at(ibv_context* context, uint8_t port, uint16_t index) {
  __be16 partition = 0;
  return ibv_query_pkey(context, port, index, &partition) == 0 ? ntohs(partition) : uint16_t{0};
}

// As a full member if the port is one.
std::optional<uint16_t> find_partition(ibv_context* context, uint8_t port, const ibv_port_attr& attributes,
                                       uint16_t wanted) {
  std::optional<uint16_t> limited;
  for (uint16_t index = 0; index < attributes.pkey_tbl_len; ++index) {
    const uint16_t found = partition_at(context, port, index);
    if (!same_partition(found, wanted | kFullMember)) continue;
    if ((found & kFullMember) != 0) return index;
    if (!limited) limited = index;
  }
  return limited;
}

// How well a port fits when the configuration leaves it open; one that has an address fits better than these, the earlier the better.
enum : size_t { kNoFit, kInfiniBandUp, kIndexIsNamed, kHasAddress };

struct Candidate {
  size_t fit = kNoFit;
  VerbsAddress address;
  unsigned alike = 0;  // ports that fit as well, with this one
};

// What an address of this machine may be on a port: its own (RoCE), or that of its IP interface (InfiniBand).
struct Place {
  std::optional<Gid> roce;
  std::optional<IpoibPort> infiniband;
};

std::vector<Place> places_of(const std::vector<std::string>& addresses, const std::string& interfaces) {
  std::vector<Place> places;
  places.reserve(addresses.size());
  for (const std::string& address : addresses)
    places.push_back({gid_of(address), ipoib_port(address, interfaces)});
  return places;
}

// Fills in where that place is on the port, if it is; `named`: at no other index than the one there.
bool settle(ibv_context* context, const ibv_port_attr& attributes, const Place& place, bool named,
            VerbsAddress& address) {
  const bool ethernet = is_ethernet(attributes);
  if (ethernet ? !place.roce : !place.infiniband) return false;
  const Gid& gid = ethernet ? *place.roce : place.infiniband->gid;
  const std::optional<uint8_t> index = !named ? find_gid(context, address.port, attributes, gid)
                                       : gid_at(context, address.port, address.gid_index) == gid
                                           ? std::optional(address.gid_index)
                                           : std::nullopt;
  if (!index) return false;
  if (!ethernet) {
    const std::optional<uint16_t> partition =
        find_partition(context, address.port, attributes, place.infiniband->partition);
    if (!partition) return false;
    address.partition_index = *partition;
  }
  address.gid_index = *index;
  return true;
}

Candidate candidate(ibv_context* context, const VerbsConfig& config, uint8_t port,
                    const std::vector<Place>& places) {
  Candidate found;
  found.address.port = port;
  found.alike = 1;
  ibv_port_attr attributes{};
  if (ibv_query_port(context, port, &attributes) != 0) return found;
  const bool named = config.gid_index >= 0;
  if (named) {
    found.address.gid_index = static_cast<uint8_t>(config.gid_index);
    found.fit = kIndexIsNamed;
  } else if (!is_ethernet(attributes) && attributes.state == IBV_PORT_ACTIVE) {
    found.fit = kInfiniBandUp;
  }
  for (size_t i = 0; i < places.size(); ++i) {
    if (!settle(context, attributes, places[i], named, found.address)) continue;
    found.fit = kHasAddress + places.size() - i;
    break;
  }
  found.address.gid = gid_at(context, port, found.address.gid_index);
  found.address.partition = partition_at(context, port, found.address.partition_index);
  return found;
}

Candidate best_of(ibv_context* context, const VerbsConfig& config, const std::vector<Place>& places) {
  Candidate best;
  ibv_device_attr device{};
  if (ibv_query_device(context, &device) != 0) return best;
  for (uint8_t port = 1; port <= device.phys_port_cnt; ++port) {
    if (config.port != 0 && port != config.port) continue;
    const Candidate found = candidate(context, config, port, places);
    if (found.fit == best.fit) ++best.alike;
    if (found.fit > best.fit) best = found;
  }
  return best;
}

}  // namespace

std::string source_towards(const std::string& own, const std::string& peer) {
  const SocketAddress target = make_address(peer, 9);  // nothing is sent
  if (target.size == 0) return own;
  const UniqueFd socket(::socket(target.get()->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  // Only an address of this machine can be bound.
  const SocketAddress here = make_address(peer, 0);
  if (!socket.valid() || bind(socket.get(), here.get(), here.size) == 0) return own;
  if (connect(socket.get(), target.get(), target.size) != 0) return own;
  sockaddr_storage source{};
  socklen_t size = sizeof source;
  if (getsockname(socket.get(), reinterpret_cast<sockaddr*>(&source), &size) != 0) return own;
  return address_text(source);
}

Result<VerbsContext> choose_device(const VerbsConfig& config, const std::vector<std::string>& local_addresses,
                                   const std::string& interfaces) {
  make_fork_safe();
  int count = 0;
  const VerbsDeviceList list(ibv_get_device_list(&count));
  if (list == nullptr || count == 0)
    return fail(ErrorCode::kNotFound, "this machine has no RDMA device that can be used (rdma link)");
  const std::vector<Place> places = places_of(local_addresses, interfaces);
  VerbsContext chosen;
  size_t fit = kNoFit;
  unsigned alike = 0;
  std::string unopened;
  for (int i = 0; i < count; ++i) {
    ibv_device* device = list.get()[i];
    if (!config.device.empty() && config.device != ibv_get_device_name(device)) continue;
    VerbsContext context = open_device(device);
    if (context == nullptr) {
      unopened = std::string("RDMA device ") + ibv_get_device_name(device) + " cannot be opened (" +
                 std::strerror(errno) +
                 "): the router needs /dev/infiniband/uverbs*; restart it if the module was loaded later";
      continue;
    }
    const Candidate found = best_of(context.get(), config, places);
    if (found.fit == fit) alike += found.alike;
    if (found.fit <= fit) continue;
    fit = found.fit;
    alike = found.alike;
    chosen = std::move(context);
  }
  if (fit == kInfiniBandUp && alike > 1)
    return fail(
        ErrorCode::kNotFound,
        std::to_string(alike) + " InfiniBand ports are up: name device and port in [verbs] of ctdb.conf");
  if (fit != kNoFit) return chosen;
  if (!unopened.empty()) return fail(ErrorCode::kRefused, unopened);
  std::string addresses;
  for (const std::string& address : local_addresses) {
    if (addresses.find(address) == std::string::npos) addresses += (addresses.empty() ? "" : ", ") + address;
  }
  if (!config.device.empty())
    return fail(ErrorCode::kNotFound, "there is no RDMA device " + config.device +
                                          " with that port and an address that leads to the others (" +
                                          addresses + "): see [verbs] in ctdb.conf");
  return fail(ErrorCode::kNotFound, "no RDMA port has an address that leads to the others (" + addresses +
                                        "): name device and gid index in [verbs] of ctdb.conf");
}

std::optional<VerbsAddress> find_address(ibv_context* context, const VerbsConfig& config,
                                         const std::vector<std::string>& local_addresses,
                                         const std::string& interfaces) {
  const Candidate best = best_of(context, config, places_of(local_addresses, interfaces));
  if (best.fit == kNoFit) return std::nullopt;
  return best.address;
}

bool address_moved(ibv_context* context, const VerbsAddress& address) {
  return gid_at(context, address.port, address.gid_index) != address.gid ||
         partition_at(context, address.port, address.partition_index) != address.partition;
}

Result<VerbsPortState> look_at(ibv_context* context, const VerbsAddress& address) {
  ibv_port_attr attributes{};
  if (ibv_query_port(context, address.port, &attributes) != 0 || attributes.state != IBV_PORT_ACTIVE)
    return fail(ErrorCode::kDisconnected, name_of(context, address.port) + " is down");
  VerbsPortState state;
  state.ethernet = is_ethernet(attributes);
  state.lid = attributes.lid;
  state.mtu = attributes.active_mtu;
  state.gid = gid_at(context, address.port, address.gid_index);
  if (state.gid == Gid{})
    return fail(ErrorCode::kNotFound, name_of(context, address.port) + " has no address at gid index " +
                                          std::to_string(address.gid_index));
  if (!state.ethernet && state.lid == 0)
    return fail(ErrorCode::kNotFound,
                name_of(context, address.port) + " has no LID: is a subnet manager running?");
  return state;
}

}  // namespace ctdb
