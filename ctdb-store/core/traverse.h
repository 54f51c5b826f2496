// SPDX-License-Identifier: GPL-3.0-or-later
// Traverse of a database over all nodes (wire-protocol §8.2.5). As initiator: asks every member for its records and
// passes them on to the client that wants them. As reader: sends the records this node owns to an initiator, a bounded
// slice at a time.
//
// A client gets exactly one end marker, when every member is done or has left. A record whose chain a client holds
// is waited for; one whose chain stays locked for seconds is left out. A client whose traverse is not complete (that, a
// record too large for a packet, a member that left or stopped serving before it was done, a node that was no member itself when it
// began, or the time was over) is told: what
// comes before the end marker is no record, which smbd takes for an error (client-semantics §9).
//
// Records move meanwhile. A reader therefore also sends what leaves or arrives, from when it is asked until the initiator has
// done with it (TRAVERSE_KILL), each record once; and the copies of what it gave away in the last kFlight before, since that may be
// on its way yet. The initiator passes a key on once, and copies last, if nobody else has sent the record. So what is in the
// database all the time is delivered, once, as it was at some time since kFlight before the beginning. (Owners tell of empty records too, so that
// copies from before do not count.) Missing may be what
// is on its way between two nodes for longer than that. After a recovery, in which packets may have been lost, members that
// are not done send all again. Whoever is done says how many records that were, so that a lost one is noticed.
//
// Flow: a reader sends kWindow and then as much as the initiator has passed on, which asks it to go on (the same TRAVERSE_ALL once more)
// unless its client does not read. So a client that is slow makes readers wait, and no process keeps the records for it.
//
// Bounds: kKeysMax keys are remembered, of all traverses of this node. One with more keys may deliver a record that moves twice,
// and is not complete when a recovery comes in between.
#ifndef CTDB_STORE_CORE_TRAVERSE_H_
#define CTDB_STORE_CORE_TRAVERSE_H_

#include <algorithm>
#include <cstdint>
#include <list>
#include <string>
#include <vector>

#include "ctdb-store/core/key_set.h"
#include "ctdb-store/core/record_walk.h"
#include "ctdb-store/core/store_context.h"

namespace ctdb {

// What a client asks for (TRAVERSE_START, TRAVERSE_START_EXT; TRAVERSE_KILL has the same layout).
struct TraverseRequest {
  uint32_t db_id = 0;
  uint32_t reqid = 0;  // the client's
  uint64_t srvid = 0;
  bool with_empty = false;
};

class Traverse : public MoveWatcher {
 public:
  static constexpr size_t kKeysMax = 4u << 20;
  static constexpr size_t kMovedMax = 256u << 10;     // records that move, for one reader
  static constexpr size_t kCopyBytesMax = 16u << 20;  // of copies that wait, for one traverse
  static constexpr size_t kWindow = 1u << 20;
  static constexpr TimeNs kFlight = 200 * kMillisecond;

  explicit Traverse(StoreContext& context) : ctx_(context) { ctx_.moves = this; }

  // ---- as initiator ----
  // The client's request has been answered with status 0.
  void start(uint32_t endpoint, const TraverseRequest& request, TimeNs now);
  // One record of a member; `element` is a rec_data. false: malformed, or of a node that was not asked. One that comes when its traverse is
  // over (the client has gone, or it had all and a record moved once more) breaks no rule.
  bool data(uint32_t node, ByteView element);
  void client_gone(uint32_t endpoint);
  // Much is waiting for it in the router, or not any more.
  void client_crowded(uint32_t endpoint, bool crowded);
  void all_clients_gone();
  // Members that have left send nothing more; the others are asked again for what the recovery may have lost.
  void generation_opened(TimeNs now);

  // ---- as reader ----
  // `initiator` wants this node's records as TRAVERSE_DATA with `reqid`.
  void read(uint32_t initiator, uint32_t reqid, const TraverseRequest& request, TimeNs now);
  // By node `initiator`.
  void kill(uint32_t initiator, const TraverseRequest& request);
  // This node's records are taken away: who reads them before the next generation does not get all.
  void serving_ended();
  void on_move(const Database& db, ByteView key, const RecordHeader& header, ByteView data) override;

  bool has_work() const {
    const bool some = std::ranges::any_of(sources_, [](const Source& one) { return one.may_send > 0; });
    return some && stalled_until_ == 0 && !ctx_.out.congested();
  }
  void work(TimeNs now);
  void tick(TimeNs now);
  TimeNs next_deadline() const;

 private:
  struct Asked {
    uint32_t node = 0;
    uint64_t records = 0;  // that have come
    size_t bytes = 0;      // of them, that it has not been told to go on for
    bool done = false;
  };
  struct Copy {
    Bytes key, value;
  };
  struct Running {
    uint32_t endpoint = 0;
    TraverseRequest request;
    uint32_t reqid = 0;  // ours
    std::vector<Asked> asked;
    bool crowded = false;
    KeySet passed_on;
    std::vector<Copy> copies;  // not passed on yet
    size_t copy_bytes = 0;
    bool forgets = false;    // keys, since there were too many
    std::string incomplete;  // why; "": it is not
    TimeNs deadline = kNever;
  };
  struct Source {
    uint32_t initiator = 0;
    uint32_t reqid = 0;
    TraverseRequest request;
    RecordWalk walk;
    TimeNs stalled_since = 0;
    uint64_t sent = 0;
    uint64_t left_out = 0;
    bool cut_short = false;
    KeySet moved;
    size_t may_send = kWindow;  // bytes yet
    TimeNs began = 0;
    TimeNs forgotten_at = kNever;  // the initiator says nothing more
  };

  void ask_members(Running& running, TimeNs now);
  void ask(Running& running, TimeNs now);
  void ask_node(const Running& running, uint32_t node);
  void let_go_on(Running& running);
  bool go_on(uint32_t initiator, uint32_t reqid);
  static bool all_done(const Running& running);
  void take(Running& running, uint32_t node, ByteView key, ByteView value);
  static void keep_copy(Running& running, ByteView key, ByteView value);
  bool is_new(Running& running, ByteView key);
  void finish(std::list<Running>::iterator running);
  void pass_on(const Running& running, ByteView key, ByteView value);
  // It is over, or nobody wants it any more: readers are told.
  void dismiss(const Running& running);
  template <typename Which>
  void forget_sources(Which which) {
    std::erase_if(sources_, which);
    std::erase_if(watching_, which);
    stalled_until_ = 0;
  }
  // false: the reader is finished or has to wait.
  bool slice(Source& source, TimeNs now);
  bool wants(const Source& source, const Database& db, const RecordEntry& entry) const;
  bool is_gone(const Database& db) const;
  bool tells_of_empty(const Source& source, const Database& db, const RecordEntry& entry) const;
  bool read_record(Database& db, const RecordEntry& entry);
  void end_of_source(Source& source);
  void send_moved(Source& source, ByteView key, const RecordHeader& header, ByteView data);
  void send_record(Source& source, ByteView key, ByteView value);

  StoreContext& ctx_;
  std::list<Running> running_;
  std::list<Source> sources_;   // readers,
  std::list<Source> watching_;  // and those that are done: records may arrive yet
  size_t keys_ = 0;             // remembered
  bool records_taken_ = false;
  TimeNs stalled_until_ = 0;  // != 0: the first reader waits for a chain
  Bytes element_;
  Bytes moved_;
};

// A rec_data element (wire-protocol §7.2).
void append_rec_data(Bytes& out, uint32_t reqid, ByteView key, ByteView value);

}  // namespace ctdb

#endif  // CTDB_STORE_CORE_TRAVERSE_H_
