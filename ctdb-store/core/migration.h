// SPDX-License-Identifier: GPL-3.0-or-later
// The record engine: who has a record, who wants it, and how it gets there (ARCHITECTURE §4, client-semantics §8).
//
// Every request for a record goes into the record's queue, and process() works the queue off from its front as far as it
// gets: until it is empty, or its front has to wait for another node, for the chain lock, for a local client to have its
// turn (the grant hold), or for a generation to be open.
//
// Invariants:
//  1. The file is written before the answer goes out: before REPLY_CALL it says dmaster = self, before REQ_DMASTER or
//     REPLY_DMASTER it no longer does.
//  2. One REQ_CALL per record is out at a time; local calls that come meanwhile join it.
#ifndef CTDB_STORE_CORE_MIGRATION_H_
#define CTDB_STORE_CORE_MIGRATION_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ctdb-store/core/endpoints.h"
#include "ctdb-store/core/record_walk.h"
#include "ctdb-store/core/store_context.h"
#include "libctdbipc/wire/own_messages.h"
#include "libctdbipc/wire/record_functions.h"

namespace ctdb {

class Migration : public ChainLocks::User {
 public:
  explicit Migration(StoreContext& context) : ctx_(context) { ctx_.chains.set_user(*this); }

  // ---- packets; those of nodes are of the open generation ----
  void local_call(uint32_t endpoint, bool via_router, const Header& header, const ReqCall& call, TimeNs now);
  void remote_call(const Header& header, const ReqCall& call, TimeNs now);
  void req_dmaster(const Header& header, const ReqDmaster& packet, TimeNs now);
  void reply_dmaster(const Header& header, const ReplyDmaster& packet, TimeNs now);
  void reply_error(const Header& header, const ReplyErrorPacket& packet, TimeNs now);
  void reply_call(const Header& header, const ReplyCall& packet, TimeNs now);
  void record_copy(const Header& header, const RecordCopy& packet, TimeNs now);
  void record_copied(const Header& header, const RecordCopied& packet, TimeNs now);
  // Read-only copies of a record that this node owns come to their end.
  void revoke(Database& db, RecordEntry& entry, TimeNs now);
  // A record that this node owns goes to `node` as if that had asked for it.
  void give(Database& db, const RecordEntry& entry, uint32_t node, TimeNs now);
  // Nobody has ever had the record, or nobody has it any more, and this node is the one to say so.
  bool unborn_here(const RecordEntry& entry) const;
  // A record that this node owns, or that nobody has: `data` replace what it has. A copy of another's is removed.
  void rewrite(Database& db, RecordEntry& entry, ByteView data, TimeNs now);
  // It has come here, and waits to become this node's.
  static bool has_arrived(const RecordEntry& entry);
  // The database's records move again.
  void thawed(Database& db, TimeNs now);
  // The record becomes the store's alone, as it would a client's by CTDB_FUNC_HOLD, for `number`; ctx.holds hears of it. false:
  // it is that client's already.
  bool hold_for(uint32_t number, uint32_t client, Database& db, ByteView key, TimeNs now);
  // Ends that, or the wait for it.
  void release_for(uint32_t number, const Database& db, ByteView key, TimeNs now);
  // A hold's end, by its holder.
  void release(uint32_t endpoint, const ReqCall& call, TimeNs now);
  // The holder's transaction is under way until end_commit(), and then the hold is over. 0: this client does not hold the
  // record.
  uint64_t begin_commit(uint32_t endpoint, const ReqCall& call);
  void end_commit(uint32_t db_id, ByteView key, uint64_t hold);
  // All of them end now, also those with a commit under way.
  void lose_holds();
  void answer_call(uint32_t endpoint, bool via_router, uint32_t reqid, int32_t status, ByteView data);
  // Answers a call that is not served.
  void refuse_call(uint32_t endpoint, bool via_router, uint32_t reqid);

  // ---- other events ----
  void client_gone(uint32_t endpoint);
  void all_clients_gone(const Endpoints& but);
  // The generation is over: local calls wait for the next one, everything else is dropped (others ask again).
  void close();
  // The next one is open.
  void open(TimeNs now);
  // Works off what can be worked off now. The activity may be released.
  void process(Activity& activity, TimeNs now);
  void on_chain_held(Activity& activity, TimeNs now) override { process(activity, now); }
  // Functions of local clients are with other nodes, which are about to answer.
  bool awaits_functions() const { return !sent_.empty(); }
  // This node serves no more: clients that wait for copies are told that nobody knows.
  void refuse_pushes();
  // The database's records are to be on so many nodes; less than now is ignored.
  void raise_copies(Database& db, uint32_t copies);
  // What this node owns gets its copies anew, as far as it has to.
  void renew_copies();
  // A client has made this database: the other members of the open generation are told.
  void tell_of_database(Database& db);
  // What waits for a generation's opening, leftovers, and renewal.
  bool has_work() const { return unopened_ > 0 || !with_leftovers_.empty() || has_renewals(); }
  void work(TimeNs now);
  // The database is going away: its requests are answered with an error.
  void drop_database(Database& database);

 private:
  // One thing done; false: nothing more can be done now.
  bool step(Activity& activity, bool& held, TimeNs now);
  bool step_local(Activity& activity, bool& held, TimeNs now);
  bool step_remote(Activity& activity, bool& held, TimeNs now);
  bool step_arrival(Activity& activity, bool& held, TimeNs now);
  bool step_push(Activity& activity, bool& held, TimeNs now);
  bool step_copy(Activity& activity, bool& held, TimeNs now);
  bool step_asked(Activity& activity, TimeNs now);
  bool step_revoke(Activity& activity, bool& held, TimeNs now);
  bool step_read_only_copy(Activity& activity, bool& held, TimeNs now);
  bool step_revoked(Activity& activity, bool& held, TimeNs now);
  bool lock(Activity& activity, bool& held, TimeNs now);
  static RecordFile::Presence presence_of(const Activity& activity);
  bool step_hold(Activity& activity, bool& held, TimeNs now);
  bool step_function(Activity& activity, bool& held, TimeNs now);
  bool step_rewrite(Activity& activity, bool& held, TimeNs now);
  bool step_unhide(Activity& activity, bool& held, TimeNs now);
  bool retry_later(Activity& activity, TimeNs now);
  void lose(Activity& activity);
  bool awaits_recovery(const Activity& activity) const;

  void arrive(Activity& activity, const Header& header, const ReplyDmaster& packet, TimeNs now);

  void set_pointer(RecordEntry& entry, uint32_t dmaster);
  void ask(Activity& activity, const Waiting& call);
  void end_question(Activity& activity);
  Activity* busy_record(uint32_t db_id, ByteView key) const;
  static bool is_hold(const Waiting& call);
  static bool is_function(const Waiting& call);
  // A call that has the record for itself, or changes it: one at a time, in its turn.
  static bool is_alone(const Waiting& call) { return is_hold(call) || is_function(call); }
  static void take_calls(WaitingList& from, WaitingList& to, size_t grants);
  void drop_rewrite(Activity& activity);
  void let_go(Activity& activity);
  bool serve_locals(Activity& activity, TimeNs now);
  bool become_owner(Activity& activity, const RecordHeader& arrived, ByteView data, TimeNs now);
  void note_deleted(Database& db, RecordEntry& entry, bool unasked, TimeNs now);
  void tell_lost_question(const Activity& activity);
  void answer_locals(Activity& activity, WaitingList& calls, uint64_t rsn, ByteView data, TimeNs now);
  void answer(const Waiting& call, const RecordHeader& header, ByteView data);
  void reply(const Waiting& call, int32_t status, ByteView data);
  bool give_up(Activity& activity, const Waiting& call, TimeNs now);
  void refuse_remote(uint32_t node, uint32_t reqid, std::string_view text);
  void give_unborn(Activity& activity, const Waiting& call);

  // Functions (function_calls.cc).
  bool send_function(Activity& activity);
  void run(Activity& activity, Waiting& call);
  void run_function(Activity& activity, const Waiting& call, ByteView data);
  static bool note_caller(RecordEntry& entry, const Waiting& call, bool untouched);
  bool answer_function(Activity& activity, Waiting* call);
  void send_answer(const Waiting& call);
  void reply_function(const Waiting& call, int32_t status, ByteView data);
  void function_answered(uint32_t reqid, int32_t status, ByteView data);
  void refuse_ran(Waiting* call);
  void lose_functions(const Database* database);

  void redirect(Activity& activity, const Waiting& call);
  void send_reply_dmaster(const Activity& activity, uint32_t node, uint32_t reqid, uint64_t rsn,
                          uint32_t flags, ByteView data);

  // Copies.
  void tell_of_database(const Database& db, uint32_t node);
  bool change_may_be_lost(const Waiting& push) const;
  bool needs_push(const Activity& activity, ByteView data) const;
  void send_copies(Activity& activity, uint64_t rsn, uint32_t flags, ByteView data);
  void end_push(Activity& activity, TimeNs now);
  void refuse_push(Waiting* push);
  void pushed(Activity& activity);
  static void end_pushes(Activity& activity);
  void note_arrived_copies(Activity& activity, ByteView data);
  bool copies_are_out(const Activity& activity) const;
  void push_first(Activity& activity);
  Waiting* renewal();
  bool has_renewals() const;
  void renew_some(TimeNs now);
  void send_to_awaited(const Activity& activity, const Bytes& payload);
  void answer_copy(const Activity& activity, const Waiting& copy);
  bool is_news_of_owner(const RecordEntry& entry, const Waiting& copy) const;

  // Read-only copies (delegations.cc).
  bool wants_revoke(const Activity& activity) const;
  bool send_revokes(Activity& activity);
  void end_revoke(Activity& activity, TimeNs now);
  bool delegates(const Activity& activity, const Waiting& call, TimeNs now) const;
  bool delegate(Activity& activity);
  bool serve_reader(Activity& activity, bool& held, TimeNs now);
  void read_only_copy(Activity& activity, const Header& header, const ReplyCall& packet, TimeNs now);

  // The grant hold: true while the record must stay for its local clients; it will be looked at again.
  bool on_hold(Activity& activity, bool& held, TimeNs now);
  bool is_pinned(Activity& activity, TimeNs now);
  void begin_hold(Activity& activity, TimeNs now);
  bool turns_are_due(Activity& activity, bool& held, TimeNs now);
  void note_hold(Recent& recent, bool seen);
  TimeNs hold_time(const RecordEntry& entry) const;
  TimeNs time_for_all(const RecordEntry& entry) const;
  bool client_had_turn(Activity& activity);
  // How many local clients may be given it now at a time.
  size_t batch(const RecordEntry& entry, TimeNs now) const;
  bool batch_is_out(const RecordEntry& entry, TimeNs now) const;
  static bool others_first(Activity& activity);
  void end_hold(Activity& activity);

  void count_hops(Activity& activity, uint32_t hops, TimeNs now);
  void count_move(Activity& activity, TimeNs now);
  void finish(Waiting* item);
  void drop_all(WaitingList& list);
  void open_some(TimeNs now);
  void ask_for_leftovers(TimeNs now);

  StoreContext& ctx_;
  // Activities that were there when the generation opened, and have not been looked at yet.
  size_t unopened_ = 0;
  // Databases whose leftovers are still to be asked for; of the last one from this chain on.
  std::vector<uint32_t> with_leftovers_;
  uint32_t leftovers_from_ = 0;
  struct InFlight {
    uint32_t calls = 0;
    size_t bytes = 0;  // of their data
  };
  std::unordered_map<uint32_t, InFlight> in_flight_;  // per local client
  RecordWalk renewal_walk_;
  bool renewing_ = false;
  uint64_t last_hold_ = 0;
  uint32_t renewals_ = 0;  // pushes of it in the queues
  Bytes with_header_;      // data of a FETCH_WITH_HEADER answer
  // Functions of local clients that are with other nodes, by the reqid of the call.
  struct SentFunction {
    Waiting* call;
    Activity* activity;
  };
  std::map<uint32_t, SentFunction> sent_;
  FunctionOutcome outcome_;
  std::set<std::string> faulty_functions_;  // of plug-ins that are there, told of in the log
  // Questions for a value, by their reqid.
  std::unordered_map<uint32_t, Activity*> asked_;
};

}  // namespace ctdb

#endif  // CTDB_STORE_CORE_MIGRATION_H_
