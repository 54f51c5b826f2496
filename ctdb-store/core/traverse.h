// SPDX-License-Identifier: GPL-3.0-or-later
// Traverse of a database over all nodes (wire-protocol §8.2.5). As initiator: asks every member for its records and
// passes them on to the client that wants them. As reader: sends the records this node owns to an initiator, a bounded
// slice at a time.
//
// A client gets exactly one end marker, when every member is done or has left. A record whose chain a client holds
// is waited for; one whose chain stays locked for seconds is left out. A client whose traverse is not complete (that, a
// record too large for a packet, or the time was over) is told: what comes before the end marker is no record, which
// smbd takes for an error (client-semantics §9). Between stores an end marker with a value says so.
#ifndef CTDB_STORE_CORE_TRAVERSE_H_
#define CTDB_STORE_CORE_TRAVERSE_H_

#include <cstdint>
#include <list>
#include <vector>

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

class Traverse {
 public:
  explicit Traverse(StoreContext& context) : ctx_(context) {}

  // ---- as initiator ----
  // The client's request has been answered with status 0.
  void start(uint32_t endpoint, const TraverseRequest& request, TimeNs now);
  // One record of a member; `element` is a rec_data. false: nobody waits for it, or it is malformed.
  bool data(uint32_t node, ByteView element);
  void client_gone(uint32_t endpoint);
  void all_clients_gone() { running_.clear(); }
  // Members that have left send nothing more; the others are asked again for what the recovery may have lost.
  void generation_opened();

  // ---- as reader ----
  // `initiator` wants this node's records as TRAVERSE_DATA with `reqid`.
  void read(uint32_t initiator, uint32_t reqid, const TraverseRequest& request);
  void kill(const TraverseRequest& request);

  bool has_work() const { return !sources_.empty() && stalled_until_ == 0 && !ctx_.out.congested(); }
  void work(TimeNs now);
  void tick(TimeNs now);
  TimeNs next_deadline() const;

 private:
  struct Running {
    uint32_t endpoint = 0;
    TraverseRequest request;
    uint32_t reqid = 0;  // ours
    std::vector<uint32_t> outstanding;
    bool incomplete = false;
    TimeNs deadline = kNever;
  };
  struct Source {
    uint32_t initiator = 0;
    uint32_t reqid = 0;
    TraverseRequest request;
    RecordWalk walk;
    TimeNs stalled_since = 0;
    uint64_t left_out = 0;
  };

  void ask_outstanding(Running& running);
  void finish(std::list<Running>::iterator running);
  void pass_on(const Running& running, ByteView key, ByteView value);
  void send_kill(const Running& running);
  // false: the reader is finished or has to wait.
  bool slice(Source& source, TimeNs now);
  bool read_record(Database& db, const RecordEntry& entry);
  void end_of_source(const Source& source);
  void send_record(const Source& source, ByteView key, ByteView value);

  StoreContext& ctx_;
  std::list<Running> running_;
  std::list<Source> sources_;
  TimeNs stalled_until_ = 0;  // != 0: the first reader waits for a chain
  Bytes element_;
};

// A rec_data element (wire-protocol §7.2).
void append_rec_data(Bytes& out, uint32_t reqid, ByteView key, ByteView value);

}  // namespace ctdb

#endif  // CTDB_STORE_CORE_TRAVERSE_H_
