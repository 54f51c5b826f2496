// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-router/transport/verbs/verbs_port.h"

#include <arpa/inet.h>
#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <vector>

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

// How well a port fits when the configuration leaves it open.
enum class Fit : uint8_t { kNone, kInfiniBandUp, kIndexIsNamed, kOwnAddress };

struct Candidate {
  Fit fit = Fit::kNone;
  uint8_t port = 0;
  uint8_t gid_index = 0;
  unsigned alike = 0;  // ports that fit as well, with this one
};

Candidate best_of(ibv_context* context, const VerbsConfig& config, const std::optional<Gid>& own) {
  Candidate best;
  ibv_device_attr device{};
  if (ibv_query_device(context, &device) != 0) return best;
  for (uint8_t port = 1; port <= device.phys_port_cnt; ++port) {
    if (config.port != 0 && port != config.port) continue;
    ibv_port_attr attributes{};
    if (ibv_query_port(context, port, &attributes) != 0) continue;
    Candidate found{Fit::kNone, port, 0, 1};
    if (config.gid_index >= 0) {
      found.gid_index = static_cast<uint8_t>(config.gid_index);
      found.fit =
          own && gid_at(context, port, found.gid_index) == *own ? Fit::kOwnAddress : Fit::kIndexIsNamed;
    } else if (const auto index = own ? find_gid(context, port, attributes, *own) : std::nullopt; index) {
      found.gid_index = *index;
      found.fit = Fit::kOwnAddress;
    } else if (attributes.link_layer != IBV_LINK_LAYER_ETHERNET && attributes.state == IBV_PORT_ACTIVE) {
      found.fit = Fit::kInfiniBandUp;
    }
    if (found.fit == best.fit) ++best.alike;
    if (found.fit > best.fit) best = found;
  }
  return best;
}

}  // namespace

Result<VerbsPort> choose_port(const VerbsConfig& config, const std::string& own_address) {
  make_fork_safe();
  int count = 0;
  const VerbsDeviceList list(ibv_get_device_list(&count));
  if (list == nullptr || count == 0)
    return fail(ErrorCode::kNotFound, "this machine has no RDMA device that can be used (rdma link)");
  const std::optional<Gid> own = gid_of(own_address);
  VerbsPort chosen;
  Fit fit = Fit::kNone;
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
    const Candidate found = best_of(context.get(), config, own);
    if (found.fit == fit) alike += found.alike;
    if (found.fit <= fit) continue;
    fit = found.fit;
    alike = found.alike;
    const Gid gid = gid_at(context.get(), found.port, found.gid_index);
    chosen = {std::move(context), found.port, found.gid_index, gid};
  }
  if (fit == Fit::kInfiniBandUp && alike > 1)
    return fail(
        ErrorCode::kNotFound,
        std::to_string(alike) + " InfiniBand ports are up: name device and port in [verbs] of ctdb.conf");
  if (fit != Fit::kNone) return chosen;
  if (!unopened.empty()) return fail(ErrorCode::kRefused, unopened);
  if (!config.device.empty())
    return fail(ErrorCode::kNotFound,
                "there is no RDMA device " + config.device +
                    " with that port and this node's address: see [verbs] in ctdb.conf");
  return fail(ErrorCode::kNotFound, "no RDMA port has this node's address " + own_address +
                                        ": name device and gid index in [verbs] of ctdb.conf");
}

bool address_moved(const VerbsPort& port) {
  return gid_at(port.context.get(), port.number, port.gid_index) != port.gid;
}

Result<VerbsPortState> look_at(const VerbsPort& port) {
  ibv_context* context = port.context.get();
  ibv_port_attr attributes{};
  if (ibv_query_port(context, port.number, &attributes) != 0 || attributes.state != IBV_PORT_ACTIVE)
    return fail(ErrorCode::kDisconnected, name_of(context, port.number) + " is down");
  VerbsPortState state;
  state.ethernet = attributes.link_layer == IBV_LINK_LAYER_ETHERNET;
  state.lid = attributes.lid;
  state.mtu = attributes.active_mtu;
  state.gid = gid_at(context, port.number, port.gid_index);
  if (state.gid == Gid{} && (state.ethernet || state.lid == 0))
    return fail(ErrorCode::kNotFound, name_of(context, port.number) + " has no address at gid index " +
                                          std::to_string(port.gid_index));
  return state;
}

}  // namespace ctdb
