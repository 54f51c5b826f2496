// SPDX-License-Identifier: GPL-2.0-or-later
// How packets reach the dissector: TCP on the protocol's port, TCP by their look, and captures of routers (link type 252,
// "Wireshark upper PDU"), which name this dissector or the built-in's heuristic.
#include "wireshark/dissect.h"

#include <epan/conversation.h>
#include <epan/dissectors/packet-tcp.h>
#include <epan/prefs.h>

#include "wireshark/registry.h"

namespace ctdbx {
namespace {

BooleanPreference take_over = TRUE;
BooleanPreference reassemble = TRUE;

heur_dissector_t built_in;  // the built-in dissector's heuristic; nullptr: there is none
dissector_handle_t tcp_handle;
constexpr unsigned kLengthField = 4;

unsigned packet_length(packet_info*, tvbuff_t* tvb, int at, void*) {
  const uint32_t length = tvb_get_letohl(tvb, at);
  // Nothing that follows can be found; the dissector says what is wrong with it.
  return looks_like_packet(tvb, at) || !tvb_bytes_exist(tvb, at, 8)
             ? length
             : static_cast<unsigned>(tvb_reported_length_remaining(tvb, at));
}

int dissect_one(tvbuff_t* tvb, packet_info* pinfo, proto_tree* tree, void*) {
  static int over_tcp;
  return dissect_packet(tvb, pinfo, tree, &over_tcp);
}

int dissect_tcp(tvbuff_t* tvb, packet_info* pinfo, proto_tree* tree, void* data) {
  col_set_str(pinfo->cinfo, COL_PROTOCOL, "CTDBX");
  col_clear(pinfo->cinfo, COL_INFO);
  tcp_dissect_pdus(tvb, pinfo, tree, reassemble, kLengthField, packet_length, dissect_one, data);
  return static_cast<int>(tvb_captured_length(tvb));
}

Boolean recognise_tcp(tvbuff_t* tvb, packet_info* pinfo, proto_tree* tree, void* data) {
  const bool left_to_built_in = !take_over && built_in != nullptr;
  if (left_to_built_in || !looks_like_packet(tvb, 0)) return FALSE;
  conversation_set_dissector(find_or_create_conversation(pinfo), tcp_handle);
  dissect_tcp(tvb, pinfo, tree, data);
  return TRUE;
}

int dissect_captured(tvbuff_t* tvb, packet_info* pinfo, proto_tree* tree, void*) {
  col_clear(pinfo->cinfo, COL_INFO);
  return dissect_packet(tvb, pinfo, tree, nullptr);
}

// A frame that is about a connection; no other dissector knows it.
int dissect_captured_frame(tvbuff_t* tvb, packet_info* pinfo, proto_tree* tree, void* data) {
  col_clear(pinfo->cinfo, COL_INFO);
  return dissect_ring_frame(tvb, pinfo, tree, data);
}

// In the place of the built-in's heuristic. Without our protocol it is still the built-in's.
Boolean recognise_captured(tvbuff_t* tvb, packet_info* pinfo, proto_tree* tree, void* data) {
  if (!proto_is_protocol_enabled(find_protocol_by_id(protocol()))) return built_in(tvb, pinfo, tree, data);
  const bool captured = pinfo->rec != nullptr &&
                        pinfo->rec->rec_header.packet_header.pkt_encap == WTAP_ENCAP_WIRESHARK_UPPER_PDU;
  if (!captured) return recognise_tcp(tvb, pinfo, tree, data);
  dissect_captured(tvb, pinfo, tree, data);
  return TRUE;
}

// The built-in's entry in the list of heuristics becomes ours or its own again: files that name it open with or without this plugin.
void share_traffic() {
  heur_dtbl_entry_t* entry = find_heur_dissector_by_unique_short_name("ctdb_tcp");
  if (entry == nullptr) return;
  if (built_in == nullptr) built_in = entry->dissector;
  entry->dissector = take_over ? recognise_captured : built_in;
  if (take_over)
    dissector_add_uint("tcp.port", CTDB_TCP_PORT, tcp_handle);
  else
    dissector_delete_uint("tcp.port", CTDB_TCP_PORT, tcp_handle);
}

}  // namespace

void register_transport() {
  tcp_handle = create_dissector_handle(dissect_tcp, protocol());
  dissector_add_for_decode_as("tcp.port", tcp_handle);
  heur_dissector_add("tcp", recognise_tcp, "Clustered TDB over TCP, all packets", "ctdbx_tcp", protocol(),
                     HEURISTIC_ENABLE);
  share_traffic();
}

// Called from plugin.cc when protocols register.
void register_preferences() {
  register_dissector("ctdbx", dissect_captured, protocol());
  register_dissector("ctdbx_ring", dissect_captured_frame, protocol());
  module_t* module = prefs_register_protocol(protocol(), share_traffic);
  prefs_register_bool_preference(module, "take_over", "Take over the built-in CTDB dissector's traffic",
                                 "Also the packets that its heuristic finds, and port 4379", &take_over);
  prefs_register_bool_preference(module, "reassemble", "Reassemble packets that take several TCP segments",
                                 "Also allow it in the preferences of TCP", &reassemble);
}

}  // namespace ctdbx
