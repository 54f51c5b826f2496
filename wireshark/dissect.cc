// SPDX-License-Identifier: GPL-2.0-or-later
#include "wireshark/dissect.h"

#include <epan/tap.h>

#include <algorithm>
#include <string>
#include <unordered_map>

#include "wireshark/exchanges.h"
#include "wireshark/keys.h"
#include "wireshark/records.h"
#include "wireshark/registry.h"

namespace ctdbx {
namespace {

constexpr uint32_t kLengthMax = 64u << 20;  // no sender makes more
constexpr int kPaddingMax = 8;              // of our own payloads
constexpr uint32_t kManyHops = 10;

// What is remembered of the capture.
Exchanges& exchanges() {
  static Exchanges the;
  return the;
}
Records& records() {
  static Records the;
  return the;
}
uint32_t& first_keepalive_version() {
  static uint32_t version;
  return version;
}

struct Packet {
  tvbuff_t* tvb;
  packet_info* pinfo;
  proto_tree* tree;
  proto_item* item;
  Facts facts;
  uint32_t length, index;
  uint64_t connection;
  bool over_tcp;
  const OperationRow* operation;
  const Place* place;
  const Judgement* judgement;
};

// Counts the packets of a frame, so that each is found again when the frame is shown another time.
uint32_t next_index(packet_info* pinfo) {
  auto* next = static_cast<uint32_t*>(p_get_proto_data(pinfo->pool, pinfo, protocol(), 0));
  if (next == nullptr) {
    next = wmem_new0(pinfo->pool, uint32_t);
    p_add_proto_data(pinfo->pool, pinfo, protocol(), 0, next);
  }
  return (*next)++;
}

// Captures of routers name the client in the port (ctdb-router/capture).
uint64_t client_connection(const packet_info* pinfo) {
  if (pinfo->rec == nullptr ||
      pinfo->rec->rec_header.packet_header.pkt_encap != WTAP_ENCAP_WIRESHARK_UPPER_PDU)
    return 0;
  const uint32_t client = std::max(pinfo->srcport, pinfo->destport);
  if (client == 0) return 0;
  return uint64_t{pinfo->rec->rec_header.packet_header.interface_id + 1} << 32 | client;
}

void show_header(Packet& p) {
  proto_tree* header = p.tree;
  const auto add = [&](Own which, int at) {
    return proto_tree_add_item(header, hf(which), p.tvb, at, 4, ENC_LITTLE_ENDIAN);
  };
  proto_item* length = add(Own::k_length, CTDB_OFF_LENGTH);
  add(Own::k_magic, CTDB_OFF_MAGIC);
  proto_item* version = add(Own::k_version, CTDB_OFF_VERSION);
  add(Own::k_generation, CTDB_OFF_GENERATION);
  proto_item* operation = add(Own::k_operation, CTDB_OFF_OPERATION);
  add(Own::k_destnode, CTDB_OFF_DESTNODE);
  add(Own::k_srcnode, CTDB_OFF_SRCNODE);
  proto_item_set_hidden(add(Own::k_node, CTDB_OFF_DESTNODE));
  proto_item_set_hidden(add(Own::k_node, CTDB_OFF_SRCNODE));
  add(Own::k_reqid, CTDB_OFF_REQID);
  if (p.connection != 0)
    proto_item_set_generated(
        proto_tree_add_uint(header, hf(Own::k_client), p.tvb, 0, 0, static_cast<uint32_t>(p.connection)));
  if (tvb_get_letohl(p.tvb, CTDB_OFF_VERSION) != CTDB_PROTOCOL_VERSION)
    complain(p.pinfo, version, Expert::k_bad_version);
  if (p.length != tvb_reported_length(p.tvb)) complain(p.pinfo, length, Expert::k_bad_length);
  if (p.over_tcp && p.length % 8 != 0) complain(p.pinfo, length, Expert::k_unpadded);
  if (p.operation == nullptr) complain(p.pinfo, operation, Expert::k_unknown_operation);
  if (p.over_tcp && p.facts.destnode >= CTDB_BROADCAST_ALL && p.facts.destnode <= CTDB_MULTICAST)
    complain(p.pinfo, p.item, Expert::k_broadcast_on_link);
}

void read_header(Packet& p) {
  p.length = tvb_get_letohl(p.tvb, CTDB_OFF_LENGTH);
  p.facts.generation = tvb_get_letohl(p.tvb, CTDB_OFF_GENERATION);
  p.facts.operation = tvb_get_letohl(p.tvb, CTDB_OFF_OPERATION);
  p.facts.destnode = tvb_get_letohl(p.tvb, CTDB_OFF_DESTNODE);
  p.facts.srcnode = tvb_get_letohl(p.tvb, CTDB_OFF_SRCNODE);
  p.facts.reqid = tvb_get_letohl(p.tvb, CTDB_OFF_REQID);
  p.operation = find_operation(p.facts.operation);
}

int64_t nanoseconds(const nstime_t& time) {
  return static_cast<int64_t>(time.secs) * 1000000000 + time.nsecs;
}

uint32_t word_if_there(const Packet& p, int at) {
  return tvb_bytes_exist(p.tvb, at, 4) ? tvb_get_letohl(p.tvb, at) : 0;
}

void find_place(Packet& p) {
  constexpr int kControlAt = 32, kControlFlagsAt = 52, kCallidAt = 40, kHopcountAt = 44, kDmasterAt = 48;
  Arrival a;
  a.frame = p.pinfo->num;
  a.index = p.index;
  a.time_ns = nanoseconds(p.pinfo->abs_ts);
  a.connection = p.connection;
  a.operation = p.facts.operation;
  a.srcnode = p.facts.srcnode;
  a.destnode = p.facts.destnode;
  a.reqid = p.facts.reqid;
  if (a.operation == kREQ_CONTROL)
    a.control = word_if_there(p, kControlAt), a.control_flags = word_if_there(p, kControlFlagsAt);
  if (a.operation == kREQ_CALL)
    a.hopcount = word_if_there(p, kHopcountAt), a.callid = word_if_there(p, kCallidAt);
  if (a.operation == kREQ_DMASTER) a.dmaster = word_if_there(p, kDmasterAt);
  p.place = &exchanges().place_of(a);
  const Exchange* exchange = p.place->exchange;
  if (a.operation == kREPLY_CONTROL && exchange != nullptr)
    p.facts.control = exchange->control, p.facts.has_control = true;
  if (a.operation == kREPLY_CALL && exchange != nullptr) p.facts.callid = exchange->callid;
}

void judge(Packet& p) {
  Sighting s;
  s.frame = p.pinfo->num;
  s.index = p.index;
  s.operation = p.facts.operation;
  s.srcnode = p.facts.srcnode;
  s.destnode = p.facts.destnode;
  s.generation = p.facts.generation;
  s.dmaster = p.facts.dmaster;
  s.has_rsn = p.facts.has_rsn;
  s.rsn = p.facts.rsn;
  s.has_key = p.facts.has_db && p.facts.has_key;
  s.db_id = p.facts.db_id;
  // walk() has read the key, so it is there and this does not throw.
  if (s.has_key && p.facts.key_size > 0)
    s.key.assign(reinterpret_cast<const char*>(tvb_get_ptr(p.tvb, p.facts.key_at, p.facts.key_size)),
                 static_cast<size_t>(p.facts.key_size));
  p.judgement = &records().judge(s);
  Exchange* exchange = p.place->exchange;
  if (exchange != nullptr && exchange->record == 0 && p.judgement->record != nullptr)
    exchange->record = p.judgement->record->number;
}

void show_payload(Packet& p) {
  Walk w = {};
  w.tvb = p.tvb;
  w.pinfo = p.pinfo;
  w.tree = p.tree;
  w.item = p.item;
  w.facts = &p.facts;
  w.at = CTDB_HEADER_SIZE;
  const int reported = static_cast<int>(std::min<uint32_t>(p.length, tvb_reported_length(p.tvb)));
  const int captured = static_cast<int>(tvb_captured_length(p.tvb));
  w.end = std::min(reported, captured);
  w.cut = captured < reported;
  const Layout layout = p.operation != nullptr ? p.operation->payload : Layout::k_raw;
  if (p.place->orphan && p.facts.operation == kREPLY_CONTROL) complain(p.pinfo, p.item, Expert::k_no_request);
  walk(w, layout);
  const bool ours = p.facts.operation >= kHELLO;
  if (ours && layout != Layout::k_none && !w.stopped && w.end - w.at > kPaddingMax) {
    proto_item* left = proto_tree_add_item(p.tree, hf(Own::k_unexplained), p.tvb, w.at, w.end - w.at, ENC_NA);
    complain(p.pinfo, left, Expert::k_unexplained);
  }
}

void show_frame(Packet& p, Own which, uint32_t frame) {
  if (frame == 0 || frame == p.pinfo->num) return;
  proto_item_set_generated(proto_tree_add_uint(p.tree, hf(which), p.tvb, 0, 0, frame));
}

// For conversation filters.
void remember_number(packet_info* pinfo, uint32_t slot, uint32_t number) {
  auto* kept = wmem_new(pinfo->pool, uint32_t);
  *kept = number;
  p_remove_proto_data(pinfo->pool, pinfo, protocol(), slot);
  p_add_proto_data(pinfo->pool, pinfo, protocol(), slot, kept);
}

nstime_t response_time(const Exchange& exchange) {
  const int64_t ns = exchange.reply_ns - exchange.request_ns;
  nstime_t time;
  time.secs = static_cast<time_t>(ns / 1000000000);
  time.nsecs = static_cast<int>(ns % 1000000000);
  return time;
}

void show_exchange(Packet& p) {
  constexpr size_t kStepsShownMax = 100;
  const Exchange* exchange = p.place->exchange;
  if (exchange == nullptr) return;
  proto_item_set_generated(proto_tree_add_uint(p.tree, hf(Own::k_call_id), p.tvb, 0, 0, exchange->number));
  remember_number(p.pinfo, kExchangeSlot, exchange->number);
  show_frame(p, Own::k_request_in, exchange->request_frame);
  for (size_t i = 0; i < std::min(exchange->steps.size(), kStepsShownMax); ++i)
    show_frame(p, Own::k_step_in, exchange->steps[i]);
  show_frame(p, Own::k_reply_in, exchange->reply_frame);
  if (p.place->part == Part::kReply && exchange->reply_frame == p.pinfo->num) {
    const nstime_t time = response_time(*exchange);
    proto_item_set_generated(proto_tree_add_time(p.tree, hf(Own::k_time), p.tvb, 0, 0, &time));
  }
  if (p.facts.operation == kREPLY_CONTROL)
    proto_item_set_generated(proto_tree_add_uint(p.tree, hf(Own::k_control), p.tvb, 0, 0, exchange->control));
}

void show_record(Packet& p) {
  const Record* record = p.judgement->record;
  if (record == nullptr && p.place->exchange != nullptr) record = records().find(p.place->exchange->record);
  if (record == nullptr) return;
  proto_item_set_generated(proto_tree_add_uint(p.tree, hf(Own::k_record_id), p.tvb, 0, 0, record->number));
  remember_number(p.pinfo, kRecordSlot, record->number);
  const auto& frames = record->frames;
  const auto here = std::lower_bound(frames.begin(), frames.end(), p.pinfo->num);
  if (here != frames.begin()) show_frame(p, Own::k_previous_in, *(here - 1));
  const auto after = std::upper_bound(here, frames.end(), p.pinfo->num);
  if (after != frames.end()) show_frame(p, Own::k_next_in, *after);
}

bool moves_records(uint32_t operation) {
  return operation == kREQ_CALL || operation == kREPLY_CALL || operation == kREQ_DMASTER ||
         operation == kREPLY_DMASTER;
}

void complain_of_exchange(Packet& p) {
  const Exchange* exchange = p.place->exchange;
  if (p.place->second_reply) complain(p.pinfo, p.item, Expert::k_second_reply);
  if (p.place->hop_back) complain(p.pinfo, p.item, Expert::k_hop_back);
  // Only when the whole capture has been read it can be said that there is none.
  const bool waits = exchange != nullptr && p.place->part == Part::kRequest && exchange->wants_reply;
  if (waits && exchange->reply_frame == 0 && PINFO_FD_VISITED(p.pinfo))
    complain(p.pinfo, p.item, Expert::k_no_reply);
}

void complain_of_control(Packet& p) {
  if (p.facts.operation != kREQ_CONTROL) return;
  const ControlRow* control = find_control(p.facts.control);
  if (control == nullptr) complain(p.pinfo, p.item, Expert::k_unknown_control);
  if (control != nullptr && !control->served) complain(p.pinfo, p.item, Expert::k_obsolete_control);
  const bool broadcast = p.facts.destnode >= CTDB_BROADCAST_ALL && p.facts.destnode <= CTDB_MULTICAST;
  if (broadcast && (p.facts.control_flags & CTDB_CONTROL_NOREPLY) == 0)
    complain(p.pinfo, p.item, Expert::k_never_answered);
}

void complain_of_record(Packet& p) {
  if (p.judgement->granted_twice) complain(p.pinfo, p.item, Expert::k_granted_twice);
  if (p.judgement->rsn_back) complain(p.pinfo, p.item, Expert::k_rsn_back);
  if (p.connection != 0) return;  // clients do not fill the generation
  if (p.judgement->old_generation) complain(p.pinfo, p.item, Expert::k_old_generation);
  if (moves_records(p.facts.operation) && p.facts.generation == CTDB_INVALID_GENERATION)
    complain(p.pinfo, p.item, Expert::k_invalid_generation);
}

void complain_of_values(Packet& p) {
  const Facts& f = p.facts;
  if (f.operation == kREQ_CALL && f.hopcount > 1)
    complain(p.pinfo, p.item, f.hopcount > kManyHops ? Expert::k_many_hops : Expert::k_hops);
  const bool fails = f.has_status && (f.status < 0 || f.operation == kREPLY_ERROR);
  if (fails) complain(p.pinfo, p.item, Expert::k_failed);
  if (f.operation != kREQ_KEEPALIVE || f.version == 0) return;
  if (first_keepalive_version() == 0) first_keepalive_version() = f.version;
  if (f.version != first_keepalive_version()) complain(p.pinfo, p.item, Expert::k_mixed_versions);
}

const char* node_text(packet_info* pinfo, uint32_t node) {
  const char* name = name_of(Set::k_node, node);
  return name != nullptr ? name : wmem_strdup_printf(pinfo->pool, "%u", node);
}

const char* control_text(const Packet& p) {
  if (!p.facts.has_control) return "";
  const char* name = name_of(Set::k_opcode, p.facts.control);
  return name != nullptr ? name : wmem_strdup_printf(p.pinfo->pool, "control %u", p.facts.control);
}

// Behind "REQ_CALL 0 -> 1": what a person wants to know first.
void describe_payload(const Packet& p, wmem_strbuf_t* info) {
  const Facts& f = p.facts;
  if (f.operation == kREQ_CONTROL || f.operation == kREPLY_CONTROL)
    wmem_strbuf_append_printf(info, " %s", control_text(p));
  if (f.operation == kREQ_MESSAGE) {
    const char* name = srvid_name(f.srvid);
    wmem_strbuf_append_printf(info, " %s 0x%" G_GINT64_MODIFIER "x", name != nullptr ? name : "srvid",
                              f.srvid);
  }
  if (f.has_db) {
    const char* name = database_name(f.db_id);
    name != nullptr ? wmem_strbuf_append_printf(info, " %s", name)
                    : wmem_strbuf_append_printf(info, " db 0x%08x", f.db_id);
  }
  if (f.has_key) wmem_strbuf_append_printf(info, " [%s]", f.key_text);
  if (f.operation == kREQ_CALL && f.hopcount > 0) wmem_strbuf_append_printf(info, " hop %u", f.hopcount);
  if (f.operation == kREQ_DMASTER)
    wmem_strbuf_append_printf(info, " to node %s", node_text(p.pinfo, f.dmaster));
  if (f.has_rsn) wmem_strbuf_append_printf(info, " rsn %" G_GINT64_MODIFIER "u", f.rsn);
  if (f.has_status && (f.status != 0 || f.operation == kREPLY_ERROR))
    wmem_strbuf_append_printf(info, " status %d", f.status);
  if (f.text != nullptr) wmem_strbuf_append_printf(info, " \"%s\"", f.text);
}

void describe(Packet& p) {
  wmem_strbuf_t* info = wmem_strbuf_new(p.pinfo->pool, nullptr);
  if (p.operation != nullptr)
    wmem_strbuf_append(info, p.operation->name);
  else
    wmem_strbuf_append_printf(info, "operation %u", p.facts.operation);
  wmem_strbuf_append_printf(info, " %s -> %s", node_text(p.pinfo, p.facts.srcnode),
                            node_text(p.pinfo, p.facts.destnode));
  describe_payload(p, info);
  const char* text = wmem_strbuf_get_str(info);
  proto_item_append_text(p.item, ", %s", text);
  col_append_sep_str(p.pinfo->cinfo, COL_INFO, " | ", text);
  if (p.pinfo->src.type == AT_NONE) {
    col_add_fstr(p.pinfo->cinfo, COL_DEF_SRC, "node %s", node_text(p.pinfo, p.facts.srcnode));
    col_add_fstr(p.pinfo->cinfo, COL_DEF_DST, "node %s", node_text(p.pinfo, p.facts.destnode));
  }
}

void tell_taps(const Packet& p) {
  if (!have_tap_listener(tap())) return;
  auto* out = wmem_new0(p.pinfo->pool, TapPacket);
  out->facts = p.facts;
  out->length = p.length;
  out->operation_name = p.operation != nullptr ? p.operation->name : "unknown";
  if (p.facts.has_control) out->control_name = name_of(Set::k_opcode, p.facts.control);
  const Exchange* exchange = p.place->exchange;
  out->is_reply = p.place->part == Part::kReply;
  out->is_migration =
      out->is_reply && (p.facts.operation == kREPLY_DMASTER || p.facts.operation == kREQ_DMASTER);
  if (out->is_reply && exchange != nullptr && exchange->reply_frame == p.pinfo->num) {
    out->has_time = true;
    out->time = response_time(*exchange);
  }
  tap_queue_packet(tap(), p.pinfo, out);
}

int reject(tvbuff_t* tvb, packet_info* pinfo, proto_item* item) {
  complain(pinfo, item, Expert::k_bad_magic);
  return static_cast<int>(tvb_captured_length(tvb));
}

}  // namespace

bool looks_like_packet(tvbuff_t* tvb, int at) {
  if (!tvb_bytes_exist(tvb, at, CTDB_OFF_VERSION)) return false;
  const uint32_t length = tvb_get_letohl(tvb, at + CTDB_OFF_LENGTH);
  return length >= CTDB_HEADER_SIZE && length <= kLengthMax &&
         tvb_get_letohl(tvb, at + CTDB_OFF_MAGIC) == CTDB_MAGIC;
}

int dissect_packet(tvbuff_t* tvb, packet_info* pinfo, proto_tree* tree, void* data) {
  Packet p = {};
  p.tvb = tvb;
  p.pinfo = pinfo;
  p.over_tcp = data != nullptr;
  p.index = next_index(pinfo);
  p.connection = client_connection(pinfo);
  p.item = proto_tree_add_item(tree, protocol(), tvb, 0, -1, ENC_NA);
  p.tree = proto_item_add_subtree(p.item, ett());
  col_set_str(pinfo->cinfo, COL_PROTOCOL, "CTDBX");
  if (!tvb_bytes_exist(tvb, 0, CTDB_HEADER_SIZE) || !looks_like_packet(tvb, 0))
    return reject(tvb, pinfo, p.item);
  read_header(p);
  show_header(p);
  find_place(p);
  show_payload(p);
  judge(p);
  show_exchange(p);
  show_record(p);
  complain_of_exchange(p);
  complain_of_control(p);
  complain_of_record(p);
  complain_of_values(p);
  describe(p);
  tell_taps(p);
  return static_cast<int>(tvb_captured_length(tvb));
}

void forget_capture() {
  exchanges().clear();
  forget_chunks();
  records().clear();
  first_keepalive_version() = 0;
  forget_learned_databases();
}

}  // namespace ctdbx
