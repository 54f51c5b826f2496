// SPDX-License-Identifier: GPL-2.0-or-later
#include "wireshark/tables.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace ctdbx {
namespace {

constexpr FieldRow kFields[] = {
#define CTDBX_FIELD(layout, field, title, kind, extra) \
  {Layout::k_##layout, #layout, #field, title, Kind::k_##kind, extra},
#define CTDBX_NAMED(layout, field, title, kind, set) \
  {Layout::k_##layout, #layout, #field, title, Kind::k_##kind, static_cast<int>(Set::k_##set)},
#define CTDBX_NESTED(layout, field, title, kind, inner) \
  {Layout::k_##layout, #layout, #field, title, Kind::k_##kind, static_cast<int>(Layout::k_##inner)},
#include "wireshark/layouts.def"
};

constexpr ValueRow kValues[] = {
#define CTDBX_VALUE(set, value, text) {Set::k_##set, value, text},
#include "wireshark/names.def"
};

constexpr FlagRow kFlags[] = {
#define CTDBX_FLAG(set, bit, field, text) {Set::k_##set, bit, #set, #field, text},
#include "wireshark/names.def"
};

// The reply's number by its name in messages.def.
enum ReplyNumber : uint32_t {
#define CTDB_OPERATION(number, name, payload, reply, server) kReply_##name = (number),
#include "libctdbipc/wire/messages.def"
  kReply_none = kNoReply,
};

constexpr OperationRow kOperations[] = {
#define CTDB_OPERATION(number, name, payload, reply, server) \
  {number, #name, Layout::k_##payload, kReply_##reply},
#include "libctdbipc/wire/messages.def"
};

enum class Server { router, store, recoveryd, client, nobody };

ControlRow kControls[] = {
#define CTDB_CONTROL(number, name, request, reply, server, reach) \
  {number, #name, Layout::k_##request, Layout::k_##reply, Server::server != Server::nobody},
#include "libctdbipc/wire/messages.def"
};

// The control's place in the table; asked with a name that is none it does not compile.
enum ControlIndex : size_t {
#define CTDB_CONTROL(number, name, request, reply, server, reach) kIndex_##name,
#include "libctdbipc/wire/messages.def"
};

bool give_meanings() {
#define CTDBX_REQUEST_MEANS(control, layout) kControls[kIndex_##control].request = Layout::k_##layout;
#define CTDBX_REPLY_MEANS(control, layout) kControls[kIndex_##control].reply = Layout::k_##layout;
#include "wireshark/meanings.def"
  return true;
}
const bool meanings_given = give_meanings();

struct CallRow {
  uint32_t callid;
  Layout layout;
};
constexpr CallRow kCalls[] = {
#define CTDBX_CALL_MEANS(function, layout) {function, Layout::k_##layout},
#include "wireshark/meanings.def"
};

struct Range {
  size_t from = 0, to = 0;
};
using Ranges = std::array<Range, static_cast<size_t>(Layout::kCount)>;
constexpr Ranges ranges_of_layouts() {
  Ranges ranges{};
  for (size_t i = 0; i < std::size(kFields); ++i) {
    Range& range = ranges[static_cast<size_t>(kFields[i].layout)];
    if (range.to == 0) range.from = i;
    range.to = i + 1;
  }
  return ranges;
}
constexpr Ranges kRanges = ranges_of_layouts();

struct SrvidRow {
  uint64_t value, mask;
  const char* name;
  Layout layout;
};
constexpr uint64_t kTop8 = 0xFF00000000000000, kTop16 = 0xFFFF000000000000, kWhole = ~uint64_t{0};
// The first that fits.
constexpr SrvidRow kSrvids[] = {
    {kWhole, kWhole, "ALL", Layout::k_raw},
    {0xF001000000000000, kTop16, "RECOVERY", Layout::k_rec_buffer},
    {0xF002000000000000, kWhole, "BANNING", Layout::k_pnn},
    {0xF100000000000000, kWhole, "ELECTION", Layout::k_election_message},
    {CTDB_SRVID_LEADER, kWhole, "LEADER", Layout::k_pnn},
    {CTDB_SRVID_RECONFIGURE, kWhole, "RECONFIGURE", Layout::k_empty},
    {CTDB_SRVID_RELEASE_IP, kWhole, "RELEASE_IP", Layout::k_string},
    {0xF301000000000000, kWhole, "TAKE_IP", Layout::k_string},
    {0xF302000000000000, kWhole, "IPREALLOCATED", Layout::k_empty},
    {0xF303000000000000, kWhole, "START_IPREALLOCATE", Layout::k_empty},
    {0xF400000000000000, kWhole, "SET_NODE_FLAGS", Layout::k_raw},
    {0xF500000000000000, kWhole, "RECD_UPDATE_IP", Layout::k_public_ip},
    {0xF700000000000000, kWhole, "VACUUM_FETCH", Layout::k_raw},
    {0xF701000000000000, kWhole, "DETACH_DATABASE", Layout::k_raw},
    {CTDB_SRVID_MEM_DUMP, kWhole, "MEM_DUMP", Layout::k_srvid_message},
    {0xF801000000000000, kWhole, "GETLOG", Layout::k_raw},
    {0xF802000000000000, kWhole, "CLEARLOG", Layout::k_raw},
    {0xF900000000000000, kWhole, "PUSH_NODE_FLAGS", Layout::k_node_flag_change},
    {0xFA00000000000000, kWhole, "RELOAD_NODES", Layout::k_empty},
    {CTDB_SRVID_TAKEOVER_RUN, kWhole, "TAKEOVER_RUN", Layout::k_srvid_message},
    {0xFB01000000000000, kWhole, "REBALANCE_NODE", Layout::k_pnn},
    {CTDB_SRVID_DISABLE_TAKEOVER_RUNS, kWhole, "DISABLE_TAKEOVER_RUNS", Layout::k_disable_message},
    {CTDB_SRVID_DISABLE_RECOVERIES, kWhole, "DISABLE_RECOVERIES", Layout::k_disable_message},
    {0xFC00000000000000, kWhole, "DISABLE_IP_CHECK", Layout::k_u32},
    {0xFE00000000000000, kWhole, "Samba notify", Layout::k_samba_message},
    {0xFE00000000000001, kWhole, "Samba notify proxy", Layout::k_samba_message},
    {0xFE00000000000002, kWhole, "Samba process", Layout::k_samba_message},
    {0xFE00000000000000, kTop8, "Samba", Layout::k_samba_message},
    {0xEE00000000000000, kTop8, "NFSD", Layout::k_raw},
    {0xDE00000000000000, kTop8, "ISCSI", Layout::k_raw},
    {0xCE02000000000000, kTop16, "restoredb", Layout::k_rec_buffer},
    {0xCE00000000000000, kTop8, "ctdb tool", Layout::k_raw},
    {0xBE00000000000000, kTop8, "client", Layout::k_rec_data},
    {0xAE00000000000000, kTop8, "test", Layout::k_raw},
    {0x9E00000000000000, kTop8, "server", Layout::k_raw},
    {0, kTop8, "process", Layout::k_samba_message},
};

const SrvidRow* find_srvid(uint64_t srvid) {
  for (const SrvidRow& row : kSrvids)
    if ((srvid & row.mask) == row.value) return &row;
  return nullptr;
}

constexpr size_t kSambaMessageHeader = 52;
constexpr size_t kRecDataHeader = 16;

}  // namespace

std::span<const FieldRow> all_fields() {
  return kFields;
}
std::span<const FieldRow> fields_of(Layout layout) {
  const Range range = kRanges[static_cast<size_t>(layout)];
  return std::span(kFields).subspan(range.from, range.to - range.from);
}
std::span<const ValueRow> all_values() {
  return kValues;
}
std::span<const FlagRow> all_flags() {
  return kFlags;
}
const char* name_of(Set set, uint32_t value) {
  for (const ValueRow& row : kValues)
    if (row.set == set && row.value == value) return row.text;
  return nullptr;
}

const OperationRow* find_operation(uint32_t number) {
  for (const OperationRow& row : kOperations)
    if (row.number == number) return &row;
  return nullptr;
}
uint32_t request_of(uint32_t reply) {
  for (const OperationRow& row : kOperations)
    if (row.reply == reply && row.number != reply) return row.number;
  return kNoReply;
}
std::span<const ControlRow> all_controls() {
  return kControls;
}
const ControlRow* find_control(uint32_t number) {
  for (const ControlRow& row : kControls)
    if (row.number == number) return &row;
  return nullptr;
}

Layout call_layout(uint32_t callid) {
  for (const CallRow& row : kCalls) {
    if (row.callid == callid) return row.layout;
  }
  return Layout::k_raw;
}

Layout message_layout(uint64_t srvid, size_t size) {
  const SrvidRow* row = find_srvid(srvid);
  if (row == nullptr) return Layout::k_raw;
  if (row->layout == Layout::k_samba_message && size < kSambaMessageHeader) return Layout::k_raw;
  if (row->layout == Layout::k_rec_data && size < kRecDataHeader) return Layout::k_raw;
  return row->layout;
}
const char* srvid_name(uint64_t srvid) {
  const SrvidRow* row = find_srvid(srvid);
  return row != nullptr ? row->name : nullptr;
}

}  // namespace ctdbx
