// SPDX-License-Identifier: GPL-3.0-or-later
// Deleted records are removed from all files of the cluster, in batches and small pieces (ARCHITECTURE §4, "Deleted records"). One
// that was deleted some time ago and still is
//   - goes to its lmaster, as if that had asked for it; and there
//   - is removed by the lmaster: first every other member makes its copy an empty one, then it removes it, then the lmaster
//     removes the record. It is then one that nobody has ever had.
//
// Invariants:
//  1. A record is removed by its lmaster only, while that owns it: nobody gets it meanwhile, and when somebody does its rsn rises and
//     nothing is removed.
//  2. No member removes an empty copy while another may have one that is not: so whoever dies meanwhile, what was deleted
//     stays deleted, or what is left is the newest copy there was.
//  3. All that is asked and answered is of one open generation. What was under way when it ends has no consequence.
//  4. A chain that is busy is not waited for: the record is looked at again later.
#ifndef CTDB_STORE_CORE_VACUUM_H_
#define CTDB_STORE_CORE_VACUUM_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "ctdb-store/core/migration.h"
#include "ctdb-store/core/record_walk.h"
#include "ctdb-store/core/store_context.h"
#include "libctdbipc/wire/own_messages.h"

namespace ctdb {

class Vacuum {
 public:
  Vacuum(StoreContext& context, Migration& migration) : ctx_(context), migration_(migration) {
    ctx_.deleted.set_rest(ctx_.options.vacuum_interval);
  }

  // How long deleted records rest; 0: they stay.
  void set_interval(TimeNs interval, TimeNs now);
  // A client says that it has deleted this record.
  void deleted(Database& db, ByteView key, TimeNs now);
  void deleted(const ReqCall& call, TimeNs now);
  // All deleted records of this node are dealt with now, those that nobody has told of too.
  void hurry(TimeNs now);

  // RECORD_FORGET or RECORD_FORGOTTEN of the open generation. false: it makes no sense.
  bool packet(const Header& header, ByteView payload, TimeNs now);

  void open(TimeNs now);
  // The generation is over.
  void close();
  // The database is going away.
  void drop_database(const Database& db);

  void tick(TimeNs now);
  TimeNs next_deadline() const;
  bool has_work() const;
  // One slice.
  void work(TimeNs now);

 private:
  struct Record {
    RecordEntry* entry = nullptr;
    uint64_t rsn = 0;       // it has this one as long as nothing happens to it
    bool possible = true;   // no member has said "not now"
    bool has_copy = false;  // some member has an (empty) copy
  };
  // Records of one database that the other members are being asked to forget.
  struct Batch {
    Database* db = nullptr;
    std::vector<Record> records;
    size_t key_bytes = 0;
    ForgetStep step = ForgetStep::kEmpty;
    uint32_t reqid = 0;
    std::vector<uint32_t> awaited;  // members that have not answered
    TimeNs since = 0;
  };

  bool runs() const { return ctx_.is_open() && ctx_.deleted.rest() > 0; }
  TimeNs next_turn() const;
  // At a member: its copies go.
  void forget(const Header& header, const RecordForget& question);
  // At the lmaster.
  void forgotten(const Header& header, const RecordForgotten& packet, TimeNs now);
  void look(Database& db, RecordEntry& entry, TimeNs now);
  void drop_hint(Database& db, RecordEntry& entry);
  bool may_go(const Database& db, const RecordEntry& entry) const;
  bool is_deleted(Database& db, RecordEntry& entry);
  void take_into_batch(Database& db, RecordEntry& entry, TimeNs now);
  void ask(Batch& batch);
  void answered(Batch& batch, TimeNs now);
  void remove(Batch& batch, Record& record, TimeNs now);
  bool unchanged(const Batch& batch, const Record& record) const;
  void give_up(Batch& batch, Record& record, TimeNs now);
  ForgetResult forget_copy(Database& db, const ForgetRecord& record, ForgetStep step, uint32_t lmaster);

  // vacuum_walk.cc: deleted records of which nobody has told
  void walk_slice(TimeNs now);
  void walk_at(TimeNs when);
  void walk_for_left_out(TimeNs now);
  void end_walk(TimeNs now);

  StoreContext& ctx_;
  Migration& migration_;
  std::vector<std::unique_ptr<Batch>> asked_;
  std::unique_ptr<Batch> filling_;
  TimeNs turn_at_ = 0;     // not before: so that there is something for a batch
  TimeNs due_until_ = -1;  // what was due then is being looked at; -1: nothing is
  TimeNs walk_at_ = kNever;
  RecordWalk walk_;
  bool walking_ = false;
  bool hurried_ =
      false;  // this walk, or the one that is to come, does not dawdle, and what it finds does not rest
  bool hurry_again_ = false;  // and another one follows: what it has passed may have been deleted meanwhile
};

}  // namespace ctdb

#endif  // CTDB_STORE_CORE_VACUUM_H_
