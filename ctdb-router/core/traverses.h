// SPDX-License-Identifier: GPL-3.0-or-later
// Traverses that local clients have under way. The store streams their records; when it dies in the middle, nobody but
// the router knows that a client waits for an end marker that will never come (client-semantics §9).
#ifndef CTDB_ROUTER_CORE_TRAVERSES_H_
#define CTDB_ROUTER_CORE_TRAVERSES_H_

#include <cstdint>
#include <vector>

#include "libctdbipc/wire/packet.h"

namespace ctdb {

struct RunningTraverse {
  uint32_t client = 0;
  uint32_t request = 0;  // reqid of its TRAVERSE_START in the router's table
  bool accepted = false;
  uint32_t reqid = 0;  // the client's number in every record
  uint64_t srvid = 0;  // where its records go
};

class Traverses {
 public:
  bool empty() const { return running_.empty(); }
  bool runs_for(uint32_t client) const;
  // A TRAVERSE_START or TRAVERSE_START_EXT of `client` goes to the store. Malformed ones are the store's affair.
  void asked(uint32_t client, uint32_t request, const ReqControl& control);
  // The store's answer to it. Unknown requests are ignored: they are other controls.
  void answered(uint32_t request, int32_t status);
  // A message from the store to `client`: an end marker ends the traverse.
  void on_message(uint32_t client, ByteView packet);
  void client_gone(uint32_t client);
  // The store is gone: the accepted ones are over. (The others get an error for their control.)
  std::vector<RunningTraverse> take_accepted();

 private:
  std::vector<RunningTraverse> running_;
};

// What tells a client that its traverse has failed: an element without a record header, which readers refuse, and
// the end marker, for those that do not look.
std::vector<Bytes> failed_traverse_elements(uint32_t reqid);

}  // namespace ctdb

#endif  // CTDB_ROUTER_CORE_TRAVERSES_H_
