// SPDX-License-Identifier: GPL-3.0-or-later
// The way over verbs beside one link: its state machine, apart from devices and descriptors (ARCHITECTURE.md §3 "Verbs"). It is
// given what happens with the time, and emits through VerbsLinkOutput. VerbsTransport and its tests are the users.
//
//   node with the higher number              the other
//   VERBS_OFFER {queue pair}            →    makes its own, connects it, which takes a while
//   connects, too                       ←    VERBS_ACCEPT {queue pair}
//   VERBS_SWITCH, data over verbs       →    VERBS_SWITCH, data over verbs
//   ...
//   VERBS_DOWN {packets received}       ↔    VERBS_DOWN {packets received}, from each side once
//   sends the rest by TCP                    sends the rest by TCP
//
// Invariants:
//  1. VERBS_SWITCH is the last packet of the data lane that goes by TCP. What comes over verbs before it has arrived waits.
//  2. Packets are kept until the other side has said that it has them. After VERBS_DOWN nothing more of the attempt is
//     delivered, so the count in it is final.
//  3. A chunk is sent only when the other side has a receive buffer for it; the last two are for kTold, so that two sides that
//     have used up theirs still hear of new ones.
//  4. Offers are made by one side only, and answered once. Whatever else the other side says is refused with a reason.
#ifndef CTDB_ROUTER_TRANSPORT_VERBS_VERBS_LINK_H_
#define CTDB_ROUTER_TRANSPORT_VERBS_VERBS_LINK_H_

#include <optional>
#include <string>

#include "ctdb-router/transport/verbs/chunk.h"
#include "ctdb-router/transport/verbs/retained_packets.h"
#include "libctdbipc/base/result.h"
#include "libctdbipc/base/time.h"
#include "libctdbipc/wire/frame_reader.h"
#include "libctdbipc/wire/lane.h"
#include "libctdbipc/wire/operations.h"
#include "libctdbipc/wire/verbs_messages.h"

namespace ctdb {

class VerbsLinkOutput {
 public:
  virtual ~VerbsLinkOutput() = default;
  // A fresh queue pair of this node's for the link; an older one is dropped. `attempt` is left to the caller. Errors: why there is
  // none; kTimeout: there may be one in a moment.
  virtual Result<QueuePair> make_queue_pair() = 0;
  // Begins to connect it; VerbsLink::on_connected() follows unless it is dropped before. Errors: it cannot be tried.
  virtual Result<void> connect(const QueuePair& theirs) = 0;
  virtual void drop_queue_pair() = 0;
  // Sends a chunk; header and payload are loans. If it is signalled on_sent() follows. false: the device does not take it.
  virtual bool post(const ChunkHeader& header, ByteView payload, ChunkPost how) = 0;
  // By TCP: a message about the link, and a packet of the data lane.
  virtual void tell(Lane lane, Operation operation, const Bytes& payload) = 0;
  virtual void send_by_tcp(ByteView packet) = 0;
  // A packet of the data lane that came over verbs. false: it breaks the rules of links.
  virtual bool deliver(MutableBytes packet) = 0;
  // The whole link is to end, TCP too.
  virtual void cut(const std::string& why) = 0;
  // It is on verbs now, or (`why`) not any more.
  virtual void risen() = 0;
  virtual void fallen(const std::string& why) = 0;
};

class VerbsLink {
 public:
  // `records`: record packets are to take this way too, so no record stream while it is there or may soon be.
  VerbsLink(VerbsLinkOutput& output, bool records) : out_(output), records_(records) {}

  // ---- events ----
  // `offers`: this side makes the offers. `able`: both sides speak of verbs (kLinkVersionVerbs).
  void on_up(bool offers, bool able, TimeNs now);
  void on_down(TimeNs now);
  // One of the VERBS_* operations came by TCP. false: impossible, the link is to be cut.
  bool on_told(Operation operation, ByteView payload, TimeNs now);
  // What VerbsLinkOutput::connect() began has ended; `why_not` is empty, or says why it failed.
  void on_connected(const std::string& why_not, TimeNs now);
  // A receive buffer was filled.
  void on_chunk(ByteView chunk, TimeNs now);
  // All chunks up to this one have left: the other side's device has them.
  void on_sent(uint64_t sequence);
  // The queue pair is of no use any more.
  void on_failed(const std::string& why, TimeNs now);
  // The reason why there is no device may have gone.
  void try_again(TimeNs now);
  void tick(TimeNs now);
  TimeNs next_deadline() const;

  // ---- sending ----
  // Takes a packet of the data lane. false: it has to go by TCP.
  bool send(ByteView packet);
  void flush(TimeNs now);
  size_t queued_bytes() const { return packets_.unsent_bytes(); }
  // After on_down(): the packets that have not wholly left, in order.
  template <typename Visit>
  void take_unsent(Visit visit) {
    packets_.for_each_unsent(visit);
    packets_.clear();
  }

  // ---- what the owner asks ----
  bool on_verbs() const { return phase_ == Phase::kVerbs; }
  // There is something to send, and only room in the device's own queue is missing.
  bool waits_for_room() const;
  // Record packets may take a connection of their own.
  bool stream_allowed(TimeNs now) const { return now >= stream_at_; }
  // Kind, age, reason and figures of verbs; the rest is left as it is.
  void describe(LinkReport& report, TimeNs now) const;

 private:
  // From kOffered to kVerbs there is a queue pair; it is being connected in kConnecting (who offered) and kAccepting.
  enum class Phase : uint8_t { kNoLink, kTcp, kOffered, kConnecting, kAccepting, kAccepted, kVerbs, kFallen };

  void offer(TimeNs now);
  bool on_offer(ByteView payload, TimeNs now);
  bool on_accept(ByteView payload, TimeNs now);
  bool on_switch(ByteView payload, TimeNs now);
  bool on_told_down(ByteView payload, TimeNs now);
  Result<void> begin();
  Result<void> connect(const QueuePair& theirs);
  void refuse(const std::string& why, TimeNs now);
  void switch_over(TimeNs now);
  void refused(const std::string& why, TimeNs now);
  void fall(const std::string& why, TimeNs now);
  void wait_for_down(TimeNs now);
  bool finish(uint64_t received, TimeNs now);
  void retry_at(TimeNs now, TimeNs delay_max);
  const char* take_header(const ChunkHeader& header);
  void take(ByteView bytes);
  void deliver();
  void heartbeat(TimeNs now);
  // `more`: another chunk follows in this turn.
  bool post(ChunkKind kind, ByteView payload, TimeNs now, bool more = false);
  // `before`: so many chunks more will have been posted by then.
  bool may_post(uint64_t reserve, uint64_t before = 0) const;
  void count_round_trip(TimeNs took);

  VerbsLinkOutput& out_;
  const bool records_;
  Phase phase_ = Phase::kNoLink;
  bool offers_ = false;
  uint64_t attempt_ = 0;
  TimeNs next_try_ = kNever;
  TimeNs retry_delay_ = 0;
  TimeNs stream_at_ = 0;
  std::string why_;
  TimeNs since_ = 0;

  // Of the attempt.
  QueuePair mine_;
  // Sending.
  RetainedPackets packets_;
  uint64_t posted_ = 0;  // chunks
  uint64_t sent_ = 0;    // of those, left for sure
  uint64_t limit_ = 0;   // chunks with lower sequences may be posted
  uint64_t their_window_ = 0;
  size_t payload_max_ = 0;
  // Receiving.
  std::optional<FrameReader> reader_;
  bool switched_ = false;  // the other side's VERBS_SWITCH has come
  uint64_t arrived_ = 0;   // chunks
  uint64_t consumed_ = 0;  // of those, ones whose buffers are free again
  uint64_t told_ = 0;      // the limit the other side knows
  uint64_t received_ = 0;  // whole packets
  std::optional<uint64_t> pong_due_;
  // Heartbeat.
  TimeNs next_check_ = kNever;
  bool posted_since_check_ = false;
  uint64_t ping_ = 0;           // sequence of the last ping
  TimeNs ping_sent_ = 0;        // 0: answered, or none was sent
  uint64_t sent_at_check_ = 0;  // sent_, at the last one
  int checks_ = 0;  // in a row that found it, or a full queue, unsent; while fallen: without an answer

  uint64_t attempts_ = 0, falls_ = 0, packets_out_ = 0, packets_in_ = 0;
  std::vector<uint64_t> round_trips_ = std::vector<uint64_t>(kRoundTripClasses);
};

}  // namespace ctdb

#endif  // CTDB_ROUTER_TRANSPORT_VERBS_VERBS_LINK_H_
