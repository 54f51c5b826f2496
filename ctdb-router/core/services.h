// SPDX-License-Identifier: GPL-3.0-or-later
// Which local clients listen to which service ids, and which process each client is (wire-protocol §8.2.2, §10).
#ifndef CTDB_ROUTER_CORE_SERVICES_H_
#define CTDB_ROUTER_CORE_SERVICES_H_

#include <cstdint>
#include <map>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "libctdbipc/base/bytes.h"

namespace ctdb {

class Services {
 public:
  struct Notify {
    uint64_t srvid;
    Bytes data;
  };

  void add_client(uint32_t client, int32_t pid);
  // Returns the notifications to broadcast (REGISTER_NOTIFY).
  std::vector<Notify> remove_client(uint32_t client);
  // All it has registered, for restore(). Order within a kind is kept. More than `bytes_max` bytes: there is more than that, and the
  // rest is not put together.
  Bytes registrations(uint32_t client, size_t bytes_max) const;
  // What is malformed, or over a quota, is left out.
  void restore(uint32_t client, ByteView registrations);
  bool has_client(uint32_t client) const { return clients_.count(client) != 0; }
  size_t client_count() const { return clients_.size(); }

  // Several registrations of one id by one client are kept separately and deliver twice. false: over quota.
  bool add(uint32_t client, uint64_t srvid);
  bool remove(uint32_t client, uint64_t srvid);
  // Registrations of exactly this id; the catch-all is asked for with CTDB_SRVID_ALL.
  const std::vector<uint32_t>& listeners(uint64_t srvid) const;

  // The client of this process that connected last; 0: none.
  uint32_t newest_client(int32_t pid) const;
  bool pid_listens(int32_t pid, uint64_t srvid) const;

  // One per srvid and client. false: there is one, or over quota.
  bool add_notify(uint32_t client, uint64_t srvid, ByteView data);
  bool remove_notify(uint32_t client, uint64_t srvid);

  // At most one client per tunnel id. false: taken, or over quota.
  bool add_tunnel(uint32_t client, uint64_t id);
  bool remove_tunnel(uint32_t client, uint64_t id);
  // 0: nobody.
  uint32_t tunnel_owner(uint64_t id) const;

 private:
  struct Client {
    int32_t pid = 0;
    std::vector<uint64_t> srvids;
    std::vector<Notify> notifies;
    std::vector<uint64_t> tunnels;
  };
  void forget_listener(uint64_t srvid, uint32_t client);

  // Its clients are [first, second).
  using OfPids = std::set<std::pair<int32_t, uint32_t>>;
  std::pair<OfPids::const_iterator, OfPids::const_iterator> clients_of(int32_t pid) const;

  std::map<uint32_t, Client> clients_;
  OfPids of_pids_;  // process, client
  std::unordered_map<uint64_t, std::vector<uint32_t>> listeners_;
  std::unordered_map<uint64_t, uint32_t> tunnels_;
};

}  // namespace ctdb

#endif  // CTDB_ROUTER_CORE_SERVICES_H_
