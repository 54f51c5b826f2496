// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-cli/answers.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include "ctdb-cli/text.h"
#include "libctdbipc/wire/reader.h"

namespace ctdb::cli {
namespace {

constexpr size_t kSockAddrBytes = 28;
constexpr size_t kNodeBytes = 8 + kSockAddrBytes;
constexpr size_t kDatabaseBytes = 8;

std::string address_text(ByteView sock_addr) {
  const uint16_t family = load<uint16_t>(sock_addr.data());
  if (family != AF_INET && family != AF_INET6) return "";
  char text[INET6_ADDRSTRLEN];
  const uint8_t* at = sock_addr.data() + (family == AF_INET ? 4 : 8);
  return inet_ntop(family, at, text, sizeof text) == nullptr ? "" : text;
}

struct FlagName {
  uint32_t flag;
  const char* name;
};
constexpr FlagName kNodeFlags[] = {
    {CTDB_NODE_DISCONNECTED, "DISCONNECTED"}, {CTDB_NODE_UNHEALTHY, "UNHEALTHY"},
    {CTDB_NODE_DISABLED, "DISABLED"},         {CTDB_NODE_BANNED, "BANNED"},
    {CTDB_NODE_DELETED, "DELETED"},           {CTDB_NODE_STOPPED, "STOPPED"},
};
// What it is anyhow, for programs that know no better.
constexpr uint32_t kOfWitness = CTDB_NODE_WITNESS | CTDB_NODE_STOPPED;

}  // namespace

std::optional<std::vector<NodeAnswer>> decode_node_map(ByteView bytes) {
  Reader in(bytes);
  const uint32_t count = in.u32();
  if (!in.ok() || count > in.left() / kNodeBytes) return std::nullopt;
  std::vector<NodeAnswer> nodes(count);
  for (NodeAnswer& node : nodes) {
    node.pnn = in.u32();
    node.flags = in.u32();
    const std::string address = address_text(in.bytes(kSockAddrBytes));
    if ((node.flags & CTDB_NODE_DELETED) == 0) node.address = address;
  }
  return nodes;
}

std::string node_state(uint32_t flags) {
  std::vector<std::string> names;
  if ((flags & CTDB_NODE_WITNESS) != 0) {
    names.push_back("WITNESS");
    flags &= ~kOfWitness;
  }
  for (const FlagName& known : kNodeFlags) {
    if ((flags & known.flag) != 0) names.push_back(known.name);
  }
  return names.empty() ? "OK" : joined(names, "|");
}

std::optional<std::vector<DatabaseAnswer>> decode_database_map(ByteView bytes) {
  Reader in(bytes);
  const uint32_t count = in.u32();
  if (!in.ok() || count > in.left() / kDatabaseBytes) return std::nullopt;
  std::vector<DatabaseAnswer> databases(count);
  for (DatabaseAnswer& database : databases) {
    database.id = in.u32();
    database.flags = in.u8();
    in.skip(3);
  }
  return databases;
}

std::string database_kind(uint8_t flags) {
  std::string kind = (flags & CTDB_DB_PERSISTENT) != 0   ? "persistent"
                     : (flags & CTDB_DB_REPLICATED) != 0 ? "replicated"
                                                         : "volatile";
  if ((flags & CTDB_DB_READONLY) != 0) kind += ",readonly";
  if ((flags & CTDB_DB_STICKY) != 0) kind += ",sticky";
  return kind;
}

std::string decode_string(ByteView bytes) {
  const std::string_view text = as_text(bytes);
  return std::string(text.substr(0, text.find('\0')));
}

std::optional<TraverseRecord> decode_traverse_record(ByteView message) {
  Reader in(message);
  const uint32_t length = in.u32();
  in.skip(4);  // reqid
  const uint32_t key_bytes = in.u32();
  const uint32_t data_bytes = in.u32();
  TraverseRecord record;
  if (in.ok() && key_bytes == 0 && data_bytes == 0) {
    record.end = true;
    return record;
  }
  record.key = in.bytes(key_bytes);
  const ByteView data = in.bytes(data_bytes);
  if (!in.ok() || length != message.size() - in.left()) return std::nullopt;
  const std::optional<RecordHeader> header = read_record_header(data);
  if (!header) return std::nullopt;
  record.header = *header;
  record.value = data.subspan(CTDB_RECORD_HEADER_SIZE);
  return record;
}

}  // namespace ctdb::cli
