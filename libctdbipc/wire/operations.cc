// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbipc/wire/operations.h"

#include <algorithm>
#include <iterator>

namespace ctdb {
namespace {

constexpr OperationRow kOperations[] = {
#define CTDB_OPERATION(number, name, payload, reply, server) {#name, #payload, number, Server::server},
#include "libctdbipc/wire/messages.def"
};

constexpr ControlRow kControls[] = {
#define CTDB_CONTROL(number, name, request, reply, server, reach) \
  {#name, #request, #reply, number, Server::server, Reach::reach},
#include "libctdbipc/wire/messages.def"
};

// Rows stand in ascending order, so the common numbers are their own index.
template <typename Row, size_t N>
const Row* find_row(const Row (&rows)[N], uint32_t number) {
  if (number < N && rows[number].number == number) return &rows[number];
  const Row* end = std::end(rows);
  const Row* at = std::lower_bound(std::begin(rows), end, number,
                                   [](const Row& row, uint32_t wanted) { return row.number < wanted; });
  return at != end && at->number == number ? at : nullptr;
}

template <typename Row, size_t N>
constexpr bool ascending(const Row (&rows)[N]) {
  for (size_t i = 1; i < N; ++i) {
    if (rows[i - 1].number >= rows[i].number) return false;
  }
  return true;
}
static_assert(ascending(kOperations) && ascending(kControls), "messages.def must ascend by number");

}  // namespace

const OperationRow* find_operation(uint32_t number) {
  return find_row(kOperations, number);
}
const ControlRow* find_control(uint32_t number) {
  return find_row(kControls, number);
}

}  // namespace ctdb
