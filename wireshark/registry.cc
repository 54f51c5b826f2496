// SPDX-License-Identifier: GPL-2.0-or-later
#include "wireshark/registry.h"

#include <array>
#include <deque>
#include <string>
#include <vector>

namespace ctdbx {
namespace {

// Wireshark keeps pointers to all of this for the life of the process.
struct Handles {
  int protocol = -1, ett = -1, ett_below = -1;
  std::array<int, static_cast<size_t>(Own::kCount)> own;
  std::vector<int> fields, flags;
  std::array<expert_field, static_cast<size_t>(Expert::kCount)> experts;
  std::array<std::vector<value_string>, static_cast<size_t>(Set::kCount)> names;
  std::deque<std::string> texts;  // does not move what it holds
  std::vector<hf_register_info> rows;
  std::vector<ei_register_info> expert_rows;
};
Handles& handles() {
  static Handles the;
  return the;
}

const char* keep(std::string text) {
  return handles().texts.emplace_back(std::move(text)).c_str();
}

void make_names() {
  for (const ValueRow& row : all_values())
    handles().names[static_cast<size_t>(row.set)].push_back({row.value, row.text});
  for (auto& names : handles().names) names.push_back({0, nullptr});
}
const value_string* names_of(Set set) {
  return handles().names[static_cast<size_t>(set)].data();
}

void add(int* id, const char* title, const char* abbrev, ftenum type, int base, const void* strings) {
  *id = -1;
  if (strings == names_of(Set::k_node)) base |= BASE_SPECIAL_VALS;  // few numbers have names
  const header_field_info info = {title, abbrev,           type, base,   strings, 0, nullptr, -1,
                                  0,     HF_REF_TYPE_NONE, -1,   nullptr};
  handles().rows.push_back({id, info});
}

struct Form {
  ftenum type;
  int base;
};
Form form_of(Kind kind) {
  switch (kind) {
    case Kind::k_u8:
    case Kind::k_named8:
      return {FT_UINT8, BASE_DEC};
    case Kind::k_flags8:
      return {FT_UINT8, BASE_HEX};
    case Kind::k_u16:
    case Kind::k_named16:
      return {FT_UINT16, BASE_DEC};
    case Kind::k_u64:
    case Kind::k_rsn:
      return {FT_UINT64, BASE_DEC};
    case Kind::k_x64:
    case Kind::k_srvid:
      return {FT_UINT64, BASE_HEX};
    case Kind::k_i32:
      return {FT_INT32, BASE_DEC};
    case Kind::k_i64:
      return {FT_INT64, BASE_DEC};
    case Kind::k_f64:
      return {FT_DOUBLE, BASE_NONE};
    case Kind::k_x32:
    case Kind::k_flags:
    case Kind::k_trailing_flags:
    case Kind::k_db:
      return {FT_UINT32, BASE_HEX};
    case Kind::k_bool32:
    case Kind::k_bool8:
      return {FT_BOOLEAN, BASE_NONE};
    case Kind::k_timeval:
    case Kind::k_wall_ns:
      return {FT_ABSOLUTE_TIME, ABSOLUTE_TIME_UTC};
    case Kind::k_ns:
      return {FT_RELATIVE_TIME, BASE_NONE};
    case Kind::k_chars:
    case Kind::k_text:
    case Kind::k_name_text:
    case Kind::k_error_text:
    case Kind::k_string:
    case Kind::k_name_string:
      return {FT_STRING, BASE_NONE};
    case Kind::k_pad:
    case Kind::k_later:
    case Kind::k_fixed:
    case Kind::k_key:
    case Kind::k_bytes:
    case Kind::k_sized_key:
    case Kind::k_sized_data:
    case Kind::k_call_data:
    case Kind::k_rest:
    case Kind::k_called_data:
    case Kind::k_message_data:
    case Kind::k_control_data:
    case Kind::k_reply_data:
      return {FT_BYTES, BASE_NONE};
    case Kind::k_record:
    case Kind::k_fixed_count:
    case Kind::k_each:
    case Kind::k_sub:
    case Kind::k_counted:
    case Kind::k_sock_addr:
    case Kind::k_hot_keys:
      return {FT_NONE, BASE_NONE};
    case Kind::k_u32:
    case Kind::k_named:
    case Kind::k_pnn:
    case Kind::k_key_length:
    case Kind::k_data_length:
    case Kind::k_error_length:
    case Kind::k_count:
      break;
  }
  return {FT_UINT32, BASE_DEC};
}

const void* strings_of(const FieldRow& row) {
  if (row.kind == Kind::k_pnn) return names_of(Set::k_node);
  if (row.kind == Kind::k_named || row.kind == Kind::k_named8 || row.kind == Kind::k_named16)
    return names_of(static_cast<Set>(row.extra));
  return nullptr;
}

// What has one meaning wherever it stands has one name in filters.
std::string abbrev_of(const FieldRow& row) {
  const std::string name = row.name;
  if (row.kind == Kind::k_db) return "ctdbx.db_id";
  if (row.kind == Kind::k_rsn) return "ctdbx.rsn";
  if (row.kind == Kind::k_trailing_flags) return "ctdbx.record_flags";
  if (row.kind == Kind::k_flags && static_cast<Set>(row.extra) == Set::k_record_flags)
    return "ctdbx.record_flags";
  if (row.kind == Kind::k_srvid) return "ctdbx.srvid";
  if (name == "dmaster" || name == "status" || name == "hopcount") return "ctdbx." + name;
  return std::string("ctdbx.") + row.layout_name + "." + name;
}

void add_own() {
  auto& own = handles().own;
#define CTDBX_ADD(id, title, abbrev, type, base, set)                    \
  add(&own[static_cast<size_t>(Own::k_##id)], title, abbrev, type, base, \
      set == Set::kCount ? nullptr : names_of(set));
  CTDBX_OWN_FIELDS(CTDBX_ADD)
#undef CTDBX_ADD
  const auto frame = [&own](Own which, const char* title, const char* abbrev, ft_framenum_type kind) {
    // NOLINTNEXTLINE(performance-no-int-to-ptr): that is how epan passes a number where other fields have strings
    add(&own[static_cast<size_t>(which)], title, abbrev, FT_FRAMENUM, BASE_NONE, FRAMENUM_TYPE(kind));
  };
  frame(Own::k_request_in, "Request in", "ctdbx.request_in", FT_FRAMENUM_REQUEST);
  frame(Own::k_reply_in, "Reply in", "ctdbx.reply_in", FT_FRAMENUM_RESPONSE);
  frame(Own::k_step_in, "On its way in", "ctdbx.step_in", FT_FRAMENUM_NONE);
  frame(Own::k_previous_in, "Record's previous packet", "ctdbx.record.previous_in", FT_FRAMENUM_NONE);
  frame(Own::k_next_in, "Record's next packet", "ctdbx.record.next_in", FT_FRAMENUM_NONE);
}

void add_fields() {
  const auto rows = all_fields();
  handles().fields.assign(rows.size(), -1);
  for (size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].kind == Kind::k_pad || rows[i].kind == Kind::k_later) continue;
    const Form form = form_of(rows[i].kind);
    add(&handles().fields[i], rows[i].title, keep(abbrev_of(rows[i])), form.type, form.base,
        strings_of(rows[i]));
  }
}

void add_flags() {
  const auto rows = all_flags();
  handles().flags.assign(rows.size(), -1);
  for (size_t i = 0; i < rows.size(); ++i)
    add(&handles().flags[i], rows[i].text,
        keep(std::string("ctdbx.") + rows[i].set_name + "." + rows[i].field), FT_BOOLEAN, BASE_NONE, nullptr);
}

void add_experts() {
  struct Row {
    const char* name;
    int group, severity;
    const char* text;
  };
  static const Row rows[] = {
#define CTDBX_EXPERT(name, group, severity, text) {"ctdbx.expert." #name, PI_##group, PI_##severity, text},
#include "wireshark/experts.def"
#undef CTDBX_EXPERT
  };
  for (size_t i = 0; i < std::size(rows); ++i) {
    ei_register_info row = {};
    row.ids = &handles().experts[i];
    *row.ids = EI_INIT;
    row.eiinfo.name = rows[i].name;
    row.eiinfo.group = rows[i].group;
    row.eiinfo.severity = rows[i].severity;
    row.eiinfo.summary = rows[i].text;
    row.eiinfo.hf_info = {
        nullptr,
        {nullptr, nullptr, FT_NONE, BASE_NONE, nullptr, 0, nullptr, -1, 0, HF_REF_TYPE_NONE, -1, nullptr}};
    handles().expert_rows.push_back(row);
  }
}

}  // namespace

int hf(Own which) {
  return handles().own[static_cast<size_t>(which)];
}
int hf(const FieldRow& row) {
  return handles().fields[static_cast<size_t>(&row - all_fields().data())];
}
int hf(const FlagRow& row) {
  return handles().flags[static_cast<size_t>(&row - all_flags().data())];
}
int ett() {
  return handles().ett;
}
int ett_below() {
  return handles().ett_below;
}
expert_field* expert_of(Expert which) {
  return &handles().experts[static_cast<size_t>(which)];
}
int protocol() {
  return handles().protocol;
}

void register_everything() {
  Handles& the = handles();
  the.protocol = proto_register_protocol("Clustered TDB (all packets)", "CTDBX", "ctdbx");
  make_names();
  add_own();
  add_fields();
  add_flags();
  proto_register_field_array(the.protocol, the.rows.data(), static_cast<int>(the.rows.size()));
  static int* etts[] = {&the.ett, &the.ett_below};
  proto_register_subtree_array(etts, static_cast<int>(std::size(etts)));
  add_experts();
  expert_register_field_array(expert_register_protocol(the.protocol), the.expert_rows.data(),
                              static_cast<int>(the.expert_rows.size()));
}

}  // namespace ctdbx
