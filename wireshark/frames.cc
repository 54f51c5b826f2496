// SPDX-License-Identifier: GPL-2.0-or-later
// What packets travel in where it is no TCP: frames of shared-memory rings, as captures of daemons have them, and chunks of verbs
// links, as a network card sees them over RoCE.
#include "wireshark/dissect.h"

#include <epan/dissectors/packet-infiniband.h>  // wants what is above
#include <epan/to_str.h>

#include <algorithm>
#include <optional>

#include "wireshark/chunk_streams.h"
#include "wireshark/registry.h"

namespace ctdbx {
namespace {

constexpr int kFrameHeaderSize = 16;
constexpr uint32_t kMoreFollows = 0x80000000u;
constexpr uint32_t kNone = 0, kPacket = 1, kTaken = 2, kReturned = 3;  // kinds of ring frames

ChunkStreams& streams() {
  static ChunkStreams the;
  return the;
}

// Shows `size` bytes from `at` on as the layout says.
void show(tvbuff_t* tvb, packet_info* pinfo, proto_tree* tree, proto_item* item, int at, int size,
          Layout layout) {
  Facts facts = {};
  Walk w = {};
  w.tvb = tvb;
  w.pinfo = pinfo;
  w.tree = tree;
  w.item = item;
  w.facts = &facts;
  w.at = at;
  const int captured = static_cast<int>(tvb_captured_length(tvb));
  w.end = std::min(at + size, captured);
  w.cut = captured < at + size;
  walk(w, layout);
}

Layout layout_of_frame(uint32_t kind) {
  if (kind == kTaken) return Layout::k_ring_frame_taken;
  return kind == kReturned ? Layout::k_ring_frame_returned : Layout::k_ring_frame_bare;
}

void show_chunk(tvbuff_t* tvb, packet_info* pinfo, proto_item* item) {
  proto_tree* tree = proto_item_add_subtree(item, ett());
  const int size = static_cast<int>(tvb_reported_length(tvb));
  const int header = static_cast<int>(kChunkHeaderSize);
  show(tvb, pinfo, tree, item, 0, std::min(size, header), Layout::k_verbs_chunk);
  const uint32_t kind = tvb_get_letohl(tvb, 4);
  const char* name = name_of(Set::k_chunk_kind, kind);
  proto_item_append_text(item, ", %s", name != nullptr ? name : "unknown");
  if (kind == kChunkPing || kind == kChunkPong)
    show(tvb, pinfo, tree, item, header, size - header, Layout::k_verbs_echo);
  col_append_sep_fstr(pinfo->cinfo, COL_INFO, " | ", "verbs chunk %s", name != nullptr ? name : "unknown");
}

void show_packets(tvbuff_t* tvb, packet_info* pinfo, proto_tree* tree) {
  const int size = static_cast<int>(tvb_reported_length(tvb));
  for (int at = 0; at < size;) {
    const auto length = static_cast<int>(tvb_get_letohl(tvb, at));  // ChunkStreams has looked at it
    dissect_packet(tvb_new_subset_length(tvb, at, length), pinfo, tree, nullptr);
    at += length;
  }
}

// nullptr: nothing.
tvbuff_t* source_of(tvbuff_t* parent, packet_info* pinfo, const std::vector<uint8_t>& bytes,
                    const char* name) {
  const auto size = static_cast<unsigned>(bytes.size());
  tvbuff_t* tvb = tvb_new_child_real_data(parent, bytes.data(), size, static_cast<int>(size));
  add_new_data_source(pinfo, tvb, name);
  return tvb;
}

void show_part(const ChunkPart& part, tvbuff_t* tvb, packet_info* pinfo, proto_tree* tree) {
  col_set_str(pinfo->cinfo, COL_PROTOCOL, "CTDBX");
  col_clear(pinfo->cinfo, COL_INFO);
  proto_item* item = proto_tree_add_protocol_format(tree, protocol(), tvb, 0, -1, "CTDB verbs chunk");
  if (part.chunk.empty()) {
    proto_item_append_text(item, ", a piece");
    return col_set_str(pinfo->cinfo, COL_INFO, "piece of a verbs chunk");
  }
  show_chunk(source_of(tvb, pinfo, part.chunk, "Verbs chunk"), pinfo, item);
  if (!is_good_chunk(part.chunk)) complain(pinfo, item, Expert::k_bad_chunk);
  if (part.lost) complain(pinfo, item, Expert::k_chunk_lost);
  if (part.waiting > 0)
    proto_item_append_text(item, ", %u bytes of a packet that ends later",
                           static_cast<unsigned>(part.waiting));
  if (!part.packets.empty())
    show_packets(source_of(tvb, pinfo, part.packets, "CTDB packets of verbs chunks"), pinfo, tree);
}

std::optional<Piece> piece_of(unsigned opcode) {
  switch (opcode) {
    case RC_SEND_FIRST:
      return Piece::kFirst;
    case RC_SEND_MIDDLE:
      return Piece::kMiddle;
    case RC_SEND_LAST:
    case RC_SEND_LAST_IMM:
      return Piece::kLast;
    case RC_SEND_ONLY:
    case RC_SEND_ONLY_IMM:
      return Piece::kOnly;
    default:
      return std::nullopt;
  }
}

// Who sends, and the queue pair it is for (the RDMA dissector has put it where ports are).
const char* way_of(packet_info* pinfo) {
  return wmem_strdup_printf(pinfo->pool, "%s %s %u", address_to_str(pinfo->pool, &pinfo->net_src),
                            address_to_str(pinfo->pool, &pinfo->net_dst),
                            static_cast<unsigned>(pinfo->destport));
}

Boolean recognise_chunk(tvbuff_t* tvb, packet_info* pinfo, proto_tree* tree, void* data) {
  if (data == nullptr) return FALSE;
  const std::optional<Piece> piece = piece_of(static_cast<const infinibandinfo*>(data)->opCode);
  if (!piece) return FALSE;
  const char* way = way_of(pinfo);
  const unsigned size = tvb_captured_length(tvb);
  const uint8_t* bytes = size > 0 ? tvb_get_ptr(tvb, 0, static_cast<int>(size)) : nullptr;
  if (bytes == nullptr) return FALSE;
  const ChunkPart& part = streams().part_of(pinfo->num, way, *piece, bytes, size);
  if (!part.ours) return FALSE;
  show_part(part, tvb, pinfo, tree);
  return TRUE;
}

}  // namespace

int dissect_ring_frame(tvbuff_t* tvb, packet_info* pinfo, proto_tree* tree, void*) {
  const int size = static_cast<int>(tvb_reported_length(tvb));
  proto_item* item = proto_tree_add_protocol_format(tree, protocol(), tvb, 0, -1, "CTDB ring frame");
  proto_tree* below = proto_item_add_subtree(item, ett());
  col_set_str(pinfo->cinfo, COL_PROTOCOL, "CTDBX");
  show(tvb, pinfo, below, item, 0, std::min(size, kFrameHeaderSize), Layout::k_ring_frame);
  if (!tvb_bytes_exist(tvb, 0, kFrameHeaderSize)) return static_cast<int>(tvb_captured_length(tvb));
  const uint32_t length = tvb_get_letohl(tvb, 0), kind = tvb_get_letohs(tvb, 8);
  const bool good = tvb_get_letohl(tvb, 12) == ~length &&
                    (length & ~kMoreFollows) == static_cast<uint32_t>(size - kFrameHeaderSize);
  if (!good) complain(pinfo, item, Expert::k_bad_frame);
  const char* name = name_of(Set::k_connection_frame, kind);
  const unsigned client = tvb_get_letohl(tvb, 4);
  if (kind != kPacket)
    proto_item_set_generated(proto_tree_add_uint(below, hf(Own::k_client), tvb, 4, 4, client));
  proto_item_append_text(item, ", connection of client %u: %s", client, name != nullptr ? name : "unknown");
  const bool packet = kind == kPacket || kind == kNone;
  if (!packet) {
    show(tvb, pinfo, below, item, kFrameHeaderSize, size - kFrameHeaderSize, layout_of_frame(kind));
    col_append_sep_fstr(pinfo->cinfo, COL_INFO, " | ", "client %u: connection %s", client,
                        name != nullptr ? name : "unknown");
    return static_cast<int>(tvb_captured_length(tvb));
  }
  if (size > kFrameHeaderSize)
    dissect_packet(tvb_new_subset_remaining(tvb, kFrameHeaderSize), pinfo, tree, nullptr);
  return static_cast<int>(tvb_captured_length(tvb));
}

void forget_chunks() {
  streams().clear();
}

void register_chunks() {
  heur_dissector_add("infiniband.payload", recognise_chunk, "Clustered TDB in chunks of verbs links",
                     "ctdbx_chunk", protocol(), HEURISTIC_ENABLE);
}

}  // namespace ctdbx
