// SPDX-License-Identifier: GPL-2.0-or-later
// -z conv,ctdbx and -z endpoints,ctdbx, and the windows Conversations and Endpoints: who talks to whom, by node.
#include <epan/address_types.h>
#include <epan/conversation_table.h>
#include <epan/to_str.h>

#include <cstdio>
#include <cstring>

#include "wireshark/dissect.h"
#include "wireshark/registry.h"

namespace ctdbx {
namespace {

int node_address = -1;  // the type of address whose four bytes are a node's number

constexpr int kNodeTextMax = 24;

// A number and no name: Wireshark makes filters of this text.
int write_node(const address* node, char* out, int room) {
  uint32_t number = 0;
  std::memcpy(&number, node->data, sizeof number);
  const char* form = number >= CTDB_CURRENT_NODE ? "0x%08x" : "%u";
  return std::snprintf(out, static_cast<size_t>(room), form, static_cast<unsigned>(number)) + 1;
}
int node_text_size(const address*) {
  return kNodeTextMax;
}
int node_bytes() {
  return sizeof(uint32_t);
}

const char* conversation_field(conv_item_t*, conv_filter_type_e which) {
  switch (which) {
    case CONV_FT_SRC_ADDRESS:
      return "ctdbx.src";
    case CONV_FT_DST_ADDRESS:
      return "ctdbx.dst";
    case CONV_FT_ANY_ADDRESS:
      return "ctdbx.node";
    default:
      return CONV_FILTER_INVALID;
  }
}
const char* endpoint_field(endpoint_item_t*, conv_filter_type_e which) {
  return conversation_field(nullptr, which);
}
ct_dissector_info_t conversation_info = {conversation_field};
et_dissector_info_t endpoint_info = {endpoint_field};

address address_of(const uint32_t& node) {
  address out;
  set_address(&out, node_address, sizeof node, &node);
  return out;
}

// The tables copy the addresses.
tap_packet_status conversation_packet(void* table, packet_info* pinfo, epan_dissect_t*, const void* data,
                                      tap_flags_t flags) {
  const TapPacket& p = *static_cast<const TapPacket*>(data);
  auto* hash = static_cast<conv_hash_t*>(table);
  hash->flags = flags;
  const address from = address_of(p.facts.srcnode), to = address_of(p.facts.destnode);
  add_conversation_table_data(hash, &from, &to, 0, 0, 1, static_cast<int>(p.length), &pinfo->rel_ts,
                              &pinfo->abs_ts, &conversation_info, CONVERSATION_NONE);
  return TAP_PACKET_REDRAW;
}
tap_packet_status endpoint_packet(void* table, packet_info*, epan_dissect_t*, const void* data,
                                  tap_flags_t flags) {
  const TapPacket& p = *static_cast<const TapPacket*>(data);
  auto* hash = static_cast<conv_hash_t*>(table);
  hash->flags = flags;
  const address from = address_of(p.facts.srcnode), to = address_of(p.facts.destnode);
  add_endpoint_table_data(hash, &from, 0, TRUE, 1, static_cast<int>(p.length), &endpoint_info, ENDPOINT_NONE);
  add_endpoint_table_data(hash, &to, 0, FALSE, 1, static_cast<int>(p.length), &endpoint_info, ENDPOINT_NONE);
  return TAP_PACKET_REDRAW;
}

}  // namespace

void register_conversations() {
  node_address = address_type_dissector_register("AT_CTDB_NODE", "CTDB node", write_node, node_text_size,
                                                 nullptr, nullptr, node_bytes, nullptr, nullptr);
  register_conversation_table(protocol(), TRUE, conversation_packet, endpoint_packet);
}

}  // namespace ctdbx
