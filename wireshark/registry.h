// SPDX-License-Identifier: GPL-2.0-or-later
// Everything that is registered with Wireshark for the fields of the tables, and the handles that came back.
#ifndef WIRESHARK_REGISTRY_H_
#define WIRESHARK_REGISTRY_H_

#include "wireshark/epan_api.h"
#include "wireshark/tables.h"

namespace ctdbx {

// Fields that no layout has: header, what was found out about the packet, parts of fields.
#define CTDBX_OWN_FIELDS(F)                                                                      \
  F(length, "Length", "ctdbx.length", FT_UINT32, BASE_DEC, Set::kCount)                          \
  F(magic, "Magic", "ctdbx.magic", FT_UINT32, BASE_HEX, Set::kCount)                             \
  F(version, "Version", "ctdbx.version", FT_UINT32, BASE_DEC, Set::kCount)                       \
  F(generation, "Generation", "ctdbx.generation", FT_UINT32, BASE_HEX, Set::kCount)              \
  F(operation, "Operation", "ctdbx.operation", FT_UINT32, BASE_DEC, Set::k_operation)            \
  F(destnode, "To node", "ctdbx.dst", FT_UINT32, BASE_DEC, Set::k_node)                          \
  F(srcnode, "From node", "ctdbx.src", FT_UINT32, BASE_DEC, Set::k_node)                         \
  F(reqid, "Request", "ctdbx.reqid", FT_UINT32, BASE_HEX, Set::kCount)                           \
  F(node, "Either node", "ctdbx.node", FT_UINT32, BASE_DEC, Set::k_node)                         \
  F(control, "Control", "ctdbx.control", FT_UINT32, BASE_DEC, Set::k_opcode)                     \
  F(key, "Key", "ctdbx.key", FT_BYTES, BASE_NONE, Set::kCount)                                   \
  F(key_text, "Key says", "ctdbx.key.text", FT_STRING, BASE_NONE, Set::kCount)                   \
  F(db_name, "Database name", "ctdbx.db", FT_STRING, BASE_NONE, Set::kCount)                     \
  F(srvid_name, "Range", "ctdbx.srvid.name", FT_STRING, BASE_NONE, Set::kCount)                  \
  F(ipv4, "IPv4", "ctdbx.address.ipv4", FT_IPv4, BASE_NONE, Set::kCount)                         \
  F(ipv6, "IPv6", "ctdbx.address.ipv6", FT_IPv6, BASE_NONE, Set::kCount)                         \
  F(port, "Port", "ctdbx.address.port", FT_UINT16, BASE_DEC, Set::kCount)                        \
  F(unknown_address, "Unknown family", "ctdbx.address.family", FT_UINT16, BASE_DEC, Set::kCount) \
  F(record_data, "Record data", "ctdbx.record_data", FT_BYTES, BASE_NONE, Set::kCount)           \
  F(unexplained, "Unexplained", "ctdbx.unexplained", FT_BYTES, BASE_NONE, Set::kCount)           \
  F(time, "Response time", "ctdbx.time", FT_RELATIVE_TIME, BASE_NONE, Set::kCount)               \
  F(record_id, "Record number", "ctdbx.record", FT_UINT32, BASE_DEC, Set::kCount)                \
  F(client, "Local client", "ctdbx.client", FT_UINT32, BASE_DEC, Set::kCount)                    \
  F(call_id, "Exchange number", "ctdbx.exchange", FT_UINT32, BASE_DEC, Set::kCount)

enum class Own : uint8_t {
#define CTDBX_ENUM(id, title, abbrev, type, base, set) k_##id,
  CTDBX_OWN_FIELDS(CTDBX_ENUM)
#undef CTDBX_ENUM
      k_request_in,
  k_reply_in,
  k_step_in,
  k_previous_in,
  k_next_in,
  kCount
};

int hf(Own which);
int hf(const FieldRow& row);  // row: of all_fields()
int hf(const FlagRow& row);   // row: of all_flags()
int ett();                    // for the packet
int ett_below();              // for everything inside it
expert_field* expert_of(Expert which);

// The protocol's id; registers all on the first call.
int protocol();
void register_everything();

}  // namespace ctdbx

#endif  // WIRESHARK_REGISTRY_H_
