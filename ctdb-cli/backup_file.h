// SPDX-License-Identifier: GPL-3.0-or-later
// Backup files of databases, in the format of the classic tool's `ctdb backupdb` (version 3), in this machine's byte order:
// u64 version, u64 time, u64 kind, u64 number of buffers, u64 number of records, 64 bytes name with NULs; then each
// rec_buffer (wire-protocol §7.2) with the size of its elements, u64, between its head and them. Records have their headers.
#ifndef CTDB_CLI_BACKUP_FILE_H_
#define CTDB_CLI_BACKUP_FILE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "libctdbipc/base/bytes.h"
#include "libctdbipc/base/result.h"

namespace ctdb::cli {

struct Backup {
  std::string name;    // of the database
  uint8_t flags = 0;   // CTDB_DB_*: its kind
  int64_t time_s = 0;  // since the epoch
  uint64_t records = 0;
  std::vector<Bytes> buffers;

  // One more record; `value` begins with its header.
  void add(uint32_t db_id, ByteView key, ByteView value);
};

inline constexpr size_t kBackupNameBytesMax = 63;

Bytes encode_backup(const Backup& backup);
// kInvalid: not such a file, of another version or byte order, or damaged; what and where is said.
Result<Backup> decode_backup(ByteView bytes);

// Whether a backup can be made with this name, before much work is done for it: where something is it has to be a file, since it is
// replaced. Errors: kInvalid.
Result<void> may_be_backup(const std::string& path);
// A new file that is complete and on the disk, or none. A symbolic link stays, and what it leads to is replaced. Errors: kSystem and those of
// may_be_backup().
Result<void> write_backup(const std::string& path, const Backup& backup);
// A file, or a pipe. Errors: kSystem and those of decode_backup().
Result<Backup> read_backup(const std::string& path);

}  // namespace ctdb::cli

#endif  // CTDB_CLI_BACKUP_FILE_H_
