// SPDX-License-Identifier: LGPL-3.0-or-later
// The same API on plain tdb files of one machine (ctdb_connect_local()): what attaching and transactions are there. Every record is here,
// so all else is what it is on a node for records that are.
#include <time.h>

// tdb.h needs these first.
#include <signal.h>
#include <sys/types.h>
#include <tdb.h>

#include <algorithm>
#include <cerrno>

#include "libctdbipc/base/database_rules.h"
#include "libctdbipc/base/hash.h"
#include "libctdbipc/client/client.h"

namespace ctdb {
namespace {

constexpr int kPersistentFlags = TDB_DISALLOW_NESTING | TDB_INCOMPATIBLE_HASH;
constexpr int kReplicatedFlags = kPersistentFlags | TDB_CLEAR_IF_FIRST | TDB_NOSYNC;

int flags_of(uint32_t kind) {
  if (kind == CTDB_ATTACH_PERSISTENT) return kPersistentFlags;
  if (kind == CTDB_ATTACH_REPLICATED) return kReplicatedFlags;
  return kReplicatedFlags | (tdb_runtime_check_for_robust_mutexes() ? TDB_MUTEX_LOCKING : 0);
}

void sleep_ms(int ms) {
  constexpr long kNanoseconds = 1000000;  // of a millisecond
  timespec left{ms / 1000, (ms % 1000) * kNanoseconds};
  while (nanosleep(&left, &left) != 0 && errno == EINTR) {
  }
}

}  // namespace

int attach_locally(ctdb_client& client, ctdb_db& db) {
  if (!is_database_name(db.name)) return client.fail(CTDB_ERR_INVALID, kNoDatabaseName);
  db.id = database_id(db.name);
  db.copies = 1;
  db.path = client.path + "/" + db.name;
  db.tdb_flags = static_cast<uint32_t>(flags_of(db.kind));
  return open_file(client, db);
}

int begin_locally(ctdb_db& db, const Deadline& deadline) {
  for (int pause_ms = kLockPauseMsMin;; pause_ms = std::min(2 * pause_ms, kLockPauseMsMax)) {
    const LocalFile::Begun begun = db.file->begin(db);
    if (begun == LocalFile::Begun::kYes) return 0;
    if (begun == LocalFile::Begun::kError) return file_failed(db, db.file->failure());
    const int left_ms = deadline.left_ms();
    if (left_ms == 0)
      return db.client->fail(CTDB_ERR_TIMEOUT, "another program has a transaction on " + db.path);
    sleep_ms(left_ms < 0 ? pause_ms : std::min(pause_ms, left_ms));
  }
}

int commit_locally(ctdb_db& db, const ctdb_transaction& transaction) {
  LocalFile::Values values;
  for (const auto& [key, change] : transaction.changes) values.emplace(key, change.data);
  const Result<void> committed = db.file->commit(values);
  return committed ? 0 : file_failed(db, committed.error());
}

}  // namespace ctdb
