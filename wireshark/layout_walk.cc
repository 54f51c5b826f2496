// SPDX-License-Identifier: GPL-2.0-or-later
#include "wireshark/layout_walk.h"

#include <epan/to_str.h>

#include <algorithm>
#include <cstring>

#include "wireshark/keys.h"
#include "wireshark/registry.h"

namespace ctdbx {
namespace {

constexpr unsigned kShownMax = 20000;  // elements of one packet
constexpr unsigned kDepthMax = 8;
constexpr size_t kKeyTextMax = 240;

// There are `size` more bytes, or else the walk ends here.
bool there(Walk& w, uint64_t size) {
  if (w.stopped) return false;
  if (size <= static_cast<uint64_t>(w.end - w.at)) return true;
  w.stopped = true;
  complain(w.pinfo, w.item, w.cut ? Expert::k_cut_off : Expert::k_too_short);
  return false;
}

uint32_t u32_at(const Walk& w, int at) {
  return tvb_get_letohl(w.tvb, at);
}

proto_item* add_item(Walk& w, int field, int size) {
  proto_item* item = proto_tree_add_item(w.tree, field, w.tvb, w.at, size, ENC_LITTLE_ENDIAN);
  w.at += size;
  return item;
}
void add_text(Walk& w, int field, int size) {
  proto_tree_add_item(w.tree, field, w.tvb, w.at, size, ENC_UTF_8);
  w.at += size;
}

// One below the item for each bit, and the names of those that are set behind its value.
void add_flags(Walk& w, const FieldRow& row, Set set, int size) {
  if (!there(w, static_cast<unsigned>(size))) return;
  const uint32_t value = size == 1 ? byte_at(w.tvb, w.at) : u32_at(w, w.at);
  const int at = w.at;
  proto_item* item = add_item(w, hf(row), size);
  proto_tree* below = proto_item_add_subtree(item, ett_below());
  const char* separator = " ";
  for (const FlagRow& flag : all_flags()) {
    if (flag.set != set) continue;
    const bool is_set = (value & flag.bit) != 0;
    proto_tree_add_boolean(below, hf(flag), w.tvb, at, size, is_set);
    if (is_set) proto_item_append_text(item, "%s%s", separator, flag.text);
    if (is_set) separator = "|";
  }
}

void add_number(Walk& w, const FieldRow& row, int size) {
  if (there(w, static_cast<unsigned>(size))) add_item(w, hf(row), size);
}

void add_u32(Walk& w, const FieldRow& row, uint32_t* value) {
  if (!there(w, 4)) return;
  *value = u32_at(w, w.at);
  add_item(w, hf(row), 4);
}

void add_db(Walk& w, const FieldRow& row) {
  uint32_t id = 0;
  if (!there(w, 4)) return;
  id = u32_at(w, w.at);
  const int at = w.at;
  proto_item* item = add_item(w, hf(row), 4);
  if (const char* name = database_name(id)) {
    proto_item_append_text(item, " (%s)", name);
    proto_item_set_generated(proto_tree_add_string(proto_item_add_subtree(item, ett_below()),
                                                   hf(Own::k_db_name), w.tvb, at, 4, name));
  }
  if (!w.facts->has_db) w.facts->db_id = id;
  w.facts->has_db = true;
}

void add_srvid(Walk& w, const FieldRow& row) {
  if (!there(w, 8)) return;
  const uint64_t srvid = tvb_get_letoh64(w.tvb, w.at);
  const int at = w.at;
  proto_item* item = add_item(w, hf(row), 8);
  const char* name = srvid == 0 ? nullptr : srvid_name(srvid);  // 0: most controls have none
  if (name != nullptr) {
    proto_item_append_text(item, " (%s)", name);
    proto_item_set_generated(proto_tree_add_string(proto_item_add_subtree(item, ett_below()),
                                                   hf(Own::k_srvid_name), w.tvb, at, 8, name));
  }
  if (w.depth == 0) w.facts->srvid = srvid;
}

void add_time(Walk& w, const FieldRow& row, int size) {
  if (!there(w, static_cast<unsigned>(size))) return;
  nstime_t time = NSTIME_INIT_ZERO;
  const auto first = static_cast<int64_t>(tvb_get_letoh64(w.tvb, w.at));
  if (row.kind == Kind::k_timeval) {
    time.secs = static_cast<time_t>(first);
    time.nsecs = static_cast<int>(static_cast<int64_t>(tvb_get_letoh64(w.tvb, w.at + 8)) % 1000000 * 1000);
  } else {
    time.secs = static_cast<time_t>(first / 1000000000);
    time.nsecs = static_cast<int>(first % 1000000000);
  }
  proto_tree_add_time(w.tree, hf(row), w.tvb, w.at, size, &time);
  w.at += size;
}

void add_key(Walk& w, int field, uint32_t size) {
  if (!there(w, size)) return;
  const int at = w.at, length = static_cast<int>(size);
  char text[kKeyTextMax];
  const uint8_t* bytes = length > 0 ? tvb_get_ptr(w.tvb, at, length) : nullptr;
  text[0] = '\0';
  if (bytes != nullptr) describe_key(w.facts->has_db ? w.facts->db_id : 0, bytes, size, text, sizeof text);
  proto_item* item = add_item(w, field, length);
  proto_item_append_text(item, " %s", text);
  proto_tree* below = proto_item_add_subtree(item, ett_below());
  proto_item_set_hidden(proto_tree_add_item(below, hf(Own::k_key), w.tvb, at, length, ENC_NA));
  proto_item_set_generated(proto_tree_add_string(below, hf(Own::k_key_text), w.tvb, at, length, text));
  if (w.facts->has_key) return;
  w.facts->has_key = true;
  w.facts->key_at = at;
  w.facts->key_size = length;
  w.facts->key_text = wmem_strdup(w.pinfo->pool, text);
}

// A u32 length, then that many bytes.
bool take_length(Walk& w, uint32_t* size) {
  if (!there(w, 4)) return false;
  *size = u32_at(w, w.at);
  w.at += 4;
  return there(w, *size);
}

void learn_name(Walk& w, int size) {
  if (size > 0) learn_database(tvb_get_ptr(w.tvb, w.at, size), static_cast<size_t>(size));
}

void add_counted(Walk& w, const FieldRow& row) {
  uint32_t size = 0;
  if (!take_length(w, &size)) return;
  if (row.kind == Kind::k_key) {
    add_key(w, hf(row), size);
  } else if (row.kind == Kind::k_bytes) {
    add_item(w, hf(row), static_cast<int>(size));
  } else {
    if (row.kind == Kind::k_name_text) learn_name(w, static_cast<int>(size));
    add_text(w, hf(row), static_cast<int>(size));
  }
}

void add_sized(Walk& w, const FieldRow& row, uint32_t size) {
  if (!there(w, size)) return;
  if (row.kind == Kind::k_error_text) {
    if (size > 0)
      w.facts->text = reinterpret_cast<const char*>(
          tvb_get_string_enc(w.pinfo->pool, w.tvb, w.at, static_cast<int>(size), ENC_UTF_8));
    if (size > 0) add_text(w, hf(row), static_cast<int>(size));
  } else if (size > 0) {
    add_item(w, hf(row), static_cast<int>(size));
  }
}

void add_rest(Walk& w, const FieldRow& row) {
  if (w.stopped || w.at >= w.end) return;
  if (row.kind == Kind::k_rest) {
    add_item(w, hf(row), w.end - w.at);
  } else {
    if (row.kind == Kind::k_name_string) learn_name(w, w.end - w.at);
    add_text(w, hf(row), w.end - w.at);
  }
}

void add_sock_addr(Walk& w, const FieldRow& row) {
  constexpr int kSize = 28, kIpv4 = 2, kIpv6 = 10;
  if (!there(w, kSize)) return;
  const int at = w.at;
  proto_item* item = add_item(w, hf(row), kSize);
  proto_tree* below = proto_item_add_subtree(item, ett_below());
  const uint16_t family = tvb_get_letohs(w.tvb, at), port = tvb_get_ntohs(w.tvb, at + 2);
  if (family == kIpv4) {
    proto_tree_add_item(below, hf(Own::k_ipv4), w.tvb, at + 4, 4, ENC_BIG_ENDIAN);
    proto_item_append_text(item, ": %s:%u", tvb_ip_to_str(w.pinfo->pool, w.tvb, at + 4), port);
  } else if (family == kIpv6) {
    proto_tree_add_item(below, hf(Own::k_ipv6), w.tvb, at + 8, 16, ENC_NA);
    proto_item_append_text(item, ": [%s]:%u", tvb_ip6_to_str(w.pinfo->pool, w.tvb, at + 8), port);
  } else {
    proto_tree_add_item(below, hf(Own::k_unknown_address), w.tvb, at, 2, ENC_LITTLE_ENDIAN);
  }
  proto_tree_add_item(below, hf(Own::k_port), w.tvb, at + 2, 2, ENC_BIG_ENDIAN);
}

// The bits of a state that we know. Where the classic daemon answers it is the upper half of a pointer, which has others.
bool is_our_slot(const Walk& w, int slot) {
  uint32_t known = 0;
  for (const FlagRow& flag : all_flags()) {
    if (flag.set == Set::k_hot_key_state) known |= flag.bit;
  }
  return (u32_at(w, slot + static_cast<int>(ctdb::db_statistics::kKeyState)) & ~known) == 0;
}

// Ten of {what is said of the key, size of the key}, then the keys.
void add_hot_keys(Walk& w, const FieldRow& row) {
  constexpr int kKeys = ctdb::db_statistics::kKeysMax, kSlot = ctdb::db_statistics::kKeyBytes;
  constexpr int kSizeAt = ctdb::db_statistics::kKeyNameSize;
  if (!there(w, uint64_t{kKeys} * kSlot)) return;
  const int slots = w.at;
  int key = slots + kKeys * kSlot;
  proto_tree* outer = w.tree;
  for (int i = 0; i < kKeys && !w.stopped; ++i) {
    const int slot = slots + i * kSlot;
    const uint64_t size = tvb_get_letoh64(w.tvb, slot + kSizeAt);
    if (size == 0) continue;
    w.at = key;
    if (!there(w, size)) break;
    proto_item* item = proto_tree_add_item(outer, hf(row), w.tvb, slot, kSlot, ENC_NA);
    w.tree = proto_item_add_subtree(item, ett_below());
    proto_item_append_text(item, ": %u times", u32_at(w, slot));
    w.at = slot;
    walk(w, Layout::k_hot_key);
    if (is_our_slot(w, slot)) walk(w, Layout::k_hot_key_ours);
    w.at = key;
    add_key(w, hf(Own::k_key), static_cast<uint32_t>(size));
    key = w.at;
    w.tree = outer;
  }
  w.at = key;
}

// The bytes of `size` by a layout of their own, below `row`'s item.
void add_nested(Walk& w, const FieldRow& row, Layout layout, uint32_t size) {
  if (!there(w, size)) return;
  const int start = w.at, outer_end = w.end;
  const uint32_t lengths[] = {w.key_length, w.data_length, w.error_length, w.count};
  proto_tree* outer = w.tree;
  proto_item* outer_item = w.item;
  if (size > 0) {
    w.item = proto_tree_add_item(outer, hf(row), w.tvb, start, static_cast<int>(size), ENC_NA);
    w.tree = proto_item_add_subtree(w.item, ett_below());
  }
  w.end = start + static_cast<int>(size);
  const bool cut = w.cut;
  w.cut = false;
  ++w.depth;
  walk(w, layout);
  --w.depth;
  w.cut = cut;
  if (!w.stopped && w.at < w.end && layout != Layout::k_any && layout != Layout::k_none) {
    proto_item* left = proto_tree_add_item(w.tree, hf(Own::k_unexplained), w.tvb, w.at, w.end - w.at, ENC_NA);
    complain(w.pinfo, left, Expert::k_unexplained);
  }
  w.at = w.end;
  w.end = outer_end;
  w.stopped = false;  // what was wrong inside does not make the outer lengths wrong
  w.tree = outer;
  w.item = outer_item;
  w.key_length = lengths[0], w.data_length = lengths[1], w.error_length = lengths[2], w.count = lengths[3];
}

// Decoders take what is not there, and the zeros that pad a packet, for that. (libctdbipc/wire/later_release.h)
void end_if_older(Walk& w) {
  constexpr int kUnit = 8;  // packets are a multiple of it
  if (w.end - w.at >= kUnit) return;
  for (int at = w.at; at < w.end; ++at) {
    if (byte_at(w.tvb, at) != 0) return;
  }
  w.stopped = true;
}

// A u32 length, then records. (Of a transaction that wipes a database they are its number alone.)
void add_counted_layout(Walk& w, const FieldRow& row) {
  uint32_t size = 0;
  if (!take_length(w, &size) || size == 0) return;
  add_nested(w, row, size == 4 ? Layout::k_db_id : static_cast<Layout>(row.extra), size);
}

void add_record(Walk& w, const FieldRow& row) {
  if (w.data_length == 0 || !there(w, w.data_length)) return;
  proto_item* item =
      proto_tree_add_item(w.tree, hf(row), w.tvb, w.at, static_cast<int>(w.data_length), ENC_NA);
  proto_tree* outer = w.tree;
  const int end = w.at + static_cast<int>(w.data_length);
  w.tree = proto_item_add_subtree(item, ett_below());
  if (w.data_length >= CTDB_RECORD_HEADER_SIZE) walk(w, Layout::k_record_header);
  if (w.at < end) add_item(w, hf(Own::k_record_data), end - w.at);
  w.tree = outer;
}

void add_sub(Walk& w, const FieldRow& row, const char* number) {
  if (w.stopped) return;
  proto_tree* outer = w.tree;
  const int start = w.at;
  proto_item* item = proto_tree_add_item(outer, hf(row), w.tvb, start, 0, ENC_NA);
  proto_item_append_text(item, "%s", number);
  w.tree = proto_item_add_subtree(item, ett_below());
  ++w.depth;
  walk(w, static_cast<Layout>(row.extra));
  --w.depth;
  proto_item_set_len(item, std::max(w.at - start, 0));
  w.tree = outer;
}

void add_each(Walk& w, const FieldRow& row) {
  const uint32_t count = w.count;
  char number[16];
  for (uint32_t i = 0; i < count && !w.stopped; ++i) {
    if (++w.shown > kShownMax) {
      w.stopped = true;
      complain(w.pinfo, w.item, Expert::k_too_many);
      return;
    }
    if (!there(w, 1)) return;
    g_snprintf(number, sizeof number, " %u", i);
    add_sub(w, row, number);
  }
  w.count = count;  // a second list may be as long
}

void add_trailing_flags(Walk& w, const FieldRow& row) {
  if (!w.stopped && w.end - w.at >= 4) add_flags(w, row, Set::k_record_flags, 4);
}

Layout layout_of_control(const Walk& w, bool reply) {
  const ControlRow* control = w.facts->has_control ? find_control(w.facts->control) : nullptr;
  if (control == nullptr) return Layout::k_raw;
  const Layout layout = reply ? control->reply : control->request;
  // Nothing is specified, so nothing can be wrong.
  return layout == Layout::k_none && w.data_length > 0 ? Layout::k_raw : layout;
}

// Nothing is specified: raw, as one field.
void add_call_data(Walk& w, const FieldRow& row) {
  const Layout layout = call_layout(w.facts->callid);
  if (layout == Layout::k_raw) return add_sized(w, row, w.data_length);
  add_nested(w, row, layout, w.data_length);
}

// Facts that a row gives by its name.
void note(Walk& w, const FieldRow& row) {
  if (w.stopped || w.depth > 2 || w.end - w.at < 4) return;
  Facts& facts = *w.facts;
  const uint32_t value = u32_at(w, w.at);
  const auto is = [&row](const char* name) { return std::strcmp(row.name, name) == 0; };
  if (row.layout == Layout::k_req_control && is("opcode")) facts.control = value, facts.has_control = true;
  if (row.layout == Layout::k_req_control && is("flags")) facts.control_flags = value;
  if (row.layout == Layout::k_req_keepalive && is("version")) facts.version = value;
  if (is("hopcount")) facts.hopcount = value;
  if (is("callid")) facts.callid = value;
  if (is("dmaster")) facts.dmaster = value;
  if (is("status")) facts.status = static_cast<int32_t>(value), facts.has_status = true;
  if (is("generation") && (row.layout == Layout::k_vnnmap || row.layout == Layout::k_recovery_commit))
    facts.cluster_generation = value;
  if (row.kind == Kind::k_rsn && w.end - w.at >= 8 && !facts.has_rsn)
    facts.rsn = tvb_get_letoh64(w.tvb, w.at), facts.has_rsn = true;
}

// Numbers and names of a fixed size; false: another kind.
bool show_scalar(Walk& w, const FieldRow& row) {
  switch (row.kind) {
    case Kind::k_u8:
    case Kind::k_bool8:
      add_number(w, row, 1);
      return true;
    case Kind::k_u16:
    case Kind::k_named16:
      add_number(w, row, 2);
      return true;
    case Kind::k_u32:
    case Kind::k_x32:
    case Kind::k_i32:
    case Kind::k_named:
    case Kind::k_pnn:
    case Kind::k_bool32:
      add_number(w, row, 4);
      return true;
    case Kind::k_u64:
    case Kind::k_i64:
    case Kind::k_x64:
    case Kind::k_f64:
    case Kind::k_rsn:
      add_number(w, row, 8);
      return true;
    case Kind::k_flags:
      add_flags(w, row, static_cast<Set>(row.extra), 4);
      return true;
    case Kind::k_named8:
      add_number(w, row, 1);
      return true;
    case Kind::k_flags8:
      add_flags(w, row, static_cast<Set>(row.extra), 1);
      return true;
    case Kind::k_db:
      add_db(w, row);
      return true;
    case Kind::k_srvid:
      add_srvid(w, row);
      return true;
    case Kind::k_timeval:
      add_time(w, row, 16);
      return true;
    case Kind::k_wall_ns:
    case Kind::k_ns:
      add_time(w, row, 8);
      return true;
    default:
      return false;
  }
}

// Bytes and texts whose size stands elsewhere; false: another kind.
bool show_bytes(Walk& w, const FieldRow& row) {
  switch (row.kind) {
    case Kind::k_later:
      end_if_older(w);
      return true;
    case Kind::k_pad:
      if (there(w, static_cast<unsigned>(row.extra))) w.at += row.extra;
      return true;
    case Kind::k_fixed:
      add_number(w, row, row.extra);
      return true;
    case Kind::k_chars:
      if (there(w, static_cast<unsigned>(row.extra))) add_text(w, hf(row), row.extra);
      return true;
    case Kind::k_text:
    case Kind::k_name_text:
    case Kind::k_key:
    case Kind::k_bytes:
      add_counted(w, row);
      return true;
    case Kind::k_sized_key:
      add_key(w, hf(row), w.key_length);
      return true;
    case Kind::k_sized_data:
      add_sized(w, row, w.data_length);
      return true;
    case Kind::k_error_text:
      add_sized(w, row, w.error_length);
      return true;
    case Kind::k_string:
    case Kind::k_name_string:
    case Kind::k_rest:
      add_rest(w, row);
      return true;
    default:
      return false;
  }
}

void show_structure(Walk& w, const FieldRow& row) {
  switch (row.kind) {
    case Kind::k_key_length:
      add_u32(w, row, &w.key_length);
      break;
    case Kind::k_data_length:
      add_u32(w, row, &w.data_length);
      break;
    case Kind::k_error_length:
      add_u32(w, row, &w.error_length);
      break;
    case Kind::k_count:
      add_u32(w, row, &w.count);
      if (w.depth <= 1) w.facts->count = w.count;
      break;
    case Kind::k_fixed_count:
      w.count = static_cast<uint32_t>(row.extra);
      break;
    case Kind::k_each:
      add_each(w, row);
      break;
    case Kind::k_sub:
      add_sub(w, row, "");
      break;
    case Kind::k_counted:
      add_counted_layout(w, row);
      break;
    case Kind::k_record:
      add_record(w, row);
      break;
    case Kind::k_called_data:
      w.facts->callid == CTDB_FUNC_FETCH_WITH_HEADER ? add_record(w, row) : add_sized(w, row, w.data_length);
      break;
    case Kind::k_trailing_flags:
      add_trailing_flags(w, row);
      break;
    case Kind::k_sock_addr:
      add_sock_addr(w, row);
      break;
    case Kind::k_hot_keys:
      add_hot_keys(w, row);
      break;
    case Kind::k_call_data:
      add_call_data(w, row);
      break;
    case Kind::k_message_data:
      add_nested(w, row, message_layout(w.facts->srvid, w.data_length), w.data_length);
      break;
    case Kind::k_control_data:
      add_nested(w, row, layout_of_control(w, false), w.data_length);
      break;
    case Kind::k_reply_data:
      if (w.facts->status == 0 || w.data_length > 0)
        add_nested(w, row, layout_of_control(w, true), w.data_length);
      break;
    default:
      break;
  }
}

}  // namespace

void complain(packet_info* pinfo, proto_item* item, Expert what) {
  expert_add_info(pinfo, item, expert_of(what));
}

void walk(Walk& w, Layout layout) {
  if (w.depth > kDepthMax) return;  // no layout is that deep
  for (const FieldRow& row : fields_of(layout)) {
    if (w.stopped) return;
    note(w, row);
    if (!show_scalar(w, row) && !show_bytes(w, row)) show_structure(w, row);
  }
}

}  // namespace ctdbx
