// SPDX-License-Identifier: LGPL-3.0-or-later
// Another router has taken over the channel of a dead one (ARCHITECTURE.md §2, "A router that is restarted"). Of the controls that the
// dead one has had nobody knows what has become: those that can be repeated without harm are put again, the others end with
// CTDB_ERR_UNKNOWN. All others are in the ring, and the new router reads them. Calls are the store's and go on.
#include <algorithm>

#include "libctdbipc/client/client.h"

namespace ctdb {
namespace {

// They change nothing, or what they have changed once they do not change again.
constexpr Control kRepeatable[] = {
    Control::PROCESS_EXISTS,
    Control::STATISTICS,
    Control::PING,
    Control::GETDBPATH,
    Control::GETVNNMAP,
    Control::GET_DEBUG,
    Control::GET_DBMAP,
    Control::GET_RECMODE,
    Control::DB_ATTACH,
    Control::GET_DBNAME,
    Control::DUMP_MEMORY,
    Control::GET_PID,
    Control::GET_PNN,
    Control::GET_TUNABLE,
    Control::LIST_TUNABLES,
    Control::GET_ALL_TUNABLES,
    Control::DB_ATTACH_PERSISTENT,
    Control::UPTIME,
    Control::GET_CAPABILITIES,
    Control::GET_NODEMAP,
    Control::GET_BAN_STATE,
    Control::GET_DB_SEQNUM,
    Control::DB_GET_HEALTH,
    Control::GET_DB_STATISTICS,
    Control::SET_DB_READONLY,
    Control::GET_RUNSTATE,
    Control::GET_NODES_FILE,
    Control::DB_OPEN_FLAGS,
    Control::DB_ATTACH_REPLICATED,
    Control::CHECK_PID_SRVID,
    Control::ECHO_DATA,
    Control::GET_LOCK_WAITS,
    Control::GET_LAST_RECOVERY,
    Control::GET_LINKS,
    Control::GET_SETTINGS,
    Control::DB_COPIES,
    Control::DB_RECORD_LIMIT,
};

bool repeatable(uint32_t opcode) {
  return std::ranges::find(kRepeatable, static_cast<Control>(opcode)) != std::end(kRepeatable);
}

}  // namespace
}  // namespace ctdb

using ctdb::Control;

void ctdb_client::send_registration(Control opcode, uint64_t srvid) {
  ctdb::Header header;
  header.destnode = CTDB_PNN_CURRENT;
  header.srcnode = link.pnn();
  ctdb::build(out, header,
              ctdb::ReqControl{static_cast<uint32_t>(opcode), srvid, 0, CTDB_CONTROL_FLAG_NOREPLY, {}});
  link.resend(Peer::kRouter, out);
}

// A service that is registered twice gets messages twice; so the opposite comes first.
void ctdb_client::repeat_control(Request& request) {
  const auto control = ctdb::parse_req_control(request.packet);
  const uint32_t opcode = control ? control->opcode : ~0u;
  const bool begins = opcode == static_cast<uint32_t>(Control::REGISTER_SRVID);
  const bool ends = opcode == static_cast<uint32_t>(Control::DEREGISTER_SRVID);
  if (begins) send_registration(Control::DEREGISTER_SRVID, control->srvid);
  if (ends) send_registration(Control::REGISTER_SRVID, control->srvid);
  if (begins || ends || ctdb::repeatable(opcode)) {
    request.sent_at = link.router_position();
    link.resend(Peer::kRouter, request.packet);
  } else if (request.sync) {
    request.step(*this, request, {CTDB_ERR_UNKNOWN, 0, {}, {}});
  } else {
    make_ready(request, CTDB_ERR_UNKNOWN);
  }
}

// But for those that are asked for just now.
void ctdb_client::register_anew() {
  std::vector<uint64_t> asked;
  requests.for_each([&](const Request& request) {
    if (request.state != Request::State::kSent || request.peer != Peer::kRouter) return;
    const auto control = ctdb::parse_req_control(request.packet);
    if (control && control->opcode == static_cast<uint32_t>(Control::REGISTER_SRVID))
      asked.push_back(control->srvid);
  });
  for (const auto& [srvid, handler] : handlers) {
    if (std::ranges::find(asked, srvid) == asked.end()) send_registration(Control::REGISTER_SRVID, srvid);
  }
}

// What the dead router had answered has been taken.
void ctdb_client::router_replaced() {
  const ctdb::Link::Replaced& replaced = link.replaced();
  ++stats.router_restarts;
  ++restarts_untold_;
  if (!replaced.registered) register_anew();
  requests.for_each([&](Request& request) {
    const bool waits = request.state == Request::State::kSent && request.peer == Peer::kRouter;
    if (waits && request.sent_at < replaced.read) repeat_control(request);
  });
  link.flush();
}

bool ctdb_client::tell_of_restart() {
  if (restarts_untold_ == 0) return false;
  --restarts_untold_;
  if (restarted != nullptr) restarted(this, restarted_data);
  return true;
}

extern "C" int ctdb_on_restart(ctdb_client* client, ctdb_restart_fn handler, void* private_data) {
  if (const int error = ctdb::check(client); error != 0) return error;
  client->restarted = handler;
  client->restarted_data = private_data;
  return 0;
}
