// SPDX-License-Identifier: GPL-3.0-or-later
// What daemons answer in lists (wire-protocol §7): nodes, databases, records of a traverse. All decoders return nullopt
// for anything truncated or contradictory.
#ifndef CTDB_CLI_ANSWERS_H_
#define CTDB_CLI_ANSWERS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libctdbipc/base/bytes.h"
#include "libctdbipc/wire/packet.h"

namespace ctdb::cli {

struct NodeAnswer {
  uint32_t pnn = 0;
  uint32_t flags = 0;
  std::string address;  // empty when deleted
};
std::optional<std::vector<NodeAnswer>> decode_node_map(ByteView bytes);
// "OK", or the names of the flags joined by "|", with WITNESS in front for a witness.
std::string node_state(uint32_t flags);

struct DatabaseAnswer {
  uint32_t id = 0;
  uint8_t flags = 0;
};
std::optional<std::vector<DatabaseAnswer>> decode_database_map(ByteView bytes);
// "volatile", "persistent" or "replicated", with ",readonly" and ",sticky" where they are on.
std::string database_kind(uint8_t flags);
// A string as daemons send it: up to its NUL.
std::string decode_string(ByteView bytes);

struct TraverseRecord {
  bool end = false;
  ByteView key;
  RecordHeader header;
  ByteView value;
};
std::optional<TraverseRecord> decode_traverse_record(ByteView message);

}  // namespace ctdb::cli

#endif  // CTDB_CLI_ANSWERS_H_
