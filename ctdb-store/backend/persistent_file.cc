// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-store/backend/persistent_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "ctdb-store/backend/durable_file.h"
#include "ctdb-store/backend/tdb_api.h"
#include "ctdb-store/backend/tdb_file.h"
#include "ctdb-store/backend/tdb_record_file.h"
#include "libctdbipc/base/process_name.h"
#include "libctdbipc/base/shortage.h"
#include "libctdbipc/base/unique_fd.h"
#include "libctdbipc/runtime/log.h"

namespace ctdb {
namespace {

constexpr char kCopySuffix[] = ".committed";
constexpr int kFlags = TDB_DISALLOW_NESTING;
constexpr off_t kBehindOpenByte = 1;

// Also when that cannot be found out: what is there is not to be replaced.
bool exists(const std::string& path) {
  return access(path.c_str(), F_OK) == 0 || errno != ENOENT;
}

struct flock lock_from(off_t first, short type) {
  struct flock lock {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = first;
  return lock;
}

// A lock of the open file, taken without waiting: with F_WRLCK nobody else has any lock behind `first`, with F_RDLCK nobody writes. Its end
// takes the locks along that this process's libtdb has on the file, so there must be none. Errors: kSystem; EAGAIN: somebody has one.
Result<UniqueFd> hold_still(const std::string& path, off_t first, short type) {
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!fd.valid()) return fail_errno("opening " + path);
  struct flock lock = lock_from(first, type);
  if (fcntl(fd.get(), F_OFD_SETLK, &lock) == 0) return fd;
  if (errno != EAGAIN && errno != EACCES) return fail_errno("locking " + path);
  lock = lock_from(first, type);
  const bool found = fcntl(fd.get(), F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK && lock.l_pid > 0;
  const std::string who = found ? process_text(lock.l_pid) : "another process";
  return fail(Error{ErrorCode::kSystem, EAGAIN, who + " has locked " + path});
}

// Whoever opens the file has this byte for that long.
bool is_being_opened(const std::string& path) {
  constexpr off_t kOpenByte = 0;
  const UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  struct flock lock = lock_from(kOpenByte, F_WRLCK);
  lock.l_len = 1;
  return fd.valid() && fcntl(fd.get(), F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

// libtdb waits for the locks that a check needs. So they are held here, and it is told to take none. Opening undoes a transaction that its
// writer did not live to finish.
Result<void> checked_alone(const std::string& path) {
  const Result<UniqueFd> alone = hold_still(path, 0, F_WRLCK);
  if (!alone) return fail(alone.error());
  Result<TdbHandle> tdb = TdbHandle::open(path, 0, kFlags | TDB_NOSYNC | TDB_NOLOCK, false);
  if (!tdb) return fail(std::move(tdb.error()));
  return tdb->check();
}

// Errors: kSystem, it cannot be known now.
Result<bool> is_sound(const std::string& path) {
  const Result<void> sound = checked_alone(path);
  if (sound) return true;
  if (is_shortage(sound.error())) return fail(sound.error());
  // libtdb does not say whether it is the bytes or the disk.
  if (Result<void> readable = check_readable(path); !readable) return fail(std::move(readable.error()));
  return false;
}

class PersistentRecordFile : public TdbRecordFile {
 public:
  PersistentRecordFile(TdbHandle tdb, std::string damage)
      : TdbRecordFile(std::move(tdb), UniqueFd(), kFlags, nullptr), damage_(std::move(damage)) {}

  std::string damage() const override { return damage_; }
  // Its chains are those of libtdb's own hash, which is not known here.
  LockHolder lock_holder(ByteView) const override { return {}; }

  Result<void> for_each(const std::function<bool(ByteView, ByteView)>& visit) override {
    const auto pass_on = [](tdb_context*, TDB_DATA key, TDB_DATA value, void* into) {
      auto& to = *static_cast<const std::function<bool(ByteView, ByteView)>*>(into);
      return to(tdb_view(key), tdb_view(value)) ? 0 : 1;
    };
    const Result<UniqueFd> still = hold_still(path(), kBehindOpenByte, F_RDLCK);
    if (!still) return fail(still.error());
    if (tdb_traverse_read(handle().get(), pass_on, const_cast<void*>(static_cast<const void*>(&visit))) < 0)
      return handle().failure("reading the records");
    return {};
  }

 private:
  std::string damage_;
};

// What lies at `path` when this returns is sound, or nothing is there. `damage`: what could not be saved.
Result<void> make_sound(const std::string& path, const PersistentOptions& options, std::string& damage) {
  const std::string copy = committed_copy_of(path);
  if (exists(path) && (!options.machine_restarted || !exists(copy))) {
    const Result<bool> sound = is_sound(path);
    if (!sound) return fail(sound.error());
    if (*sound) return {};
  }
  std::string was = path + " is not there";
  if (exists(path) && !options.machine_restarted) {
    Result<std::string> kept = put_aside(path);
    if (!kept) return fail(std::move(kept.error()));
    was = path + " is damaged and kept as " + *kept;
  } else if (exists(path)) {
    was = path + " may lack what was not on disk when the machine stopped";
  }
  if (!exists(copy)) {
    if (was.ends_with("is not there")) return {};
    if (exists(path)) {
      Result<std::string> kept = put_aside(path);
      if (!kept) return fail(std::move(kept.error()));
      was = path + " is damaged and kept as " + *kept;
    }
    damage = was + "; there is no copy of it on this node";
    return {};
  }
  const Result<bool> sound = is_sound(copy);
  if (!sound) return fail(sound.error());
  if (!*sound) {
    Result<std::string> kept = put_aside(copy);
    if (!kept) return fail(std::move(kept.error()));
    if (exists(path)) {
      Result<std::string> kept_too = put_aside(path);
      if (!kept_too) return fail(std::move(kept_too.error()));
    }
    damage = was + "; so is the copy, kept as " + *kept;
    return {};
  }
  log_notice(was + "; it is made again from " + copy + " and the log of commits");
  return copy_durably(copy, path);
}

}  // namespace

Result<std::unique_ptr<RecordFile>> open_persistent_file(const std::string& path,
                                                         const PersistentOptions& options) {
  std::string damage;
  if (Result<void> sound = make_sound(path, options, damage); !sound) return fail(std::move(sound.error()));
  if (is_being_opened(path)) return fail(Error{ErrorCode::kSystem, EAGAIN, path + " is being opened"});
  Result<TdbHandle> tdb = TdbHandle::open(path, options.hash_size, kFlags, true);
  if (!tdb)
    return fail(std::move(tdb.error()).in("opening a persistent database (is the directory writable?)"));
  // Before the first transaction: a file that is not on disk could not be found again by the log.
  const std::string copy = committed_copy_of(path);
  if (!exists(copy)) {
    if (Result<void> copied = copy_durably(path, copy); !copied) return fail(std::move(copied.error()));
  }
  return std::unique_ptr<RecordFile>(
      std::make_unique<PersistentRecordFile>(std::move(*tdb), std::move(damage)));
}

std::string committed_copy_of(const std::string& path) {
  return path + kCopySuffix;
}

int persistent_tdb_flags() {
  return kFlags;
}

std::vector<std::string> persistent_names(const std::string& directory, const std::string& suffix) {
  std::vector<std::string> names = database_names(directory, suffix);
  const std::vector<std::string> copies = database_names(directory, suffix + kCopySuffix);
  names.insert(names.end(), copies.begin(), copies.end());
  std::ranges::sort(names);
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

}  // namespace ctdb
