// SPDX-License-Identifier: GPL-3.0-or-later
// The controls by which the ctdb tool wipes and restores databases (rewrite.h).
#include "ctdb-store/core/controls.h"
#include "libctdbipc/wire/reader.h"

namespace ctdb {

void StoreControls::answer(const ControlOrigin& origin, const std::string& error, ByteView data) {
  if (error.empty()) return ok(origin, data);
  refuse(origin, error);
}

void StoreControls::db_freeze(const ControlOrigin& origin, const ReqControl& control, TimeNs now) {
  Database* db = database(origin, control);
  if (db == nullptr) return;
  rewrites_.freeze(
      *db, origin.endpoint, [this, origin](const std::string& error) { answer(origin, error); }, now);
}

void StoreControls::db_thaw(const ControlOrigin& origin, const ReqControl& control, TimeNs now) {
  const Database* db = database(origin, control);
  if (db == nullptr) return;
  rewrites_.thaw(db->id, now);
  ok(origin);
}

void StoreControls::db_transaction_start(const ControlOrigin& origin, const ReqControl& control, TimeNs now) {
  if (const Database* db = database(origin, control))
    answer(origin, rewrites_.begin(db->id, load<uint32_t>(control.data.data() + 4), now));
}

void StoreControls::wipe_database(const ControlOrigin& origin, const ReqControl& control, TimeNs now) {
  if (const Database* db = database(origin, control))
    answer(origin, rewrites_.wipe(db->id, load<uint32_t>(control.data.data() + 4), now));
}

// {u32 db_id, u32 not used, u64 srvid}: records come as messages to that srvid.
void StoreControls::db_push_start(const ControlOrigin& origin, const ReqControl& control, TimeNs now) {
  if (const Database* db = database(origin, control))
    answer(origin, rewrites_.take_records(db->id, load<uint64_t>(control.data.data() + 8), now));
}

void StoreControls::db_push_confirm(const ControlOrigin& origin, const ReqControl& control, TimeNs now) {
  const Database* db = database(origin, control);
  if (db == nullptr) return;
  uint32_t records = 0;
  const std::string error = rewrites_.confirm(db->id, &records, now);
  uint8_t count[4];
  store(count, records);
  answer(origin, error, count);
}

void StoreControls::db_transaction_commit(const ControlOrigin& origin, const ReqControl& control,
                                          TimeNs now) {
  Database* db = database(origin, control);
  if (db == nullptr) return;
  rewrites_.commit(
      *db, load<uint32_t>(control.data.data() + 4),
      [this, origin](const std::string& error) { answer(origin, error); }, now);
}

void StoreControls::db_transaction_cancel(const ControlOrigin& origin, const ReqControl& control, TimeNs) {
  if (const Database* db = database(origin, control)) answer(origin, rewrites_.cancel(db->id));
}

}  // namespace ctdb
