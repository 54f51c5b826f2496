// SPDX-License-Identifier: GPL-3.0-or-later
// The controls the router serves itself, one row and one small function each.
#ifndef CTDB_ROUTER_CORE_LOCAL_CONTROLS_H_
#define CTDB_ROUTER_CORE_LOCAL_CONTROLS_H_

#include <functional>

#include "ctdb-router/core/router.h"

namespace ctdb {

class LocalControls {
 public:
  explicit LocalControls(Router& router) : r_(router) {}
  void serve(const Origin& origin, const ReqControl& control, TimeNs now);

 private:
  struct Row;
  static const Row* find(uint32_t opcode);
  using Handler = void (LocalControls::*)(const Origin&, const ReqControl&, TimeNs);

  void ok(const Origin& origin, ByteView data = {}) { r_.reply(origin, 0, data); }
  void status(const Origin& origin, int32_t value) { r_.reply(origin, value); }

  void process_exists(const Origin&, const ReqControl&, TimeNs);
  void check_pid_srvid(const Origin&, const ReqControl&, TimeNs);
  void ping(const Origin&, const ReqControl&, TimeNs);
  void get_pid(const Origin&, const ReqControl&, TimeNs);
  void get_pnn(const Origin&, const ReqControl&, TimeNs);
  void get_recmode(const Origin&, const ReqControl&, TimeNs);
  void get_runstate(const Origin&, const ReqControl&, TimeNs);
  void get_vnnmap(const Origin&, const ReqControl&, TimeNs);
  void get_nodemap(const Origin&, const ReqControl&, TimeNs);
  void get_nodes_file(const Origin&, const ReqControl&, TimeNs);
  void reload_nodes_file(const Origin&, const ReqControl&, TimeNs);
  void edit_nodes_file(const Origin&, const ReqControl&, TimeNs);
  void get_debug(const Origin&, const ReqControl&, TimeNs);
  void set_debug(const Origin&, const ReqControl&, TimeNs);
  void dump_memory(const Origin&, const ReqControl&, TimeNs);
  void shutdown(const Origin&, const ReqControl&, TimeNs);
  void get_links(const Origin&, const ReqControl&, TimeNs);
  void get_settings(const Origin&, const ReqControl&, TimeNs);
  void node_quiet(const Origin&, const ReqControl&, TimeNs);
  void node_active(const Origin&, const ReqControl&, TimeNs);
  void echo_data(const Origin&, const ReqControl&, TimeNs);
  void register_srvid(const Origin&, const ReqControl&, TimeNs);
  void deregister_srvid(const Origin&, const ReqControl&, TimeNs);
  void register_notify(const Origin&, const ReqControl&, TimeNs);
  void deregister_notify(const Origin&, const ReqControl&, TimeNs);
  void tunnel_register(const Origin&, const ReqControl&, TimeNs);
  void tunnel_deregister(const Origin&, const ReqControl&, TimeNs);
  void set_tunable(const Origin&, const ReqControl&, TimeNs);
  void get_tunable(const Origin&, const ReqControl&, TimeNs);
  void list_tunables(const Origin&, const ReqControl&, TimeNs);
  void get_all_tunables(const Origin&, const ReqControl&, TimeNs);
  void statistics(const Origin&, const ReqControl&, TimeNs);
  void statistics_reset(const Origin&, const ReqControl&, TimeNs);
  void stat_history(const Origin&, const ReqControl&, TimeNs);
  // A cluster without public addresses.
  void empty_list(const Origin&, const ReqControl&, TimeNs);
  void accept(const Origin&, const ReqControl&, TimeNs);
  void not_public(const Origin&, const ReqControl&, TimeNs);
  void no_such_address(const Origin&, const ReqControl&, TimeNs);

  static Bytes nodemap(const std::vector<RouterNode>& nodes, const std::function<uint32_t(uint32_t)>& flags);
  Bytes statistics_image() const;

  Router& r_;
};

}  // namespace ctdb

#endif  // CTDB_ROUTER_CORE_LOCAL_CONTROLS_H_
