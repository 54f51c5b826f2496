// SPDX-License-Identifier: GPL-3.0-or-later
// The controls that messages.def gives to the store, one row and one small function each, and attaching: requests of
// local clients for a database wait until a generation is open.
#ifndef CTDB_STORE_CORE_CONTROLS_H_
#define CTDB_STORE_CORE_CONTROLS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ctdb-store/core/commits/commits.h"
#include "ctdb-store/core/migration.h"
#include "ctdb-store/core/recovery.h"
#include "ctdb-store/core/rewrite.h"
#include "ctdb-store/core/store_context.h"
#include "ctdb-store/core/traverse.h"
#include "ctdb-store/core/vacuum.h"

namespace ctdb {

// Who sent a control and how it wants its answer.
struct ControlOrigin {
  uint32_t endpoint = 0;   // local client, or 0
  uint32_t node = 0;       // where it comes from when endpoint is 0
  uint32_t client_id = 0;  // 0: a daemon's own
  uint32_t reqid = 0;
  bool noreply = false;
};

class StoreControls {
 public:
  // commits: nullptr when there is no disk for persistent and replicated databases.
  StoreControls(StoreContext& context, Migration& migration, Recovery& recovery, Traverse& traverse,
                Commits* commits, Rewrites& rewrites, Vacuum& vacuum)
      : ctx_(context),
        migration_(migration),
        recovery_(recovery),
        traverse_(traverse),
        commits_(commits),
        rewrites_(rewrites),
        vacuum_(vacuum) {}

  void serve(const ControlOrigin& origin, const ReqControl& control, TimeNs now);
  // SCHEDULE_FOR_DELETION as a packet that did not come through the router, and is not answered.
  void deletion(ByteView packet, TimeNs now);
  void client_gone(uint32_t endpoint);
  void all_clients_gone() {
    parked_attaches_.clear();
    parked_detaches_.clear();
  }
  // A generation is open: parked attaches go on.
  void opened(TimeNs now);
  // Stopped or banned: they are refused.
  void stopped();
  // A recovery has left it out.
  void drop_database(Database& db);
  // No member, for whatever reason.
  void suspended();
  // Change counters that clients had switched on before this store was restarted.
  void resume_seqnums();
  void tick(TimeNs now);
  TimeNs next_deadline() const;

 private:
  struct Row;
  static const Row* find(uint32_t opcode);
  using Handler = void (StoreControls::*)(const ControlOrigin&, const ReqControl&, TimeNs);
  struct ParkedAttach {
    ControlOrigin origin;
    std::string name;
    uint8_t kind = 0;
    TimeNs deadline = kNever;
    TimeNs try_at = kNever;  // kNever: when a generation opens
  };

  // Answered when the recovery is over that leaves the database out.
  struct ParkedDetach {
    ControlOrigin origin;
    uint32_t db_id = 0;
  };

  void reply(const ControlOrigin& origin, int32_t status, ByteView data = {}, std::string_view error = {});
  void ok(const ControlOrigin& origin, ByteView data = {}) { reply(origin, 0, data); }
  void refuse(const ControlOrigin& origin, std::string_view error = {}) { reply(origin, -1, {}, error); }
  void reply_text(const ControlOrigin& origin, const std::string& text);
  void broadcast(Control opcode, ByteView data);
  // The database whose id stands first in the data; nullptr after an answer of -1.
  Database* database(const ControlOrigin& origin, const ReqControl& control, size_t at = 0);

  // attach.cc
  void db_attach(const ControlOrigin&, const ReqControl&, TimeNs);
  void attach_now(const ParkedAttach& attach, TimeNs now);
  void db_detach(const ControlOrigin&, const ReqControl&, TimeNs);
  void db_copies(const ControlOrigin&, const ReqControl&, TimeNs);
  void db_record_limit(const ControlOrigin&, const ReqControl&, TimeNs);
  void trans3_commit(const ControlOrigin&, const ReqControl&, TimeNs);
  void enable_seqnum(const ControlOrigin&, const ReqControl&, TimeNs);
  void update_seqnum(const ControlOrigin&, const ReqControl&, TimeNs);
  void tell_seqnums();

  void get_db_path(const ControlOrigin&, const ReqControl&, TimeNs);
  void get_db_name(const ControlOrigin&, const ReqControl&, TimeNs);
  void get_db_map(const ControlOrigin&, const ReqControl&, TimeNs);
  void db_open_flags(const ControlOrigin&, const ReqControl&, TimeNs);
  void db_set_healthy(const ControlOrigin&, const ReqControl&, TimeNs);
  void db_get_health(const ControlOrigin&, const ReqControl&, TimeNs);
  void get_db_seqnum(const ControlOrigin&, const ReqControl&, TimeNs);
  void get_db_statistics(const ControlOrigin&, const ReqControl&, TimeNs);
  void get_lock_waits(const ControlOrigin&, const ReqControl&, TimeNs);
  void reset_statistics(const ControlOrigin&, const ReqControl&, TimeNs);
  void set_db_readonly(const ControlOrigin&, const ReqControl&, TimeNs);
  void set_db_sticky(const ControlOrigin&, const ReqControl&, TimeNs);
  void set_attribute(Database& db, uint8_t flag);
  void schedule_for_deletion(const ControlOrigin&, const ReqControl&, TimeNs);
  void traverse_start(const ControlOrigin&, const ReqControl&, TimeNs);
  void traverse_all(const ControlOrigin&, const ReqControl&, TimeNs);
  void traverse_data(const ControlOrigin&, const ReqControl&, TimeNs);
  void traverse_kill(const ControlOrigin&, const ReqControl&, TimeNs);
  // rewrite_controls.cc
  void answer(const ControlOrigin& origin, const std::string& error, ByteView data = {});
  void db_freeze(const ControlOrigin&, const ReqControl&, TimeNs);
  void db_thaw(const ControlOrigin&, const ReqControl&, TimeNs);
  void db_transaction_start(const ControlOrigin&, const ReqControl&, TimeNs);
  void wipe_database(const ControlOrigin&, const ReqControl&, TimeNs);
  void db_push_start(const ControlOrigin&, const ReqControl&, TimeNs);
  void db_push_confirm(const ControlOrigin&, const ReqControl&, TimeNs);
  void db_transaction_commit(const ControlOrigin&, const ReqControl&, TimeNs);
  void db_transaction_cancel(const ControlOrigin&, const ReqControl&, TimeNs);

  void no_freeze(const ControlOrigin&, const ReqControl&, TimeNs);
  void not_persistent(const ControlOrigin&, const ReqControl&, TimeNs);
  void db_vacuum(const ControlOrigin&, const ReqControl&, TimeNs);
  void no_vacuum(const ControlOrigin&, const ReqControl&, TimeNs);

  StoreContext& ctx_;
  Migration& migration_;
  Recovery& recovery_;
  Traverse& traverse_;
  Commits* commits_;
  Rewrites& rewrites_;
  Vacuum& vacuum_;
  std::vector<ParkedAttach> parked_attaches_;
  std::vector<ParkedDetach> parked_detaches_;
  TimeNs next_seqnum_tick_ = kNever;
  Bytes built_;
};

}  // namespace ctdb

#endif  // CTDB_STORE_CORE_CONTROLS_H_
