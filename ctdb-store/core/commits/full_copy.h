// SPDX-License-Identifier: GPL-3.0-or-later
// What a store knows of a full-copy database: its index (each entry with the record's part of the digest), the digest of
// all contents, and its sequence number. Kept up with every transaction that has become visible in the file.
#ifndef CTDB_STORE_CORE_COMMITS_FULL_COPY_H_
#define CTDB_STORE_CORE_COMMITS_FULL_COPY_H_

#include <string>

#include "ctdb-store/core/commits/commit_disk.h"
#include "ctdb-store/core/database.h"
#include "libctdbipc/wire/commit_messages.h"
#include "libctdbipc/wire/rec_buffer.h"

namespace ctdb {

// A record with data is there with that header, and this is its entry; one without is gone. Of many: noting.h.
RecordEntry* note_record(Database& db, const BufferedRecord& record);
void note_gone(Database& db, RecordEntry& entry);
DatabaseDigest digest_of(const Database& db);

// Why one of its values may not be, "" if all may: larger than the database's record limit.
std::string size_objection(const Database& db, CommitKind kind, ByteView payload);

// The entry's effect comes with a later one.
void note_put_off(Database& db, const KeptEntry& entry);
// What an entry of that node and generation goes on with is here.
bool has_put_off(const Database& db, uint32_t origin, uint32_t generation);

// Why the transaction may not happen on what the database has now, "" if it may: it must be well formed, no record's rsn
// may go back (or stay, with other data), and a sequence number it sets must be a new one (wire-protocol §8.2.4). What goes
// on needs what it goes on with.
std::string objection(const Database& db, CommitKind kind, ByteView payload, uint32_t origin,
                      uint32_t generation);

}  // namespace ctdb

#endif  // CTDB_STORE_CORE_COMMITS_FULL_COPY_H_
