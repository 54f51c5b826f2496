// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-router/core/services.h"

#include <algorithm>
#include <iterator>

#include "libctdbipc/base/limits.h"
#include "libctdbipc/wire/reader.h"

namespace ctdb {
namespace {

// Quotas of one client.
constexpr size_t kNotifiesMax = 1024;
constexpr size_t kNotifyBytesMax = 64u << 10;
constexpr size_t kTunnelsMax = 1024;

template <typename T>
bool erase_one(std::vector<T>& values, const T& value) {
  const auto at = std::find(values.begin(), values.end(), value);
  if (at == values.end()) return false;
  values.erase(at);
  return true;
}

}  // namespace

void Services::add_client(uint32_t client, int32_t pid) {
  clients_[client].pid = pid;
  of_pids_.emplace(pid, client);
}

std::vector<Services::Notify> Services::remove_client(uint32_t client) {
  const auto found = clients_.find(client);
  if (found == clients_.end()) return {};
  // Each service once: one that was registered 65536 times would be searched as often.
  std::vector<uint64_t>& srvids = found->second.srvids;
  std::ranges::sort(srvids);
  srvids.erase(std::unique(srvids.begin(), srvids.end()), srvids.end());
  for (const uint64_t srvid : srvids) {
    const auto listening = listeners_.find(srvid);
    std::erase(listening->second, client);
    if (listening->second.empty()) listeners_.erase(listening);
  }
  for (uint64_t id : found->second.tunnels) tunnels_.erase(id);
  of_pids_.erase({found->second.pid, client});
  std::vector<Notify> notifies = std::move(found->second.notifies);
  clients_.erase(found);
  return notifies;
}

namespace {

enum class Registration : uint32_t { kSrvid = 0, kNotify = 1, kTunnel = 2 };

void put(Writer& out, Registration kind, uint64_t id, ByteView data = {}) {
  out.u32(static_cast<uint32_t>(kind));
  out.u64(id);
  out.counted_bytes(data);
}

}  // namespace

Bytes Services::registrations(uint32_t client, size_t bytes_max) const {
  Bytes out;
  const auto found = clients_.find(client);
  if (found == clients_.end()) return out;
  Writer w(out);
  const auto put_all = [&](const auto& all, const auto& put_one) {
    for (auto one = all.begin(); one != all.end() && out.size() <= bytes_max; ++one) put_one(*one);
  };
  put_all(found->second.srvids, [&](uint64_t srvid) { put(w, Registration::kSrvid, srvid); });
  put_all(found->second.notifies,
          [&](const Notify& notify) { put(w, Registration::kNotify, notify.srvid, notify.data); });
  put_all(found->second.tunnels, [&](uint64_t id) { put(w, Registration::kTunnel, id); });
  return out;
}

void Services::restore(uint32_t client, ByteView registrations) {
  Reader reader(registrations);
  while (reader.left() > 0) {
    const auto kind = static_cast<Registration>(reader.u32());
    const uint64_t id = reader.u64();
    const ByteView data = reader.counted_bytes();
    if (!reader.ok()) return;
    if (kind == Registration::kSrvid) add(client, id);
    if (kind == Registration::kNotify) add_notify(client, id, data);
    if (kind == Registration::kTunnel) add_tunnel(client, id);
  }
}

void Services::forget_listener(uint64_t srvid, uint32_t client) {
  const auto found = listeners_.find(srvid);
  if (found == listeners_.end()) return;
  erase_one(found->second, client);
  if (found->second.empty()) listeners_.erase(found);
}

bool Services::add(uint32_t client, uint64_t srvid) {
  const auto found = clients_.find(client);
  if (found == clients_.end() || found->second.srvids.size() >= kClientSrvidsMax) return false;
  found->second.srvids.push_back(srvid);
  listeners_[srvid].push_back(client);
  return true;
}

bool Services::remove(uint32_t client, uint64_t srvid) {
  const auto found = clients_.find(client);
  if (found == clients_.end() || !erase_one(found->second.srvids, srvid)) return false;
  forget_listener(srvid, client);
  return true;
}

const std::vector<uint32_t>& Services::listeners(uint64_t srvid) const {
  static const std::vector<uint32_t> kNobody;
  const auto found = listeners_.find(srvid);
  return found == listeners_.end() ? kNobody : found->second;
}

std::pair<Services::OfPids::const_iterator, Services::OfPids::const_iterator> Services::clients_of(
    int32_t pid) const {
  return {of_pids_.lower_bound({pid, 0}), of_pids_.upper_bound({pid, UINT32_MAX})};
}

uint32_t Services::newest_client(int32_t pid) const {
  const auto [first, end] = clients_of(pid);
  return first == end ? 0 : std::prev(end)->second;
}

// A service that all have is looked for with the process, and one that few have with the service.
bool Services::pid_listens(int32_t pid, uint64_t srvid) const {
  const std::vector<uint32_t>& all = listeners(srvid);
  const auto [first, end] = clients_of(pid);
  return std::any_of(first, end, [&](const auto& of_pid) {
    const std::vector<uint64_t>& own = clients_.at(of_pid.second).srvids;
    return own.size() < all.size() ? std::ranges::find(own, srvid) != own.end()
                                   : std::ranges::find(all, of_pid.second) != all.end();
  });
}

bool Services::add_notify(uint32_t client, uint64_t srvid, ByteView data) {
  const auto found = clients_.find(client);
  if (found == clients_.end() || found->second.notifies.size() >= kNotifiesMax ||
      data.size() > kNotifyBytesMax) {
    return false;
  }
  for (const Notify& notify : found->second.notifies) {
    if (notify.srvid == srvid) return false;
  }
  found->second.notifies.push_back({srvid, to_bytes(data)});
  return true;
}

bool Services::remove_notify(uint32_t client, uint64_t srvid) {
  const auto found = clients_.find(client);
  if (found == clients_.end()) return false;
  return std::erase_if(found->second.notifies, [&](const Notify& n) { return n.srvid == srvid; }) > 0;
}

bool Services::add_tunnel(uint32_t client, uint64_t id) {
  const auto found = clients_.find(client);
  if (found == clients_.end() || found->second.tunnels.size() >= kTunnelsMax) return false;
  if (!tunnels_.emplace(id, client).second) return false;
  found->second.tunnels.push_back(id);
  return true;
}

bool Services::remove_tunnel(uint32_t client, uint64_t id) {
  if (tunnel_owner(id) != client) return false;
  tunnels_.erase(id);
  erase_one(clients_[client].tunnels, id);
  return true;
}

uint32_t Services::tunnel_owner(uint64_t id) const {
  const auto found = tunnels_.find(id);
  return found == tunnels_.end() ? 0 : found->second;
}

}  // namespace ctdb
