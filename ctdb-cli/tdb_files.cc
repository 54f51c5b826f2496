// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-cli/tdb_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

// tdb.h needs these first.
#include <signal.h>
#include <sys/types.h>
#include <tdb.h>

#include <memory>

#include "libctdbipc/base/unique_fd.h"
#include "libctdbipc/wire/packet.h"

namespace ctdb::cli {
namespace {

struct Close {
  void operator()(tdb_context* tdb) const { tdb_close(tdb); }
};
using Tdb = std::unique_ptr<tdb_context, Close>;

Tdb open_tdb(const std::string& path, int tdb_flags, int open_flags, int hash_size = 0) {
  return Tdb(tdb_open(path.c_str(), hash_size, tdb_flags, open_flags | O_CLOEXEC, 0600));
}

// Any lock: who has a volatile database's file open holds one all the time.
bool is_locked(const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct flock lock = {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  return file.valid() && fcntl(file.get(), F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

// A file with mutexes, as volatile databases have, libtdb opens only where somebody has it open, or empties it, or without any locks.
// nullptr with EBUSY: somebody has it open.
Tdb open_file(const std::string& path) {
  Tdb tdb = open_tdb(path, TDB_DEFAULT, O_RDWR);
  const int why = errno;
  if (tdb != nullptr || (why != EIO && why != EINVAL)) return tdb;
  if (is_locked(path)) {
    errno = EBUSY;
    return tdb;
  }
  return open_tdb(path, TDB_NOLOCK, O_RDWR);
}

Error in_use(const std::string& path) {
  return Error{ErrorCode::kRefused, 0,
               path + " is in use: 'db check DB' looks at files of attached databases"};
}

uint64_t size_of(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 ? static_cast<uint64_t>(info.st_size) : 0;
}

int check_record(TDB_DATA key, TDB_DATA value, void* to) {
  auto& check = *static_cast<FileCheck*>(to);
  ++check.records;
  if (value.dsize == CTDB_RECORD_HEADER_SIZE) ++check.empty;
  check.data_bytes += key.dsize + value.dsize;
  if (value.dsize >= CTDB_RECORD_HEADER_SIZE) return 0;
  check.damage = "a record of " + std::to_string(value.dsize) + " bytes has no record header";
  return -1;
}

struct Copying {
  tdb_context* to;
  FileCopy* copy;
  bool failed = false;
};

int copy_record(tdb_context*, TDB_DATA key, TDB_DATA value, void* data) {
  auto& copying = *static_cast<Copying*>(data);
  if (value.dsize < CTDB_RECORD_HEADER_SIZE) return 0;  // none of ours
  if (tdb_store(copying.to, key, value, TDB_REPLACE) != 0) {
    copying.failed = true;
    return -1;
  }
  ++copying.copy->records;
  return 0;
}

void rescue_record(TDB_DATA key, TDB_DATA value, void* data) {
  (void)copy_record(nullptr, key, value, data);
}

Result<void> synced(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return fail_errno("opening " + path);
  const bool good = ::fsync(file) == 0;
  const auto error = fail_errno("writing " + path);
  ::close(file);
  return good ? Result<void>() : Result<void>(error);
}

// Who may open the file may open its copy: root makes one, and the store is a user of its own.
Result<void> with_owner_of(const std::string& from, const std::string& copy) {
  struct stat info {};
  if (::stat(from.c_str(), &info) != 0) return fail_errno("opening " + from);
  if (::chown(copy.c_str(), info.st_uid, info.st_gid) != 0 ||
      ::chmod(copy.c_str(), info.st_mode & 07777) != 0)
    return fail_errno("giving " + copy + " the owner and rights of " + from);
  return {};
}

Result<void> readable(const std::string& path) {
  if (::access(path.c_str(), R_OK) == 0) return {};
  if (errno != ENOENT) return fail_errno("opening " + path);
  return fail(ErrorCode::kNotFound, "there is no file " + path + " ('db check' shows this node's files)");
}

}  // namespace

Result<FileCheck> check_file(const std::string& path, int tdb_flags) {
  FileCheck check;
  if (const Result<void> there = readable(path); !there) return fail(there.error());
  check.file_bytes = size_of(path);
  const Tdb tdb = tdb_flags == 0 ? open_file(path) : open_tdb(path, tdb_flags, O_RDWR);
  if (tdb == nullptr && errno == EBUSY) return fail(in_use(path));
  if (tdb == nullptr && errno != EIO && errno != EINVAL && errno != EBADF)
    return fail_errno("opening " + path);
  if (tdb == nullptr) {
    check.damage = "it is no database, or its head is damaged";
    return check;
  }
  if (tdb_check(tdb.get(), check_record, &check) != 0 && check.damage.empty())
    check.damage = "its structure is damaged";
  return check;
}

Result<FileCopy> copy_records(const std::string& from, const std::string& to, bool rescue) {
  if (const Result<void> there = readable(from); !there) return fail(there.error());
  if (::access(to.c_str(), F_OK) == 0) return fail(ErrorCode::kRefused, to + " is there already");
  FileCopy copy;
  copy.old_bytes = size_of(from);
  const Tdb old = open_file(from);
  if (old == nullptr && errno == EBUSY) return fail(in_use(from));
  if (old == nullptr) return fail(ErrorCode::kCorrupt, from + ": it is no database, or its head is damaged");
  const Tdb fresh =
      open_tdb(to, TDB_DEFAULT | TDB_NOSYNC, O_RDWR | O_CREAT | O_EXCL, tdb_hash_size(old.get()));
  if (fresh == nullptr) return fail_errno("creating " + to);
  Copying copying{fresh.get(), &copy};
  const bool read = rescue ? tdb_rescue(old.get(), rescue_record, &copying) == 0
                           : tdb_traverse_read(old.get(), copy_record, &copying) >= 0;
  Result<void> done;
  if (copying.failed) done = fail(ErrorCode::kSystem, to + ": " + tdb_errorstr(fresh.get()));
  if (done && !read) done = fail(ErrorCode::kCorrupt, from + ": its records cannot be read");
  // What was rescued is of use to whoever could read the damaged file.
  if (Result<void> owned = with_owner_of(from, to); done && !rescue) done = owned;
  if (done) done = synced(to);
  if (!done) {
    ::unlink(to.c_str());
    return fail(done.error());
  }
  copy.new_bytes = size_of(to);
  return copy;
}

}  // namespace ctdb::cli
