// SPDX-License-Identifier: GPL-3.0-or-later
// The controls of wire-protocol §8.1 that recoveryd serves: one table, one small handler each. Called for
// every REQ_CONTROL of the data channel; answers go back the way the request came.
#ifndef CTDB_RECOVERYD_CORE_CONTROLS_H_
#define CTDB_RECOVERYD_CORE_CONTROLS_H_

#include <string_view>

#include "ctdb-recoveryd/core/context.h"
#include "ctdb-recoveryd/core/leader.h"
#include "ctdb-recoveryd/core/member.h"
#include "ctdb-recoveryd/core/node_state.h"

namespace ctdb {

class Controls {
 public:
  Controls(Context& context, NodeState& node, Member& member, const Leader& leader);

  void on_packet(uint32_t endpoint, ByteView packet);

 private:
  struct Answer {
    int32_t status = 0;
    Bytes data;
    std::string_view error;
  };
  using Handler = Answer (Controls::*)(const ReqControl&);
  struct Row;
  static const Row* find(uint32_t opcode);
  Answer serve(const ReqControl& control);
  static Answer not_for_a_witness();

  Answer accept(const ReqControl&) { return {}; }
  Answer set_vnnmap(const ReqControl&);
  Answer set_recmode(const ReqControl& control);
  Answer uptime(const ReqControl&);
  Answer get_capabilities(const ReqControl&);
  Answer get_reclock_file(const ReqControl&);
  Answer stop_node(const ReqControl&);
  Answer continue_node(const ReqControl&);
  Answer set_lmaster_role(const ReqControl& control);
  Answer set_recmaster_role(const ReqControl& control);
  Answer set_ban_state(const ReqControl& control);
  Answer get_ban_state(const ReqControl&);
  Answer disable_node(const ReqControl&);
  Answer enable_node(const ReqControl&);
  Answer get_last_recovery(const ReqControl&);

  Context& c_;
  NodeState& node_;
  Member& member_;
  const Leader& leader_;
  int64_t started_wall_ns_;
  Bytes built_;
};

}  // namespace ctdb

#endif  // CTDB_RECOVERYD_CORE_CONTROLS_H_
