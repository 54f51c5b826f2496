// SPDX-License-Identifier: GPL-2.0-or-later
// One packet: header, payload, what it belongs to, what is wrong with it.
#ifndef WIRESHARK_DISSECT_H_
#define WIRESHARK_DISSECT_H_

#include "wireshark/epan_api.h"
#include "wireshark/layout_walk.h"

namespace ctdbx {

// Given to taps (`-z`). Lives as long as the packet is shown.
struct TapPacket {
  Facts facts;
  uint32_t length;
  const char* operation_name;
  const char* control_name;  // nullptr: no control, or one without a name
  bool is_reply, is_migration;
  bool has_time;  // a reply whose request is known
  nstime_t time;  // between them
};

// Numbers of the frame's last record and exchange, kept with the frame (p_get_proto_data) for conversation filters.
inline constexpr uint32_t kRecordSlot = 1, kExchangeSlot = 2;

// The beginning of a stream of bytes looks like a packet of ours.
bool looks_like_packet(tvbuff_t* tvb, int at);
// `data`: not nullptr when the packet came over TCP between nodes.
int dissect_packet(tvbuff_t* tvb, packet_info* pinfo, proto_tree* tree, void* data);
// A frame of a shared-memory ring, header and all: what captures say of frames that are about a connection. An item of its own.
int dissect_ring_frame(tvbuff_t* tvb, packet_info* pinfo, proto_tree* tree, void*);
// A new capture begins.
void forget_capture();
void forget_chunks();

// ---- transport.cc, frames.cc, statistics.cc, conversations.cc: what they register ----
void register_preferences();        // when protocols register
void register_transport();          // when they hand off
void register_chunks();             // when they hand off
void register_statistics_tables();  // when protocols register
void register_conversations();      // likewise, after them
void register_statistics_trees();   // when they hand off
int tap();

}  // namespace ctdbx

#endif  // WIRESHARK_DISSECT_H_
