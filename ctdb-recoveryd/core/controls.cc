// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-recoveryd/core/controls.h"

#include "libctdbipc/wire/reader.h"

namespace ctdb {

struct Controls::Row {
  Control control;
  // Exact size of the request data (wire-protocol §8: one byte more or less is answered -1); -1: any.
  int size;
  Handler handler;
};

const Controls::Row* Controls::find(uint32_t opcode) {
  using C = Control;
  using H = Controls;
  static const Row kRows[] = {
      {C::SETVNNMAP, -1, &H::set_vnnmap},
      {C::SET_RECMODE, 4, &H::set_recmode},
      // Each node owns its flags and tells them itself; what others say of it or of third nodes changes
      // nothing.
      {C::MODIFY_FLAGS, 12, &H::accept},
      {C::UPTIME, 0, &H::uptime},
      // Steps of the classic leader's recovery; ours has its own.
      {C::START_RECOVERY, 0, &H::accept},
      {C::END_RECOVERY, 0, &H::accept},
      {C::GET_CAPABILITIES, -1, &H::get_capabilities},
      {C::START_PERSISTENT_UPDATE, -1, &H::accept},
      {C::CANCEL_PERSISTENT_UPDATE, -1, &H::accept},
      {C::RECD_PING, 0, &H::accept},
      {C::RECD_RECLOCK_LATENCY, 8, &H::accept},
      {C::GET_RECLOCK_FILE, 0, &H::get_reclock_file},
      {C::STOP_NODE, 0, &H::stop_node},
      {C::CONTINUE_NODE, 0, &H::continue_node},
      {C::SET_LMASTERROLE, 4, &H::set_lmaster_role},
      {C::SET_RECMASTERROLE, 4, &H::set_recmaster_role},
      {C::SET_BAN_STATE, 8, &H::set_ban_state},
      {C::GET_BAN_STATE, 0, &H::get_ban_state},
      {C::DISABLE_NODE, 0, &H::disable_node},
      {C::ENABLE_NODE, 0, &H::enable_node},
      {C::GET_LAST_RECOVERY, 0, &H::get_last_recovery},
  };
  for (const Row& row : kRows) {
    if (static_cast<uint32_t>(row.control) == opcode) return &row;
  }
  return nullptr;
}

Controls::Controls(Context& context, NodeState& node, Member& member, const Leader& leader)
    : c_(context),
      node_(node),
      member_(member),
      leader_(leader),
      started_wall_ns_(context.out.wall_clock_ns()) {}

void Controls::on_packet(uint32_t endpoint, ByteView packet) {
  const std::optional<ReqControl> control = parse_req_control(packet);
  if (!control) return c_.refuse("malformed");
  const Answer answer = serve(*control);
  if ((control->flags & CTDB_CONTROL_NOREPLY) != 0) return;
  const Header header = read_header(packet);
  build(built_, {0, c_.stamp, 0, endpoint != 0 ? 0 : header.srcnode, c_.pnn(), header.reqid},
        ReplyControl{answer.status, answer.data, answer.error});
  c_.out.to_router(RecoverydLane::kData, endpoint, built_);
}

Controls::Answer Controls::serve(const ReqControl& control) {
  const Row* row = find(control.opcode);
  if (row == nullptr) return {-1, {}, "control is not served"};
  if (row->size >= 0 && control.data.size() != static_cast<size_t>(row->size)) {
    return {-1, {}, "the control's data has the wrong size"};
  }
  return (this->*row->handler)(control);
}

Controls::Answer Controls::set_vnnmap(const ReqControl&) {
  return {-1, {}, "the vnnmap follows from the members, it cannot be set"};
}

Controls::Answer Controls::set_recmode(const ReqControl& control) {
  if (load<uint32_t>(control.data.data()) != CTDB_RECOVERY_NORMAL) {
    member_.ask_for_recovery();
    c_.announce = true;
    c_.log(RecoverydLog::kNotice, "a recovery was asked for");
  }
  return {};
}

Controls::Answer Controls::uptime(const ReqControl&) {
  Answer answer;
  Writer w(answer.data);
  for (const int64_t ns : {c_.out.wall_clock_ns(), started_wall_ns_, member_.recovery_started_wall_ns(),
                           member_.recovery_finished_wall_ns()}) {
    w.i64(ns / kSecond);
    w.i64(ns % kSecond / kMicrosecond);
  }
  return answer;
}

Controls::Answer Controls::get_capabilities(const ReqControl&) {
  Answer answer;
  Writer(answer.data).u32(node_.capabilities());
  return answer;
}

Controls::Answer Controls::get_reclock_file(const ReqControl&) {
  Answer answer;
  const std::string& lock = c_.options.cluster_lock;
  if (!lock.empty())
    Writer(answer.data).bytes({reinterpret_cast<const uint8_t*>(lock.c_str()), lock.size() + 1});
  return answer;
}

Controls::Answer Controls::not_for_a_witness() {
  return {-1, {}, "this node is a witness: it holds no records and stays that way"};
}

Controls::Answer Controls::stop_node(const ReqControl&) {
  node_.set_stopped(true);
  c_.announce = true;
  c_.log(RecoverydLog::kNotice, "stopped by the administrator");
  return {};
}

Controls::Answer Controls::continue_node(const ReqControl&) {
  if (node_.witness()) return not_for_a_witness();
  node_.set_stopped(false);
  c_.announce = true;
  c_.log(RecoverydLog::kNotice, "continued by the administrator");
  return {};
}

Controls::Answer Controls::set_lmaster_role(const ReqControl& control) {
  if (node_.witness()) return not_for_a_witness();
  node_.set_capability(CTDB_CAPABILITY_LMASTER, load<uint32_t>(control.data.data()) != 0);
  c_.announce = true;
  return {};
}

Controls::Answer Controls::set_recmaster_role(const ReqControl& control) {
  if (node_.witness()) return not_for_a_witness();
  node_.set_capability(CTDB_CAPABILITY_RECMASTER, load<uint32_t>(control.data.data()) != 0);
  c_.announce = true;
  return {};
}

Controls::Answer Controls::set_ban_state(const ReqControl& control) {
  if (load<uint32_t>(control.data.data()) != c_.pnn()) return {-1, {}, "a ban is for another node"};
  const uint32_t seconds = load<uint32_t>(control.data.data() + 4);
  const std::string until = c_.until(c_.now + static_cast<TimeNs>(seconds) * kSecond);
  node_.ban(seconds, c_.now, until);
  c_.announce = true;
  c_.log(RecoverydLog::kNotice, seconds > 0 ? node_.why_inactive() : "ban is over");
  return {};
}

Controls::Answer Controls::get_ban_state(const ReqControl&) {
  Answer answer;
  Writer w(answer.data);
  w.u32(c_.pnn());
  w.u32(node_.ban_left_s(c_.now));
  return answer;
}

Controls::Answer Controls::disable_node(const ReqControl&) {
  node_.set_disabled(true);
  c_.announce = true;
  return {};
}

Controls::Answer Controls::enable_node(const ReqControl&) {
  node_.set_disabled(false);
  c_.announce = true;
  return {};
}

Controls::Answer Controls::get_last_recovery(const ReqControl&) {
  Answer answer;
  answer.data = leader_.last_recovery().encode();
  return answer;
}

}  // namespace ctdb
