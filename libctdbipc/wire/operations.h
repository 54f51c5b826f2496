// SPDX-License-Identifier: LGPL-3.0-or-later
// Names for the numbers of messages.def, and the table rows as data.
#ifndef LIBCTDBIPC_WIRE_OPERATIONS_H_
#define LIBCTDBIPC_WIRE_OPERATIONS_H_

#include <cstdint>

namespace ctdb {

enum class Operation : uint32_t {
#define CTDB_OPERATION(number, name, payload, reply, server) name = number,
#include "libctdbipc/wire/messages.def"
};

enum class Control : uint32_t {
#define CTDB_CONTROL(number, name, request, reply, server, reach) name = number,
#include "libctdbipc/wire/messages.def"
};

enum class Server : uint8_t { nobody, router, store, recoveryd, client };
enum class Reach : uint8_t { any_node, local_only };

struct OperationRow {
  const char* name;
  const char* payload;
  uint32_t number;
  Server server;
};
struct ControlRow {
  const char* name;
  const char* request;
  const char* reply;
  uint32_t number;
  Server server;
  Reach reach;
};

// Packets of stores to stores: calls, ownership, recovery of records, copies, commits.
inline bool is_record_operation(uint32_t number) {
  return number <= static_cast<uint32_t>(Operation::REPLY_ERROR) ||
         (number >= static_cast<uint32_t>(Operation::RECORD_DATABASES) &&
          number <= static_cast<uint32_t>(Operation::DATABASE_CONTENT));
}

// The row, or nullptr for a number the protocol does not have.
const OperationRow* find_operation(uint32_t number);
const ControlRow* find_control(uint32_t number);

}  // namespace ctdb

#endif  // LIBCTDBIPC_WIRE_OPERATIONS_H_
