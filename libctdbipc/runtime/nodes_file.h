// SPDX-License-Identifier: LGPL-3.0-or-later
// The nodes file: which node has which address. Two forms, one of them in a whole file:
//
//   classic (cluster-semantics §12)      explicit
//     10.0.0.1      node 0                 0 10.0.0.1
//     #10.0.0.2     node 1, deleted        # a comment
//     10.0.0.3      node 2                 2 10.0.0.3
//
// In the classic form a line's place is its number, so a line that is not needed any more stays as a comment. In the
// explicit form lines come in any order, a line can be taken away, and a comment has no number. In both forms the word
// "witness" after the address marks a node that votes and holds no records.
#ifndef LIBCTDBIPC_RUNTIME_NODES_FILE_H_
#define LIBCTDBIPC_RUNTIME_NODES_FILE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "libctdbipc/base/result.h"
#include "libctdbipc/runtime/config_text.h"
#include "libctdbipc/wire/node_list.h"

namespace ctdb {

struct NodeAddress {
  uint32_t pnn = 0;
  std::string address;  // canonical text, without port; empty when deleted
  bool deleted = false;
  bool witness = false;
};

// Reads a nodes file as it is now. Index = pnn; numbers that are not in use are deleted nodes.
Result<std::vector<NodeAddress>> load_nodes(const std::string& file, std::vector<ConfigProblem>& problems);
// The parser on text, for tests and fuzzers. `file` is only for messages.
Result<std::vector<NodeAddress>> parse_nodes(const std::string& file, const std::string& text,
                                             std::vector<ConfigProblem>& problems);
NodeList node_list(const std::vector<NodeAddress>& nodes);

// What ctdb-cli changes. Everything else in the file stays as it is, its form too.
struct NodesEdit {
  bool add = true;  // false: remove `pnn`
  uint32_t pnn = 0;
  std::string address;  // of a node that is added
  bool witness = false;
};
// The new text. Errors: kInvalid, in words that need no file name.
Result<std::string> edit_nodes(const std::string& text, const NodesEdit& edit);
// In place of the old file in one step, on disk when it returns. A link to it stays one, and who could read it can.
Result<void> replace_nodes_file(const std::string& name, const std::string& text);

}  // namespace ctdb

#endif  // LIBCTDBIPC_RUNTIME_NODES_FILE_H_
