// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbipc/wire/databases_named.h"

#include <algorithm>
#include <string_view>

#include "libctdbipc/base/hash.h"
#include "libctdbipc/wire/layout.h"
#include "libctdbipc/wire/operations.h"
#include "libctdbipc/wire/packet.h"
#include "libctdbipc/wire/reader.h"

namespace ctdb {
namespace {

constexpr size_t kLogPositionBytes = 12;

// One function a layout, in_<layout>(what follows the header, database).
#define CTDB_SAYS_NONE(layout)         \
  bool in_##layout(Reader, uint32_t) { \
    return false;                      \
  }
#define CTDB_SAYS_AT(layout, offset)           \
  bool in_##layout(Reader r, uint32_t db_id) { \
    r.skip(offset);                            \
    return r.u32() == db_id && r.ok();         \
  }

// ---- the classic packets ----
CTDB_SAYS_AT(req_call, 4)
CTDB_SAYS_NONE(reply_call)
CTDB_SAYS_AT(req_dmaster, 0)
CTDB_SAYS_AT(reply_dmaster, 0)
CTDB_SAYS_NONE(reply_error)
CTDB_SAYS_NONE(req_message)
bool in_req_control(Reader r, uint32_t db_id);  // below
CTDB_SAYS_NONE(reply_control)
CTDB_SAYS_NONE(req_keepalive)
CTDB_SAYS_NONE(req_tunnel)

// ---- links, daemons of a node, membership ----
CTDB_SAYS_NONE(none)
CTDB_SAYS_NONE(hello)
CTDB_SAYS_NONE(hello_refused)
CTDB_SAYS_NONE(hello_proof)
CTDB_SAYS_NONE(link_ping)
CTDB_SAYS_NONE(queue_pair)
CTDB_SAYS_NONE(verbs_switch)
CTDB_SAYS_NONE(verbs_down)
CTDB_SAYS_NONE(link_state)
CTDB_SAYS_NONE(daemon_state)
CTDB_SAYS_NONE(cluster_state)
CTDB_SAYS_NONE(client_gone)
CTDB_SAYS_NONE(tunable_list)
CTDB_SAYS_NONE(message_failed)
CTDB_SAYS_NONE(vote_request)
CTDB_SAYS_NONE(vote_reply)
CTDB_SAYS_NONE(heartbeat)
CTDB_SAYS_NONE(heartbeat_reply)
CTDB_SAYS_NONE(node_list)
CTDB_SAYS_NONE(recovery_begin)
CTDB_SAYS_NONE(recovery_commit)
CTDB_SAYS_NONE(store_hello)
CTDB_SAYS_NONE(store_recover)
CTDB_SAYS_NONE(store_open)
CTDB_SAYS_NONE(store_query)
CTDB_SAYS_NONE(store_suspend)

// ---- recovery, copies, commits ----
// Its statistics are those of each database.
bool in_recovery_report(Reader r, uint32_t db_id) {
  constexpr size_t kNumber = sizeof(uint64_t), kBefore = 4 + 4 + 10 * kNumber, kEach = 5 * kNumber;
  r.skip(kBefore);
  for (uint32_t count = r.u32(); count > 0 && r.ok(); --count) {
    if (r.u32() == db_id && r.ok()) return true;
    r.skip(kEach);
  }
  return false;
}
bool in_store_recovered(Reader r, uint32_t db_id) {
  return in_recovery_report(r, db_id);
}
bool in_record_databases(Reader r, uint32_t db_id) {
  r.skip(4);
  for (uint32_t count = r.u32(); count > 0 && r.ok(); --count) {
    r.skip(2);
    const std::string_view name = as_text(r.counted_bytes());
    if (r.ok() && database_id(name) == db_id) return true;
  }
  constexpr size_t kBeforeDetached = kLogPositionBytes + 1 + 1 + 4;
  r.skip(kBeforeDetached);
  for (uint32_t count = r.u32(); count > 0 && r.ok(); --count) {
    r.skip(4);
    const std::string_view name = as_text(r.counted_bytes());
    if (r.ok() && database_id(name) == db_id) return true;
  }
  return false;
}
CTDB_SAYS_AT(record_claims, 4)
CTDB_SAYS_NONE(record_end)
CTDB_SAYS_AT(record_assign, 4)
CTDB_SAYS_AT(record_copy, 0)
CTDB_SAYS_AT(record_copied, 0)
CTDB_SAYS_AT(record_forget, 0)
CTDB_SAYS_AT(record_forgotten, 0)
// Every kind of commit begins with the database's number.
CTDB_SAYS_AT(commit_submit, 8 + 1 + 1 + 4)
CTDB_SAYS_NONE(commit_result)
bool in_commit_append(Reader r, uint32_t db_id) {
  r.skip(2 * kLogPositionBytes + 1);
  for (uint32_t count = r.u32(); count > 0 && r.ok(); --count) {
    r.skip(kLogPositionBytes + 1 + 4 + 8);
    const uint32_t size = r.u32();
    if (size >= 4 && r.u32() == db_id && r.ok()) return true;
    r.skip(size >= 4 ? size - 4 : size);
  }
  return false;
}
CTDB_SAYS_NONE(commit_appended)
CTDB_SAYS_NONE(commit_apply)
bool in_commit_applied(Reader r, uint32_t db_id) {
  constexpr size_t kEach = 3 * sizeof(uint64_t);
  r.skip(kLogPositionBytes + 1);
  for (uint32_t count = r.u32(); count > 0 && r.ok(); --count) {
    if (r.u32() == db_id && r.ok()) return true;
    r.skip(kEach);
  }
  return r.u32() == db_id && r.ok();  // taken
}
CTDB_SAYS_AT(database_wanted, 0)
// Its records say it once more.
bool in_database_content(Reader r, uint32_t db_id) {
  if (r.u32() == db_id && r.ok()) return true;
  r.skip(4 + 1 + 4);
  return r.u32() == db_id && r.ok();
}

// ---- requests of controls ----
CTDB_SAYS_NONE(any)
CTDB_SAYS_NONE(empty)
CTDB_SAYS_NONE(u64)
CTDB_SAYS_NONE(i32)
CTDB_SAYS_NONE(double)
CTDB_SAYS_NONE(stringn)
CTDB_SAYS_NONE(addr_info)
CTDB_SAYS_NONE(ban_state)
CTDB_SAYS_NONE(connection)
CTDB_SAYS_NONE(echo_data)
CTDB_SAYS_NONE(edit_nodes)
CTDB_SAYS_NONE(iface)
CTDB_SAYS_NONE(node_flag_change)
CTDB_SAYS_NONE(notify_data)
CTDB_SAYS_NONE(pid_srvid)
CTDB_SAYS_NONE(public_ip)
CTDB_SAYS_NONE(rec_data)
CTDB_SAYS_NONE(sock_addr)
CTDB_SAYS_NONE(tickle_list)
CTDB_SAYS_NONE(tunable)
CTDB_SAYS_NONE(vnnmap)
// Those that mean a database are picked out below.
CTDB_SAYS_NONE(u32)
CTDB_SAYS_NONE(string)
CTDB_SAYS_AT(db_copies, 0)
CTDB_SAYS_AT(db_id_padded, 0)
CTDB_SAYS_AT(db_vacuum, 0)
CTDB_SAYS_AT(key_data, 0)
CTDB_SAYS_AT(pulldb_ext, 0)
CTDB_SAYS_AT(push_record, 4)
CTDB_SAYS_AT(rec_buffer, 0)
CTDB_SAYS_AT(transdb, 0)
CTDB_SAYS_AT(traverse_all, 0)
CTDB_SAYS_AT(traverse_all_ext, 0)
CTDB_SAYS_AT(traverse_start, 0)
CTDB_SAYS_AT(traverse_start_ext, 0)

// Requests that are a bare number, or a name. A test holds the lists against the dissector's.
bool is_database_number(Control control) {
  switch (control) {
    case Control::GETDBPATH:
    case Control::GET_DBNAME:
    case Control::ENABLE_SEQNUM:
    case Control::UPDATE_SEQNUM:
    case Control::DB_SET_HEALTHY:
    case Control::DB_GET_HEALTH:
    case Control::SET_DB_READONLY:
    case Control::GET_DB_STATISTICS:
    case Control::SET_DB_STICKY:
    case Control::DB_DETACH:
    case Control::DB_FREEZE:
    case Control::DB_THAW:
    case Control::DB_TRANSACTION_CANCEL:
    case Control::DB_PUSH_CONFIRM:
    case Control::DB_OPEN_FLAGS:
      return true;
    default:
      return false;
  }
}
bool is_database_name(Control control) {
  return control == Control::DB_ATTACH || control == Control::DB_ATTACH_PERSISTENT ||
         control == Control::DB_ATTACH_REPLICATED;
}

bool in_request(uint32_t control, Reader r, uint32_t db_id) {
  if (is_database_number(static_cast<Control>(control))) return r.u32() == db_id && r.ok();
  if (is_database_name(static_cast<Control>(control))) {
    const std::string_view text = as_text(r.bytes(r.left()));
    return database_id(text.substr(0, text.find('\0'))) == db_id;
  }
  // Rows of the tables with one payload have one branch each.
  // NOLINTBEGIN(bugprone-branch-clone)
  switch (control) {
#define CTDB_CONTROL(number, name, request, reply, server, reach) \
  case number:                                                    \
    return in_##request(r, db_id);
#include "libctdbipc/wire/messages.def"
    default:
      return false;
  }
  // NOLINTEND(bugprone-branch-clone)
}

bool in_req_control(Reader r, uint32_t db_id) {
  const uint32_t control = r.u32();
  r.skip(CTDB_REQ_CONTROL_FIXED - CTDB_HEADER_SIZE - 8);
  const uint32_t size = r.u32();
  return in_request(control, Reader(r.bytes(std::min<size_t>(size, r.left()))), db_id);
}

}  // namespace

bool names_database(ByteView packet, uint32_t db_id) {
  if (packet.size() < CTDB_HEADER_SIZE) return false;
  const Reader r(packet.subspan(CTDB_HEADER_SIZE));
  // NOLINTBEGIN(bugprone-branch-clone)
  switch (read_header(packet).operation) {
#define CTDB_OPERATION(number, name, payload, reply, server) \
  case number:                                               \
    return in_##payload(r, db_id);
#include "libctdbipc/wire/messages.def"
    default:
      return false;
  }
  // NOLINTEND(bugprone-branch-clone)
}

}  // namespace ctdb
