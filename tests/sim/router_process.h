// SPDX-License-Identifier: GPL-3.0-or-later
// ctdb-router in the simulator: the real core, and around it what its shell does with sockets and rings.
#ifndef CTDB_TESTS_SIM_ROUTER_PROCESS_H_
#define CTDB_TESTS_SIM_ROUTER_PROCESS_H_

#include <map>
#include <memory>
#include <vector>

#include "ctdb-router/core/router.h"
#include "tests/sim/process.h"

namespace ctdb::sim {

class Client;
class Node;

// A daemon's connection to the router: channels that end with either of them.
struct DaemonLink {
  DaemonLink(uint64_t number, EventQueue& queue, Random& random)
      : id(number),
        to_router{Ring(queue, random), Ring(queue, random)},
        to_daemon{Ring(queue, random), Ring(queue, random)} {}
  const uint64_t id;
  Ring to_router[2];  // by lane; the store has one
  Ring to_daemon[2];
};

class RouterProcess : public Process, public RouterOutput {
 public:
  explicit RouterProcess(Node& node);

  void start();
  void kill(bool power_lost);
  const Router* core() const { return core_.get(); }

  // ---- daemons, at the set-up socket. 0: refused, try again ----
  // Returns the link's id; `connected` runs in the daemon before anything that comes over the link.
  uint64_t connect(Server role, Process& daemon, Action connected);
  // The daemon is dead; the router sees it a little later.
  void daemon_died(Server role);
  uint32_t open_generation() const { return core_->open_generation(); }
  void from_daemon(Server role, uint64_t link, size_t lane, uint32_t endpoint, ByteView packet);
  bool linked(Server role, uint64_t link) const;

  // ---- clients. 0: refused, try again ----
  uint32_t connect(Client& client);
  void client_died(const Client& client, uint32_t endpoint);
  // Numbers start again with every router: one that a client remembers may be somebody else's by now.
  bool is_connected(const Client& client, uint32_t endpoint) const;
  void from_client(const Client& client, uint32_t endpoint, ByteView packet);

  // An operator on this node sends a control without waiting for the answer.
  void operator_control(Control control, ByteView data);
  // Whether there are descriptors for daemons and clients that connect.
  void set_accepting(bool accepting) { accepting_ = accepting; }

  // ---- network ----
  void link_changed(uint32_t peer, bool up, uint64_t session);
  void link_renewed(uint32_t peer, uint64_t session);
  void link_packet(uint32_t peer, Bytes packet);
  void node_gone(uint32_t peer);

 private:
  TimeNs next_deadline() const override { return core_->next_deadline(); }
  void on_deadline() override { core_->tick(queue_.now()); }

  bool to_native_client(uint32_t, ByteView) override { return false; }  // its clients send no messages
  void to_client(uint32_t client, ByteView packet) override;
  bool to_store(uint32_t endpoint, ByteView packet) override;
  bool to_recoveryd(Lane lane, uint32_t endpoint, ByteView packet) override;
  bool to_link(uint32_t pnn, Lane lane, ByteView packet) override;
  void close_classic_clients() override;
  void set_quiet(bool quiet) override;
  void shutdown() override {}
  int log_level() override { return 0; }
  void set_log_level(int) override {}
  OutsideFigures figures() override { return {}; }
  std::string nodes_file(std::vector<RouterNode>& nodes) override;
  std::string edit_nodes_file(const EditNodes&) override { return "the simulator changes files itself"; }
  void set_peers(const NodeList& peers) override;
  int64_t wall_clock_ns() override { return queue_.now(); }
  void log(const std::string& text) override;

  struct Attached {
    Client* client;
    Ring to_client, to_router;
  };
  std::unique_ptr<DaemonLink>& link_of(Server role) {
    return role == Server::store ? store_link_ : recoveryd_link_;
  }
  void end_link(Server role);

  Node& node_;
  std::unique_ptr<Router> core_;
  bool accepting_ = true;
  std::unique_ptr<DaemonLink> store_link_, recoveryd_link_;
  uint64_t links_ = 0;  // over all lives: a number names one connection
  uint64_t instances_ = 0;
  uint32_t endpoints_ = 0;
  std::map<uint32_t, Attached> clients_;
  NodeList peers_;  // those of the nodes file it goes by, and who still votes
};

}  // namespace ctdb::sim

#endif  // CTDB_TESTS_SIM_ROUTER_PROCESS_H_
