// SPDX-License-Identifier: GPL-3.0-or-later
// A record's file and its index entry changed together. All of these want the record's chain locked.
//
// A failed write leaves file and entry as they were and is reported once a minute for each database; callers try again later.
#ifndef CTDB_STORE_CORE_RECORD_IO_H_
#define CTDB_STORE_CORE_RECORD_IO_H_

#include "ctdb-store/core/store_context.h"

namespace ctdb {

// How long after a failed write it is tried again (disk full, most likely).
inline constexpr TimeNs kFileRetry = 100 * kMillisecond;

// The record's data, a loan in context.value; empty when there is no record or it is too short to have data. The entry's
// flags are what the file has afterwards (as far as others than the store may take any away).
ByteView read_data(StoreContext& context, Activity& activity);
// false: the write failed.
bool write_record(StoreContext& context, Activity& activity, const RecordHeader& header, ByteView data);
// The file says that nobody owns the record, the entry stays as it is.
bool hide_record(StoreContext& context, Activity& activity, ByteView data);
bool remove_record(StoreContext& context, Activity& activity);
// The file has no such record any more, which nobody has taken out: damage, or a client that was killed between two steps of a change, has
// cost it. One that was empty when it came here, and of which no value was seen since, is put back as it was: what others may have is
// older than that. Of others a recovery finds out who has copies and which is the newest; it is asked for, and until then nobody makes the
// record anew where others may have some (Migration::awaits_recovery()).
void lose_record(StoreContext& context, Database& db, RecordEntry& entry);
// The record is discarded as far as this store is concerned; what the file has of it is noted as a leftover. Its chain cannot be had, so
// what a client has made of it meanwhile is not looked at.
void discard_unseen(StoreContext& context, Activity& activity);
// Files of an earlier life are discarded: nobody may go on with what they say. But of what this node owned perhaps nobody else knows that it
// was there: left_behind has it.
void discard_past(StoreContext& context);
// Sets what is to be done to the record's header next, instead of what was to be done before.
void set_header_job(StoreContext& context, Activity& activity, HeaderJob job);
void cancel_header_job(StoreContext& context, Activity& activity);
// Does the activity's header job and clears it.
bool run_header_job(StoreContext& context, Activity& activity);

}  // namespace ctdb

#endif  // CTDB_STORE_CORE_RECORD_IO_H_
