// SPDX-License-Identifier: GPL-2.0-or-later
// -z ctdbx,tree  -z ctdbx_keys,tree  -z ctdbx_migrations,tree  -z ctdbx,srt
#include "wireshark/dissect.h"

#include <epan/conversation_filter.h>
#include <epan/srt_table.h>
#include <epan/stat_groups.h>
#include <epan/stats_tree.h>
#include <epan/tap.h>

#include <type_traits>

#include "wireshark/keys.h"
#include "wireshark/registry.h"

namespace ctdbx {
namespace {

int the_tap = -1;

const TapPacket& packet_of(const void* data) {
  return *static_cast<const TapPacket*>(data);
}
const char* db_text(const packet_info* pinfo, const Facts& facts) {
  const char* name = database_name(facts.db_id);
  return name != nullptr ? name : wmem_strdup_printf(pinfo->pool, "db 0x%08x", facts.db_id);
}

// ---- packets by operation; controls by name, calls by database, messages by range ----

constexpr const char* kPackets = "CTDB packets";
int packets_node;

void packets_init(stats_tree* st) {
  packets_node = stats_tree_create_node(st, kPackets, 0, STAT_DT_INT, TRUE);
}
tap_packet_status packets_packet(stats_tree* st, packet_info* pinfo, epan_dissect_t*, const void* data,
                                 tap_flags_t) {
  const TapPacket& p = packet_of(data);
  tick_stat_node(st, kPackets, 0, TRUE);
  const int operation = tick_stat_node(st, p.operation_name, packets_node, TRUE);
  if (p.control_name != nullptr)
    tick_stat_node(st, p.control_name, operation, FALSE);
  else if (p.facts.has_db)
    tick_stat_node(st, db_text(pinfo, p.facts), operation, FALSE);
  else if (p.facts.operation == kREQ_MESSAGE && srvid_name(p.facts.srvid) != nullptr)
    tick_stat_node(st, srvid_name(p.facts.srvid), operation, FALSE);
  return TAP_PACKET_REDRAW;
}

// ---- which keys calls ask for ----

constexpr const char* kKeys = "Calls by key";
int keys_node;

void keys_init(stats_tree* st) {
  keys_node = stats_tree_create_node(st, kKeys, 0, STAT_DT_INT, TRUE);
}
tap_packet_status keys_packet(stats_tree* st, packet_info* pinfo, epan_dissect_t*, const void* data,
                              tap_flags_t) {
  const TapPacket& p = packet_of(data);
  if (p.facts.operation != kREQ_CALL || !p.facts.has_key) return TAP_PACKET_DONT_REDRAW;
  tick_stat_node(st, kKeys, 0, TRUE);
  const char* key = wmem_strdup_printf(pinfo->pool, "%s [%s]", db_text(pinfo, p.facts), p.facts.key_text);
  tick_stat_node(st, key, keys_node, FALSE);
  return TAP_PACKET_REDRAW;
}

// ---- records that arrived, by the node that got them and the database ----

constexpr const char* kMigrations = "Migrations by node";
int migrations_node;

void migrations_init(stats_tree* st) {
  migrations_node = stats_tree_create_node(st, kMigrations, 0, STAT_DT_INT, TRUE);
}
tap_packet_status migrations_packet(stats_tree* st, packet_info* pinfo, epan_dissect_t*, const void* data,
                                    tap_flags_t) {
  const TapPacket& p = packet_of(data);
  if (!p.is_migration) return TAP_PACKET_DONT_REDRAW;
  tick_stat_node(st, kMigrations, 0, TRUE);
  const char* node = wmem_strdup_printf(pinfo->pool, "to node %u", p.facts.destnode);
  tick_stat_node(st, db_text(pinfo, p.facts), tick_stat_node(st, node, migrations_node, TRUE), FALSE);
  return TAP_PACKET_REDRAW;
}

// ---- response times: of calls, and of controls by their number ----

// Rows of controls are their numbers, so that Wireshark can make a filter of a row; our own follow behind the classic ones.
constexpr int kOwnRows = 0x100, kRows = 0x120;
constexpr uint32_t kOwnControls = 0x1000;

int row_of(const ControlRow& control) {
  if (control.number < kOwnControls) return static_cast<int>(control.number);
  return kOwnRows + static_cast<int>(control.number - kOwnControls);
}

void times_init(register_srt_t*, GArray* tables) {
  srt_stat_table* calls = init_srt_table("CTDB calls", nullptr, tables, 1, "Request", nullptr, nullptr);
  init_srt_table_row(calls, 0, "REQ_CALL");
  srt_stat_table* table =
      init_srt_table("CTDB controls", nullptr, tables, kRows, "Control", "ctdbx.control", nullptr);
  for (int row = 0; row < kRows; ++row) init_srt_table_row(table, row, "unused");
  for (const ControlRow& control : all_controls())
    if (row_of(control) < kRows) init_srt_table_row(table, row_of(control), control.name);
}
tap_packet_status times_packet(void* data, packet_info* pinfo, epan_dissect_t*, const void* packet,
                               tap_flags_t) {
  const TapPacket& p = packet_of(packet);
  if (!p.has_time) return TAP_PACKET_DONT_REDRAW;
  const bool call = p.facts.operation < kREPLY_CONTROL;
  const ControlRow* control = p.facts.has_control ? find_control(p.facts.control) : nullptr;
  if (!call && (control == nullptr || row_of(*control) >= kRows)) return TAP_PACKET_DONT_REDRAW;
  srt_stat_table* table =
      g_array_index(static_cast<srt_data_t*>(data)->srt_array, srt_stat_table*, call ? 0 : 1);
  const nstime_t begun = {pinfo->abs_ts.secs - p.time.secs, pinfo->abs_ts.nsecs - p.time.nsecs};
  add_srt_table_data(table, call ? 0 : row_of(*control), &begun, pinfo);
  return TAP_PACKET_REDRAW;
}

// ---- "Conversation filter": all packets of the record, of the exchange ----

char* filter_of(packet_info* pinfo, uint32_t slot, const char* field) {
  const auto* number = static_cast<const uint32_t*>(p_get_proto_data(pinfo->pool, pinfo, protocol(), slot));
  return number != nullptr ? g_strdup_printf("%s == %u", field, *number) : nullptr;
}

// Later versions give these functions one argument more, and let them return another kind of truth: whichever form is asked for is there.
template <uint32_t slot, typename Truth>
Truth has_number(packet_info* pinfo) {
  return p_get_proto_data(pinfo->pool, pinfo, protocol(), slot) != nullptr;
}
template <uint32_t slot, typename Truth>
Truth has_number(packet_info* pinfo, void*) {
  return has_number<slot, Truth>(pinfo);
}
template <uint32_t slot>
char* number_filter(packet_info* pinfo) {
  return filter_of(pinfo, slot, slot == kRecordSlot ? "ctdbx.record" : "ctdbx.exchange");
}
template <uint32_t slot>
char* number_filter(packet_info* pinfo, void*) {
  return number_filter<slot>(pinfo);
}

template <uint32_t slot, typename Register>
void add_conversation_filter(Register* add, const char* title) {
  if constexpr (std::is_invocable_v<Register*, const char*, const char*, is_filter_valid_func,
                                    build_filter_string_func>)
    add("ctdbx", title, has_number<slot>, number_filter<slot>);
  else
    add("ctdbx", title, has_number<slot>, number_filter<slot>, nullptr);
}

}  // namespace

int tap() {
  return the_tap;
}

void register_statistics_tables() {
  the_tap = register_tap("ctdbx");
  register_srt_table(protocol(), "ctdbx", 2, times_packet, times_init, nullptr);
  add_conversation_filter<kRecordSlot>(register_conversation_filter, "CTDB record");
  add_conversation_filter<kExchangeSlot>(register_conversation_filter, "CTDB request and reply");
}

void register_statistics_trees() {
  stats_tree_register_plugin("ctdbx", "ctdbx", "CTDB packets", 0, packets_packet, packets_init, nullptr);
  stats_tree_register_plugin("ctdbx", "ctdbx_keys", "CTDB hot keys", 0, keys_packet, keys_init, nullptr);
  stats_tree_register_plugin("ctdbx", "ctdbx_migrations", "CTDB migrations by node", 0, migrations_packet,
                             migrations_init, nullptr);
}

}  // namespace ctdbx
