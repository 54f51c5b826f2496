// SPDX-License-Identifier: GPL-3.0-or-later
// The router's core: decides for every packet where it goes. It is given packets with their source and the time, and
// emits through RouterOutput; it opens no descriptor and reads no clock. The shell and the simulator are its two
// users. ARCHITECTURE.md §2 and §3 state the rules; messages.def says which process serves what.
//
// Invariants:
//  1. Every request of a client is answered exactly once, or the client is gone.
//  2. A packet from a link is believed only if its source is the link's peer (or a redirected REQ_CALL).
//  3. Nothing is dropped without a counter.
//
// One thread. No method may be called from inside a RouterOutput callback.
#ifndef CTDB_ROUTER_CORE_ROUTER_H_
#define CTDB_ROUTER_CORE_ROUTER_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "ctdb-router/core/echoes.h"
#include "ctdb-router/core/life_questions.h"
#include "ctdb-router/core/requests.h"
#include "ctdb-router/core/sent_messages.h"
#include "ctdb-router/core/services.h"
#include "ctdb-router/core/traverses.h"
#include "ctdb-router/core/tunables.h"
#include "libctdbipc/base/bytes.h"
#include "libctdbipc/base/time.h"
#include "libctdbipc/wire/lane.h"
#include "libctdbipc/wire/own_messages.h"
#include "libctdbipc/wire/packet.h"
#include "libctdbipc/wire/verbs_messages.h"

namespace ctdb {

// Own operations below 0x1040 are control, records are data (ARCHITECTURE §2).
Lane lane_of(uint32_t operation);

// What the router counts; the shell publishes it, STATISTICS reports it.
struct RouterCounts {
  uint64_t client_packets_in = 0, client_packets_out = 0;
  uint64_t client_req_call = 0, client_req_message = 0, client_req_control = 0, client_req_tunnel = 0;
  uint64_t node_packets_in = 0, node_packets_out = 0;
  uint64_t node_operations[11] = {};  // by operation number 0..10
  uint64_t control_timeouts = 0;
  uint64_t bad_packets = 0;
  uint64_t undeliverable = 0;
};

// Calls and controls of classic clients that the store served itself, and answers to the calls, since they were told last.
struct CallCounts {
  int64_t calls = 0, replies = 0;
  uint64_t controls = 0;
};

// Figures of other processes that STATISTICS wants; the shell reads them from counters segments.
struct OutsideFigures {
  uint64_t calls = 0, calls_pending = 0, locks_busy = 0, lock_waiters = 0, hops_max = 0, recoveries = 0;
  uint64_t keepalives_in = 0, keepalives_out = 0, memory_bytes = 0;
  CallCounts calls_elsewhere;
};

struct RouterNode {
  Bytes address;  // sock_addr image, 28 bytes (wire-protocol §7.3); zeros for deleted nodes
  bool deleted = false;
  bool linked = false;
  uint64_t session = 0;
  std::string text;  // the address as the nodes file has it
  bool witness = false;
  TimeNs awaited_until = 0;  // its clients may live: until then nobody is told that they do not
};

// A control of a client that the last router had not answered.
struct UnansweredControl {
  uint32_t reqid = 0;
  int32_t lost_status = -1;  // lost_status_of() its opcode
};
// What a control is answered with when nobody knows what has become of it.
int32_t lost_status_of(uint32_t opcode);

class RouterOutput {
 public:
  virtual ~RouterOutput() = default;
  // `packet` is a loan for the call. A client that is gone is not an error.
  virtual void to_client(uint32_t client, ByteView packet) = 0;
  // A packet that only native clients understand; false: it is not one (or is gone).
  virtual bool to_native_client(uint32_t client, ByteView packet) = 0;
  // false: the daemon is not connected.
  virtual bool to_store(uint32_t endpoint, ByteView packet) = 0;
  virtual bool to_recoveryd(Lane lane, uint32_t endpoint, ByteView packet) = 0;
  // false: there is no link to that node. Packets are multiples of 8 bytes.
  virtual bool to_link(uint32_t pnn, Lane lane, ByteView packet) = 0;
  // Ends a client's connection; its on_client_gone comes later.
  virtual void close_client(uint32_t client) { (void)client; }
  // Ends the connections of all clients that use records without looking at the node page.
  virtual void close_classic_clients() {}
  virtual void set_quiet(bool quiet) = 0;
  virtual void shutdown() = 0;
  virtual int log_level() = 0;
  virtual void set_log_level(int level) = 0;
  virtual OutsideFigures figures() = 0;
  // Of all nodes there are to be links to.
  virtual std::vector<LinkReport> links() { return {}; }
  // Of this node's daemons that run, what is to be the same on all nodes: lines "name = value".
  virtual std::string settings() { return ""; }
  // The nodes file as it is now. Returns what is wrong with it, "" if nothing.
  virtual std::string nodes_file(std::vector<RouterNode>& nodes) = 0;
  // Begins to change it on disk (EditNodes::write), or says whether that could be done. Returns why not, "" if it could. Of what was
  // begun Router::on_nodes_file_edited() tells the end, not from within this call; until then nothing else is begun.
  virtual std::string edit_nodes_file(const EditNodes& edit) = 0;
  // From now on there are to be links to the nodes with these addresses.
  virtual void set_peers(const NodeList& peers) = 0;
  // Nanoseconds since 1970, for the statistics' time stamps.
  virtual int64_t wall_clock_ns() = 0;
  virtual void log(const std::string& text) = 0;
};

struct RouterOptions {
  uint32_t pnn = 0;
  uint32_t pid = 0;  // GET_PID
  std::vector<RouterNode> nodes;
  uint32_t vacuum_interval = 10;  // VacuumInterval, until somebody sets it
};

class Router {
 public:
  Router(RouterOptions options, RouterOutput& output);

  // ---- events ----
  void on_client(uint32_t client, int32_t pid);
  void on_client_gone(uint32_t client, TimeNs now);
  void on_client_packet(uint32_t client, MutableBytes packet, TimeNs now);
  // What another router must know to go on with this client, beside its unanswered requests (Services::registrations()). Changes only
  // while a control of it is served.
  Bytes registrations(uint32_t client, size_t bytes_max) const {
    return services_.registrations(client, bytes_max);
  }
  // With which no other router can go on.
  bool has_traverse(uint32_t client) const { return traverses_.runs_for(client); }
  // The last router's clients may come until then; and they are all here.
  void await_clients(TimeNs until) { nodes_[pnn_].awaited_until = until; }
  void on_clients_back(TimeNs now) { ask_again(pnn_, now); }
  // After on_client(): a client of the last router. What has become of controls that it did not answer nobody knows; they are refused.
  void restore_client(uint32_t client, ByteView registrations, std::span<const UnansweredControl> unanswered,
                      TimeNs now);
  // `from` is Server::store or Server::recoveryd.
  void on_daemon(Server from, bool up, uint64_t instance, TimeNs now);
  void on_daemon_packet(Server from, uint32_t endpoint, MutableBytes packet, TimeNs now);
  void on_link(uint32_t pnn, bool up, uint64_t session, TimeNs now);
  // Record packets in flight to or from that node may be lost, or the next ones take another way: recoveryd is told of
  // a new session and has a recovery made. Nothing else of the link has changed.
  void on_link_renewed(uint32_t pnn, uint64_t session);
  // A packet that waited for the link to that node when it ended: the other side has not got it. After on_link().
  void on_packet_lost(uint32_t pnn, ByteView packet, TimeNs now);
  // The link to that node is down, and its router and keeper are proved to be dead.
  void on_gone(uint32_t pnn);
  // false: the packet breaks a rule of links; the shell cuts the link.
  bool on_link_packet(uint32_t pnn, MutableBytes packet, TimeNs now);
  // They count as if they had come by here.
  void on_calls_elsewhere(const CallCounts& counts);
  // Reads the nodes file again. What is wrong with it, in words; then nothing has changed.
  std::string reload_nodes();
  // The nodes file is changed, for good; or why it is not.
  void on_nodes_file_edited(const std::string& wrong);
  void tick(TimeNs now);
  TimeNs next_deadline() const;

  // ---- what the shell asks ----
  const RouterCounts& counts() const { return counts_; }
  const ClusterState& state() const { return state_; }
  // Generation this node was last open in; given to a store that connects again.
  uint32_t open_generation() const { return open_generation_; }
  size_t client_count() const { return services_.client_count(); }
  size_t requests_in_flight() const { return requests_.size(); }
  // Of local clients.
  bool traverses_run() const { return !traverses_.empty(); }

 private:
  friend class LocalControls;

  // Dispatch by operation.
  void client_call(uint32_t client, MutableBytes packet, const Header& header);
  void client_control(uint32_t client, MutableBytes packet, const Header& header, TimeNs now);
  void client_tunnel(uint32_t client, MutableBytes packet, const Header& header);
  void client_message(uint32_t client, MutableBytes packet, const Header& header, TimeNs now);
  // A fault only for a message to a single node.
  MessageFault route_message(MutableBytes packet, const Header& header);
  void route_own(MutableBytes packet, const Header& header);
  void daemon_control(MutableBytes packet, const Header& header, TimeNs now);
  void daemon_reply(Server from, uint32_t endpoint, MutableBytes packet, const Header& header);
  bool link_source_ok(uint32_t pnn, ByteView packet, const Header& header) const;
  bool link_own(MutableBytes packet, const Header& header);

  // Controls.
  void serve_control(const Origin& origin, MutableBytes packet, const ReqControl& control, TimeNs now);
  void forward_control(const Origin& origin, Server server, MutableBytes packet, const ReqControl& control,
                       TimeNs now);
  void relay_control(const Origin& origin, uint32_t pnn, MutableBytes packet, TimeNs now);
  // true: it waits until more is known of that node.
  bool waits_for_life(const Origin& origin, uint32_t pnn, ByteView packet, TimeNs now);
  void ask_again(uint32_t pnn, TimeNs now);
  void broadcast_control(const Origin& origin, MutableBytes packet, const ReqControl& control,
                         uint32_t address, TimeNs now);
  void reply(const Origin& origin, int32_t status, ByteView data = {}, std::string_view error = {});
  void finish(uint32_t reqid, Request& request, MutableBytes packet);
  void fail_requests(Asked asked, uint32_t node, std::string_view error);
  void note_ban(const ReqControl& control, TimeNs now);
  TimeNs control_deadline(TimeNs now) const;

  // Messages.
  MessageFault message_to_node(uint32_t pnn, MutableBytes packet);
  // false: nobody on this node wants it.
  bool deliver_message(MutableBytes packet, uint64_t srvid);
  void report_failure(const MessageSender& sender, const MessageFailed& failure, TimeNs now);
  void deliver_tunnel(MutableBytes packet, uint64_t id);
  void fail_traverses();
  void send_leader_messages(bool only_new_leader_known);
  void send_leader_message(uint32_t client);

  // Nodes.
  // One that was removed counts while its link lasts: it may still have a vote.
  bool known_node(uint32_t pnn) const {
    return pnn < nodes_.size() && (!nodes_[pnn].deleted || nodes_[pnn].linked);
  }
  uint32_t flags_of(uint32_t pnn) const;
  // The nodes of a broadcast address; good until the next call.
  const std::vector<uint32_t>& broadcast_targets(uint32_t address);
  MutableBytes whole(MutableBytes packet);
  bool send_to_link(uint32_t pnn, Lane lane, MutableBytes packet);
  void take_cluster_state(MutableBytes packet);
  // router_nodes.cc
  NodeList node_list() const;
  RouterNode deleted_node() const;
  bool takes_part(uint32_t pnn) const;
  std::string why_not_reload(const std::vector<RouterNode>& fresh) const;
  void warn_of_many_new(const std::vector<RouterNode>& fresh);
  std::string why_not_edit(const EditNodes& edit) const;
  void edit_nodes(const Origin& origin, const EditNodes& edit);
  void forget_editor(uint32_t client, uint32_t node);
  void set_peers();
  void tell_recoveryd_nodes();
  void tell_recoveryd_what_it_said();
  void tell_recoveryd_ban(TimeNs now);
  void tell_recoveryd_links();
  void tell_link_state(uint32_t pnn, bool gone = false);
  void tell_daemon_state();
  void tell_store_tunables();
  void resend_calls();
  void bad_packet() { ++counts_.bad_packets; }

  const uint32_t pnn_;
  const uint32_t pid_;
  RouterOutput& out_;
  std::vector<RouterNode> nodes_;
  NodeList peers_;  // as the transport knows them
  Services services_;
  Requests requests_;
  Traverses traverses_;
  LifeQuestions life_questions_;
  SentMessages sent_messages_;
  TimeNs next_failure_line_ = 0;
  uint64_t failures_unlogged_ = 0;
  Tunables tunables_;
  ClusterState state_;
  bool have_state_ = false;
  std::optional<Origin> editor_;  // while the nodes file is being changed: who waits for that
  TimeNs ban_ends_ = 0;           // of the ban that this node was given last
  uint32_t open_generation_ = CTDB_INVALID_GENERATION;
  bool store_up_ = false;
  bool recoveryd_up_ = false;
  uint64_t store_instance_ = 0;
  Echoes echoes_;
  TimeNs next_leader_message_ = kNever;
  TimeNs next_timeout_scan_ = kNever;
  RouterCounts counts_;
  int64_t statistics_start_ns_;
  std::vector<uint32_t> targets_;
  Bytes padded_;  // a packet made a multiple of 8
  Bytes built_;   // answers
};

}  // namespace ctdb

#endif  // CTDB_ROUTER_CORE_ROUTER_H_
