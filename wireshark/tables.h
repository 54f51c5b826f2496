// SPDX-License-Identifier: GPL-2.0-or-later
// messages.def, layouts.def, names.def, meanings.def and experts.def as data, without Wireshark: which bytes follow each
// other in a payload, and what values are called.
#ifndef WIRESHARK_TABLES_H_
#define WIRESHARK_TABLES_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "libctdbipc/wire/db_statistics_layout.h"
#include "libctdbipc/wire/layout.h"

namespace ctdbx {

enum class Layout : uint8_t {
#define CTDBX_LAYOUT(layout) k_##layout,
#include "wireshark/layouts.def"
  kCount
};

enum class Set : uint8_t {
#define CTDBX_SET(set) k_##set,
#include "wireshark/names.def"
  kCount
};

enum class Kind : uint8_t {
  k_u8,
  k_u16,
  k_u32,
  k_u64,
  k_i32,
  k_i64,
  k_f64,
  k_x32,
  k_x64,
  k_named,
  k_named8,
  k_named16,
  k_flags,
  k_flags8,
  k_pnn,
  k_db,
  k_srvid,
  k_rsn,
  k_bool32,
  k_bool8,
  k_timeval,
  k_wall_ns,
  k_ns,
  k_pad,
  k_later,
  k_fixed,
  k_chars,
  k_text,
  k_key,
  k_bytes,
  k_name_text,
  k_key_length,
  k_data_length,
  k_error_length,
  k_sized_key,
  k_sized_data,
  k_call_data,
  k_error_text,
  k_record,
  k_trailing_flags,
  k_count,
  k_fixed_count,
  k_each,
  k_sub,
  k_counted,
  k_string,
  k_name_string,
  k_rest,
  k_called_data,
  k_sock_addr,
  k_hot_keys,
  k_message_data,
  k_control_data,
  k_reply_data,
};

// One row of layouts.def. `extra`: the row's number, or a Set or Layout.
struct FieldRow {
  Layout layout;
  const char* layout_name;
  const char* name;
  const char* title;
  Kind kind;
  int extra;
};
std::span<const FieldRow> all_fields();
std::span<const FieldRow> fields_of(Layout layout);

struct ValueRow {
  Set set;
  uint32_t value;
  const char* text;
};
std::span<const ValueRow> all_values();
struct FlagRow {
  Set set;
  uint32_t bit;
  const char* set_name;
  const char* field;
  const char* text;
};
std::span<const FlagRow> all_flags();
// nullptr: it has no name.
const char* name_of(Set set, uint32_t value);

struct OperationRow {
  uint32_t number;
  const char* name;
  Layout payload;
  uint32_t reply;  // its number; kNoReply
};
inline constexpr uint32_t kNoReply = 0xFFFFFFFFu;
// The operations' numbers by name.
enum OperationNumber : uint32_t {
#define CTDB_OPERATION(number, name, payload, reply, server) k##name = (number),
#include "libctdbipc/wire/messages.def"
};
// The operation that `reply` answers; kNoReply: it answers none.
uint32_t request_of(uint32_t reply);
const OperationRow* find_operation(uint32_t number);

struct ControlRow {
  uint32_t number;
  const char* name;
  Layout request, reply;
  bool served;
};
std::span<const ControlRow> all_controls();
const ControlRow* find_control(uint32_t number);

// What the data of a call of this function are; k_raw: nothing is specified.
Layout call_layout(uint32_t callid);

// What a message to this srvid says, as far as the protocol knows.
Layout message_layout(uint64_t srvid, size_t size);
// "LEADER", "samba", "process", …: the range's name.
const char* srvid_name(uint64_t srvid);

enum class Expert : uint8_t {
#define CTDBX_EXPERT(name, group, severity, text) k_##name,
#include "wireshark/experts.def"
#undef CTDBX_EXPERT
  kCount
};

}  // namespace ctdbx

#endif  // WIRESHARK_TABLES_H_
