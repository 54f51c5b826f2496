// SPDX-License-Identifier: GPL-3.0-or-later
// Links to other nodes, whatever carries them. Nothing outside a transport's folder knows which is in use. Every
// transport passes tests/unit/router/transport_conformance.h.
//
// Promises:
//  1. Within one lane of one link packets arrive in the order sent, whole, at most once, and only between on_up and
//     on_down of their session. The control lane overtakes queued data.
//  2. A connection that is lost and made again is a down and an up with another session number, however short.
//  3. on_up only after HELLO has shown the right cluster, node id, address and a common version.
//  4. A transport that can opens a second connection beside each link, the record stream, and hands it over; record
//     packets then pass between the stores without waking a router. It ends when the link does.
//  5. The same for keeper wires: a node is reported as gone only when its end of the wire was closed in order, which
//     happens when its router and its keeper have both let go of it. A reset, forced or not, proves nothing.
//  6. Queues are bounded: queued_bytes() tells the owner when to hold its senders back; a link that exceeds
//     kLinkQueueBytesMax is cut.
//  7. Packets of the data lane that were not wholly written when their link ended come back (on_lost). What became of
//     those that were written nobody knows.
#ifndef CTDB_ROUTER_TRANSPORT_TRANSPORT_H_
#define CTDB_ROUTER_TRANSPORT_TRANSPORT_H_

#include <cstdint>
#include <string>

#include "ctdb-router/core/router.h"
#include "libctdbipc/base/bytes.h"
#include "libctdbipc/base/result.h"
#include "libctdbipc/base/unique_fd.h"
#include "libctdbipc/wire/verbs_messages.h"

namespace ctdb {

class TransportEvents {
 public:
  virtual ~TransportEvents() = default;
  virtual void on_up(uint32_t pnn, uint64_t session) = 0;
  virtual void on_down(uint32_t pnn, uint64_t session, const std::string& why) = 0;
  // `packet` passed check_header and is a multiple of 8; it may be changed in place. false: cut the link.
  virtual bool on_packet(uint32_t pnn, MutableBytes packet) = 0;
  // Right after on_down, in the order sent; `packet` is a loan.
  virtual void on_lost(uint32_t pnn, ByteView packet) = 0;
  // The record stream of the link to that node is ready for this node's store: a connected socket on which nothing has
  // been sent yet. Only after want_record_streams(true), between on_up and on_down.
  virtual void on_record_stream(uint32_t pnn, UniqueFd stream) { (void)pnn, (void)stream; }
  // A copy of this node's end of the wire to that node: for the keeper to hold. Transport::keeper_holds() says that it does.
  virtual void on_keeper_wire(uint32_t pnn, uint32_t number, UniqueFd wire) {
    (void)pnn, (void)number, (void)wire;
  }
  // What the store got by on_record_stream() must not be used any more: record packets take the link again.
  virtual void on_record_stream_unwanted(uint32_t pnn) { (void)pnn; }
  // After on_down: the node's router and its keeper are proved to be dead.
  virtual void on_gone(uint32_t pnn) { (void)pnn; }
};

struct TransportFigures {
  uint64_t keepalives_in = 0, keepalives_out = 0, resets = 0, refused = 0;
};

class Transport {
 public:
  virtual ~Transport() = default;
  virtual Result<void> start() = 0;
  // Before start(): no link comes up, though others may wait for one, until release().
  virtual void hold() {}
  virtual void release() {}
  // Queues a packet; false when the link is not up. Written by flush().
  virtual bool send(uint32_t pnn, Lane lane, ByteView packet) = 0;
  virtual void flush() = 0;
  // The largest queue of any link, in bytes.
  virtual size_t queued_bytes() const = 0;
  // Links are wanted to the nodes with these addresses, by pnn; others end. The own address is as it was at the start.
  virtual void set_peers(const NodeList& peers) = 0;
  // Quiet: all links down, none accepted, none opened.
  virtual void set_quiet(bool quiet) = 0;
  virtual const TransportFigures& figures() const = 0;
  // Ends the link as if it had broken.
  virtual void cut(uint32_t pnn, const std::string& why) = 0;
  // Bytes that wait for that link.
  virtual size_t queued_bytes(uint32_t pnn) const = 0;
  // What both sides of the link understand (kLinkVersionMax); 0: it is down.
  virtual uint32_t version(uint32_t pnn) const = 0;
  virtual LinkReport report(uint32_t pnn) const = 0;
  // In words, why that node and this one do not accept each other: the last attempt reached the other router and ended with a
  // refusal of either. Empty while the link is up, or when nobody answers there.
  virtual std::string refusal(uint32_t pnn) const = 0;
  // What the packet of the last send(), or of the on_packet() in progress, goes or came over.
  virtual LinkKind carried_by() const { return LinkKind::kTcp; }
  // true: this node has a store now, which needs a new stream to every node. false: it has none.
  virtual void want_record_streams(bool wanted) { (void)wanted; }
  // No record stream to that node is opened from this side while held.
  virtual void hold_record_stream(uint32_t pnn, bool held) { (void)pnn, (void)held; }
  // The stream to that node has ended: make another.
  virtual void remake_record_stream(uint32_t pnn) { (void)pnn; }
  // This node's keeper has the wire of that number; or it is a new one and gets all wires once more.
  virtual void keeper_holds(uint32_t pnn, uint32_t number) { (void)pnn, (void)number; }
  virtual void give_keeper_wires() {}
  // A number that no session of this node has or had.
  virtual uint64_t new_session() = 0;
};

}  // namespace ctdb

#endif  // CTDB_ROUTER_TRANSPORT_TRANSPORT_H_
