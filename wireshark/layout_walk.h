// SPDX-License-Identifier: GPL-2.0-or-later
// Shows a payload as its layout says, and notes what the rest of the dissector wants to know of it. Reads nothing that is not in
// the packet, shows a bounded number of elements, and complains where a packet and its layout differ.
#ifndef WIRESHARK_LAYOUT_WALK_H_
#define WIRESHARK_LAYOUT_WALK_H_

#include "wireshark/epan_api.h"
#include "wireshark/tables.h"

namespace ctdbx {

// What was seen in the packet. Trivial, because epan may jump out of whoever holds it.
struct Facts {
  uint32_t operation, srcnode, destnode, reqid, generation;
  bool has_db, has_key, has_rsn, has_status, has_control;
  uint32_t db_id, control, control_flags, hopcount, dmaster, callid, version, count;
  int32_t status;
  uint64_t rsn, srvid;
  int key_at, key_size;
  const char* key_text;         // lives as long as the packet is shown
  const char* text;             // an error or a reason
  uint32_t cluster_generation;  // a generation that the payload says is the cluster's; 0: none
};

struct Walk {
  tvbuff_t* tvb;
  packet_info* pinfo;
  proto_tree* tree;
  proto_item* item;  // complaints go here
  int at, end;       // of the bytes to walk over; end: also no further than was captured
  bool stopped;      // something was wrong: nothing after it can be believed
  bool cut;          // `end` is the capture's end, not the packet's
  unsigned shown, depth;
  uint32_t key_length, data_length, error_length, count;
  Facts* facts;
};

void walk(Walk& walk, Layout layout);
// Adds the complaint below `item`.
void complain(packet_info* pinfo, proto_item* item, Expert what);

}  // namespace ctdbx

#endif  // WIRESHARK_LAYOUT_WALK_H_
