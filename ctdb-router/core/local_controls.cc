// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-router/core/local_controls.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "libctdbipc/wire/reader.h"

namespace ctdb {

struct LocalControls::Row {
  Control control;
  // Exact size of the request data (wire-protocol §8: one byte more or less is answered -1); -1: any.
  int size;
  Handler handler;
};

const LocalControls::Row* LocalControls::find(uint32_t opcode) {
  using C = Control;
  using L = LocalControls;
  static const Row kRows[] = {
      {C::PROCESS_EXISTS, 4, &L::process_exists},
      {C::STATISTICS, 0, &L::statistics},
      {C::PING, 0, &L::ping},
      {C::GETVNNMAP, 0, &L::get_vnnmap},
      {C::GET_DEBUG, 0, &L::get_debug},
      {C::SET_DEBUG, 4, &L::set_debug},
      {C::GET_RECMODE, -1, &L::get_recmode},
      {C::STATISTICS_RESET, 0, &L::statistics_reset},
      {C::REGISTER_SRVID, -1, &L::register_srvid},
      {C::DEREGISTER_SRVID, 0, &L::deregister_srvid},
      {C::DUMP_MEMORY, 0, &L::dump_memory},
      {C::GET_PID, -1, &L::get_pid},
      {C::GET_PNN, -1, &L::get_pnn},
      {C::SHUTDOWN, 0, &L::shutdown},
      {C::TCP_CLIENT, 56, &L::accept},
      {C::TCP_ADD, 56, &L::accept},
      {C::TCP_REMOVE, 56, &L::accept},
      {C::STARTUP, 0, &L::accept},
      {C::SET_TUNABLE, -1, &L::set_tunable},
      {C::GET_TUNABLE, -1, &L::get_tunable},
      {C::LIST_TUNABLES, -1, &L::list_tunables},
      {C::GET_ALL_TUNABLES, 0, &L::get_all_tunables},
      {C::GET_TCP_TICKLE_LIST, 28, &L::no_such_address},
      {C::SET_TCP_TICKLE_LIST, -1, &L::no_such_address},
      {C::SEND_GRATUITOUS_ARP, -1, &L::not_public},
      {C::ADD_PUBLIC_IP, -1, &L::not_public},
      {C::DEL_PUBLIC_IP, -1, &L::not_public},
      {C::RELEASE_IP, 32, &L::accept},
      {C::TAKEOVER_IP, 32, &L::accept},
      {C::GET_PUBLIC_IPS, 0, &L::empty_list},
      {C::GET_NODEMAP, 0, &L::get_nodemap},
      {C::REGISTER_NOTIFY, -1, &L::register_notify},
      {C::DEREGISTER_NOTIFY, 8, &L::deregister_notify},
      {C::GET_PUBLIC_IP_INFO, 28, &L::not_public},
      {C::GET_IFACES, 0, &L::empty_list},
      {C::SET_IFACE_LINK_STATE, -1, &L::not_public},
      {C::TCP_ADD_DELAYED_UPDATE, 56, &L::accept},
      {C::GET_STAT_HISTORY, 0, &L::stat_history},
      {C::RELOAD_PUBLIC_IPS, 0, &L::accept},
      {C::IPREALLOCATED, 0, &L::accept},
      {C::GET_RUNSTATE, 0, &L::get_runstate},
      {C::GET_NODES_FILE, 0, &L::get_nodes_file},
      {C::CHECK_PID_SRVID, 12, &L::check_pid_srvid},
      {C::RELOAD_NODES_FILE, 0, &L::reload_nodes_file},
      {C::EDIT_NODES_FILE, -1, &L::edit_nodes_file},
      {C::TUNNEL_REGISTER, 0, &L::tunnel_register},
      {C::TUNNEL_DEREGISTER, 0, &L::tunnel_deregister},
      {C::ECHO_DATA, -1, &L::echo_data},
      {C::TCP_CLIENT_DISCONNECTED, 56, &L::accept},
      {C::TCP_CLIENT_PASSED, 56, &L::accept},
      {C::START_IPREALLOCATE, 0, &L::accept},
      {C::GET_LINKS, 0, &L::get_links},
      {C::GET_SETTINGS, 0, &L::get_settings},
      {C::NODE_QUIET, 0, &L::node_quiet},
      {C::NODE_ACTIVE, 0, &L::node_active},
  };
  for (const Row& row : kRows) {
    if (static_cast<uint32_t>(row.control) == opcode) return &row;
  }
  return nullptr;
}

void LocalControls::serve(const Origin& origin, const ReqControl& control, TimeNs now) {
  const Row* row = find(control.opcode);
  if (row == nullptr) return r_.reply(origin, -1, {}, "control is not served");
  if (row->size >= 0 && control.data.size() != static_cast<size_t>(row->size)) return status(origin, -1);
  (this->*row->handler)(origin, control, now);
}

void LocalControls::process_exists(const Origin& origin, const ReqControl& control, TimeNs) {
  const uint32_t client = r_.services_.newest_client(load<int32_t>(control.data.data()));
  // A process that works on a node without records must not go on for ever: whoever asks for it on behalf of a lock it
  // holds gets rid of it (wire-protocol §8.1).
  const bool inactive = (r_.flags_of(r_.pnn_) & CTDB_NODE_INACTIVE) != 0;
  if (client != 0 && inactive) r_.out_.close_client(client);
  status(origin, client != 0 && !inactive ? 0 : -1);
}

void LocalControls::check_pid_srvid(const Origin& origin, const ReqControl& control, TimeNs) {
  const int32_t pid = load<int32_t>(control.data.data());
  const uint64_t srvid = load<uint64_t>(control.data.data() + 4);
  status(origin, r_.services_.pid_listens(pid, srvid) ? 0 : -1);
}

void LocalControls::ping(const Origin& origin, const ReqControl&, TimeNs) {
  status(origin, static_cast<int32_t>(r_.services_.client_count()));
}

void LocalControls::get_pid(const Origin& origin, const ReqControl&, TimeNs) {
  status(origin, static_cast<int32_t>(r_.pid_));
}

void LocalControls::get_pnn(const Origin& origin, const ReqControl&, TimeNs) {
  status(origin, static_cast<int32_t>(r_.pnn_));
}

void LocalControls::get_recmode(const Origin& origin, const ReqControl&, TimeNs) {
  status(origin, static_cast<int32_t>(r_.state_.recovery_mode));
}

void LocalControls::get_runstate(const Origin& origin, const ReqControl&, TimeNs) {
  Bytes data;
  Writer(data).u32(r_.state_.runstate);
  ok(origin, data);
}

void LocalControls::get_vnnmap(const Origin& origin, const ReqControl&, TimeNs) {
  Bytes data;
  Writer w(data);
  w.u32(r_.state_.generation);
  w.u32(static_cast<uint32_t>(r_.state_.members.size()));
  for (uint32_t pnn : r_.state_.members) w.u32(pnn);
  ok(origin, data);
}

Bytes LocalControls::nodemap(const std::vector<RouterNode>& nodes,
                             const std::function<uint32_t(uint32_t)>& flags) {
  Bytes data;
  Writer w(data);
  w.u32(static_cast<uint32_t>(nodes.size()));
  for (uint32_t pnn = 0; pnn < nodes.size(); ++pnn) {
    w.u32(pnn);
    w.u32(flags(pnn));
    w.bytes(nodes[pnn].address);
  }
  return data;
}

void LocalControls::get_nodemap(const Origin& origin, const ReqControl&, TimeNs) {
  ok(origin, nodemap(r_.nodes_, [this](uint32_t pnn) { return r_.flags_of(pnn); }));
}
void LocalControls::get_nodes_file(const Origin& origin, const ReqControl&, TimeNs) {
  std::vector<RouterNode> nodes;
  const std::string wrong = r_.out_.nodes_file(nodes);
  if (!wrong.empty()) return r_.reply(origin, -1, {}, wrong);
  // Tools take a number that the node knows and the file does not for a mistake (cluster-semantics §12).
  while (nodes.size() < r_.nodes_.size()) nodes.push_back(r_.deleted_node());
  ok(origin, nodemap(nodes, [&](uint32_t pnn) {
       return nodes[pnn].deleted ? CTDB_NODE_DELETED : nodes[pnn].witness ? CTDB_NODE_WITNESS : 0;
     }));
}

void LocalControls::reload_nodes_file(const Origin& origin, const ReqControl&, TimeNs) {
  const std::string wrong = r_.reload_nodes();
  if (wrong.empty()) return ok(origin);
  r_.out_.log("the nodes file is not taken over: " + wrong);
  r_.reply(origin, -1, {}, wrong);
}

void LocalControls::edit_nodes_file(const Origin& origin, const ReqControl& control, TimeNs) {
  const std::optional<EditNodes> edit = EditNodes::decode(control.data);
  if (!edit) return status(origin, -1);
  r_.edit_nodes(origin, *edit);
}

void LocalControls::get_debug(const Origin& origin, const ReqControl&, TimeNs) {
  Bytes data;
  Writer(data).i32(r_.out_.log_level());
  ok(origin, data);
}

void LocalControls::set_debug(const Origin& origin, const ReqControl& control, TimeNs) {
  r_.out_.set_log_level(load<int32_t>(control.data.data()));
  ok(origin);
}

void LocalControls::dump_memory(const Origin& origin, const ReqControl&, TimeNs) {
  const std::string text = "clients " + std::to_string(r_.services_.client_count()) +
                           ", requests in flight " + std::to_string(r_.requests_.size()) + "\n";
  ok(origin, {reinterpret_cast<const uint8_t*>(text.c_str()), text.size() + 1});
}

void LocalControls::shutdown(const Origin& origin, const ReqControl&, TimeNs) {
  ok(origin);
  r_.out_.shutdown();
}

void LocalControls::get_links(const Origin& origin, const ReqControl&, TimeNs) {
  r_.reply(origin, 0, LinkReports{r_.out_.links()}.encode());
}

// The nodes and the tunables are those in use, whatever files say.
void LocalControls::get_settings(const Origin& origin, const ReqControl&, TimeNs) {
  std::string nodes;
  for (uint32_t pnn = 0; pnn < r_.nodes_.size(); ++pnn) {
    const RouterNode& node = r_.nodes_[pnn];
    if (node.deleted) continue;
    nodes += (nodes.empty() ? "" : ", ") + std::to_string(pnn) + " " + node.text +
             (node.witness ? " witness" : "");
  }
  const std::string text = r_.out_.settings() + "nodes = " + nodes + "\n" + r_.tunables_.settings();
  ok(origin, {reinterpret_cast<const uint8_t*>(text.c_str()), text.size() + 1});
}

void LocalControls::node_quiet(const Origin& origin, const ReqControl&, TimeNs) {
  ok(origin);
  r_.out_.set_quiet(true);
}

void LocalControls::node_active(const Origin& origin, const ReqControl&, TimeNs) {
  ok(origin);
  r_.out_.set_quiet(false);
}

// Unlike the classic daemon the delay is honoured.
void LocalControls::echo_data(const Origin& origin, const ReqControl& control, TimeNs now) {
  Reader reader(control.data);
  const uint32_t delay_ms = reader.u32();
  reader.counted_bytes();
  if (!reader.done()) return status(origin, -1);
  if (!origin.noreply && !r_.echoes_.add(origin, control.data, now + delay_ms * kMillisecond))
    r_.reply(origin, -1, {}, "too many of your echoes wait on this node");
}

void LocalControls::register_srvid(const Origin& origin, const ReqControl& control, TimeNs now) {
  if (!r_.services_.add(origin.client, control.srvid)) {
    return r_.reply(origin, -1, {}, "too many registrations on this connection");
  }
  ok(origin);
  if (control.srvid != CTDB_SRVID_LEADER) return;
  if (r_.state_.leader != CTDB_UNKNOWN_PNN) r_.send_leader_message(origin.client);
  if (r_.next_leader_message_ == kNever) r_.next_leader_message_ = now + kSecond;
}

void LocalControls::deregister_srvid(const Origin& origin, const ReqControl& control, TimeNs) {
  status(origin, r_.services_.remove(origin.client, control.srvid) ? 0 : 2);
}

void LocalControls::register_notify(const Origin& origin, const ReqControl& control, TimeNs) {
  Reader reader(control.data);
  const uint64_t srvid = reader.u64();
  const ByteView data = reader.counted_bytes();
  status(origin, reader.done() && r_.services_.add_notify(origin.client, srvid, data) ? 0 : -1);
}

void LocalControls::deregister_notify(const Origin& origin, const ReqControl& control, TimeNs) {
  status(origin, r_.services_.remove_notify(origin.client, load<uint64_t>(control.data.data())) ? 0 : -1);
}

void LocalControls::tunnel_register(const Origin& origin, const ReqControl& control, TimeNs) {
  status(origin, r_.services_.add_tunnel(origin.client, control.srvid) ? 0 : -1);
}

void LocalControls::tunnel_deregister(const Origin& origin, const ReqControl& control, TimeNs) {
  status(origin, r_.services_.remove_tunnel(origin.client, control.srvid) ? 0 : -1);
}

namespace {

// A counted name, its NUL optional (wire-protocol §7.6).
std::string_view take_name(Reader& reader) {
  std::string_view name = as_text(reader.counted_bytes());
  return name.substr(0, name.find('\0'));
}

}  // namespace

void LocalControls::set_tunable(const Origin& origin, const ReqControl& control, TimeNs) {
  Reader reader(control.data);
  const uint32_t value = reader.u32();
  const std::string_view name = take_name(reader);
  if (!reader.ok()) return status(origin, -1);
  switch (r_.tunables_.set(name, value)) {
    case Tunables::SetResult::kSet:
      r_.tell_store_tunables();  // before the answer: what comes after it finds the new value
      return status(origin, 0);
    case Tunables::SetResult::kObsolete:
      return status(origin, 1);
    case Tunables::SetResult::kUnknown:
      return status(origin, -1);
  }
}

void LocalControls::get_tunable(const Origin& origin, const ReqControl& control, TimeNs) {
  Reader reader(control.data);
  const std::string_view name = take_name(reader);
  if (!reader.ok()) return status(origin, -1);
  const std::optional<uint32_t> value = r_.tunables_.get(name);
  if (!value) return status(origin, -EINVAL);
  Bytes data;
  Writer(data).u32(*value);
  ok(origin, data);
}

void LocalControls::list_tunables(const Origin& origin, const ReqControl&, TimeNs) {
  const std::string text = Tunables::list();
  Bytes data;
  Writer(data).counted_bytes({reinterpret_cast<const uint8_t*>(text.c_str()), text.size() + 1});
  ok(origin, data);
}

void LocalControls::get_all_tunables(const Origin& origin, const ReqControl&, TimeNs) {
  Bytes data;
  Writer w(data);
  for (uint32_t value : r_.tunables_.all()) w.u32(value);
  ok(origin, data);
}

void LocalControls::empty_list(const Origin& origin, const ReqControl&, TimeNs) {
  ok(origin, Bytes(4, 0));
}
void LocalControls::accept(const Origin& origin, const ReqControl&, TimeNs) {
  ok(origin);
}
void LocalControls::not_public(const Origin& origin, const ReqControl&, TimeNs) {
  r_.reply(origin, -1, {}, "this node has no public addresses");
}
void LocalControls::no_such_address(const Origin& origin, const ReqControl&, TimeNs) {
  status(origin, 1);
}

namespace {

void put_time(uint8_t* at, int64_t ns) {
  store(at, ns / 1000000000);
  store(at + 8, ns % 1000000000 / 1000);
}

}  // namespace

// The 488 bytes of wire-protocol §7.7; what this suite has no notion of stays zero.
Bytes LocalControls::statistics_image() const {
  const RouterCounts& c = r_.counts_;
  const OutsideFigures outside = r_.out_.figures();
  r_.on_calls_elsewhere(outside.calls_elsewhere);
  Bytes image(488, 0);
  const auto put = [&](size_t at, uint64_t value) { store(image.data() + at, static_cast<uint32_t>(value)); };
  put(0, r_.services_.client_count());
  put(8, r_.state_.recovery_mode);
  put(12, c.client_packets_out);
  put(16, c.client_packets_in);
  put(20, c.node_packets_out);
  put(24, c.node_packets_in);
  put(28, outside.keepalives_out);
  put(32, outside.keepalives_in);
  // Order of the structure: the operations 0-5, 7, 8 and 10.
  const size_t operations[] = {0, 1, 2, 3, 4, 5, 7, 8, 10};
  for (size_t i = 0; i < std::size(operations); ++i) put(36 + 4 * i, c.node_operations[operations[i]]);
  put(72, c.client_req_call);
  put(76, c.client_req_message);
  put(80, c.client_req_control);
  put(84, c.client_req_tunnel);
  put(92, c.control_timeouts);
  put(168, outside.locks_busy);
  put(172, outside.lock_waiters);
  put(280, outside.calls);
  put(284, outside.calls_pending);
  put(296, outside.memory_bytes);
  put(304, outside.hops_max);
  put(440, outside.recoveries);
  put_time(image.data() + 448, r_.statistics_start_ns_);
  put_time(image.data() + 464, r_.out_.wall_clock_ns());
  return image;
}

void LocalControls::statistics(const Origin& origin, const ReqControl&, TimeNs) {
  ok(origin, statistics_image());
}

void LocalControls::statistics_reset(const Origin& origin, const ReqControl&, TimeNs) {
  r_.out_.figures();  // takes what other processes have counted up to now
  r_.counts_ = RouterCounts{};
  r_.statistics_start_ns_ = r_.out_.wall_clock_ns();
  if (r_.store_up_) {  // it has those of the databases
    build(r_.built_, {0, r_.state_.generation, 0, r_.pnn_, r_.pnn_, 0},
          ReqControl{static_cast<uint32_t>(Control::STATISTICS_RESET), 0, 0, CTDB_CONTROL_NOREPLY, {}});
    r_.out_.to_store(0, r_.built_);
  }
  ok(origin);
}

// One entry: the present. (No history is kept; the counters segments are there to be sampled.)
void LocalControls::stat_history(const Origin& origin, const ReqControl&, TimeNs) {
  Bytes data;
  Writer w(data);
  w.u32(1);
  w.u32(0);
  w.bytes(statistics_image());
  ok(origin, data);
}

}  // namespace ctdb
