// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-store/backend/tdb_file.h"

#include <dirent.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <optional>
#include <utility>

#include "ctdb-store/backend/detached_note.h"
#include "ctdb-store/backend/durable_file.h"
#include "ctdb-store/backend/leftovers_note.h"
#include "ctdb-store/backend/persistent_file.h"
#include "ctdb-store/backend/tdb_api.h"
#include "ctdb-store/backend/tdb_handle.h"
#include "ctdb-store/backend/tdb_mutexes.h"
#include "ctdb-store/backend/tdb_record_file.h"
#include "ctdb-store/backend/tdb_repair.h"
#include "libctdbipc/base/shortage.h"
#include "libctdbipc/base/unique_fd.h"
#include "libctdbipc/runtime/log.h"
#include "libctdbipc/wire/layout.h"

namespace ctdb {
namespace {

constexpr int kVolatileFlags = TDB_CLEAR_IF_FIRST | TDB_NOSYNC | TDB_DISALLOW_NESTING | TDB_INCOMPATIBLE_HASH;
constexpr size_t kFileNameMax = 255;
// libtdb's "active" byte: every opener with CLEAR_IF_FIRST holds a read lock on it; who gets a write lock is
// alone.
constexpr off_t kActiveByte = 4;
// Held with a write lock for as long as an open takes.
constexpr off_t kOpenByte = 0;
// Bytes of a chain in a new file: one robust mutex and one list head. And room for the first records.
constexpr uint64_t kBytesPerChain = 48;
constexpr uint64_t kBytesForRecords = 1 << 20;
constexpr int kPatienceMs = 100;  // how long a clearing or the end of somebody's opening is waited for
constexpr int kChecksMax = 5;     // of a file that clients may be changing meanwhile

void pause_a_millisecond() {
  const timespec millisecond{0, 1000000};
  nanosleep(&millisecond, nullptr);
}

struct flock byte_lock(off_t byte, short type) {
  struct flock lock {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = byte;
  lock.l_len = 1;
  return lock;
}

// A lock of the open file, not of the process: so it stands against this process's own libtdb as well.
bool set_lock(int fd, off_t byte, short type) {
  for (int i = 0; i < kPatienceMs; ++i) {
    struct flock lock = byte_lock(byte, type);
    if (fcntl(fd, F_OFD_SETLK, &lock) == 0) return true;
    pause_a_millisecond();
  }
  return false;
}

bool has_other_openers(int fd) {
  struct flock lock = byte_lock(kActiveByte, F_WRLCK);
  return fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

// Also when that cannot be found out: who takes a file out of use must not overlook anybody.
bool has_openers(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  return fd.valid() ? has_other_openers(fd.get()) : errno != ENOENT;
}

// Holds the active byte, so that a following open with CLEAR_IF_FIRST does not clear, nor does anybody else's. Others may open the file:
// the keeper has to, whatever else is done with it meanwhile.
Result<UniqueFd> take_guard(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!fd.valid()) return fail_errno("opening " + path);
  const bool taken = set_lock(fd.get(), kOpenByte, F_WRLCK) && set_lock(fd.get(), kActiveByte, F_RDLCK);
  set_lock(fd.get(), kOpenByte, F_UNLCK);
  if (taken) return fd;
  return fail(ErrorCode::kTimeout, path +
                                       " is being opened by another process that does not finish "
                                       "(find it with 'fuser' and stop it)");
}

// While it lives nobody opens the file, if it could be taken; for what only they may do who are alone.
class NobodyOpens {
 public:
  explicit NobodyOpens(int guard) : guard_(guard), taken_(set_lock(guard, kOpenByte, F_WRLCK)) {}
  ~NobodyOpens() {
    if (taken_) set_lock(guard_, kOpenByte, F_UNLCK);
  }
  NobodyOpens(const NobodyOpens&) = delete;
  NobodyOpens& operator=(const NobodyOpens&) = delete;

  bool taken() const { return taken_; }
  bool alone() const { return taken_ && !has_other_openers(guard_); }

 private:
  int guard_;
  bool taken_;
};

// Takes the name away from a file. Clients that still have it open must not go on working on records that the
// cluster now gives to others: their mapping is cut, and they fail at the next access.
Result<void> retire(const std::string& path) {
  if (has_openers(path)) {
    log_warning(path + " is still open in other processes; it is cut to nothing so that they notice");
    if (truncate(path.c_str(), 0) != 0) return fail_errno("emptying " + path);
  }
  if (unlink(path.c_str()) != 0 && errno != ENOENT) return fail_errno("removing " + path);
  return {};
}

// The number of chains of a file with good records, 0 for others. Before the process has the file open. Takes
// no lock, so a record that a client is changing may look wrong: it is looked at again. Errors: kSystem, it cannot be known now.
Result<uint32_t> chains_if_sound(const std::string& path, int guard) {
  for (int i = 0; i < kChecksMax; ++i) {
    Result<TdbHandle> look = TdbHandle::open_to_look(path, TDB_INCOMPATIBLE_HASH);
    const Result<void> sound = look ? look->check() : Result<void>(fail(std::move(look.error())));
    if (sound) return static_cast<uint32_t>(tdb_hash_size(look->get()));
    if (is_shortage(sound.error())) return fail(sound.error());
    if (!has_other_openers(guard)) break;
    pause_a_millisecond();
  }
  // libtdb does not say whether it is the bytes or the disk.
  if (Result<void> readable = check_readable(path); !readable) return fail(std::move(readable.error()));
  return 0;
}

// The records of a file whose locks may be of no use any more, as they lie there: what is torn or damaged is passed over. A private
// mapping, so nothing can be changed by looking.
void visit_left_behind(const std::string& path, const std::function<void(ByteView, ByteView)>& visit) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat info {};
  if (!fd.valid() || fstat(fd.get(), &info) != 0 || info.st_size <= 0) return;
  const auto bytes = static_cast<size_t>(info.st_size);
  void* at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd.get(), 0);
  if (at == MAP_FAILED) return;
  const std::optional<TdbImage> image = TdbImage::of({static_cast<uint8_t*>(at), bytes});
  for (uint32_t chain = 0; image && chain < image->chains(); ++chain) {
    image->walk(chain, [&](uint32_t, TdbBlock& block) {
      const bool record = block.kind == kTdbLive && TdbImage::has_record(block) && !is_filler(block);
      if (record) visit(TdbImage::key(block), TdbImage::data(block));
      return true;
    });
  }
  munmap(at, bytes);
}

// libtdb writes the mutexes of a new file through a mapping: on a full file system that would be a SIGBUS.
Result<void> check_space(const std::string& directory, uint32_t hash_size) {
  struct statvfs info;
  if (statvfs(directory.c_str(), &info) != 0) return fail_errno("looking at " + directory);
  const uint64_t needed = hash_size * kBytesPerChain + kBytesForRecords;
  if (info.f_bavail * info.f_frsize >= needed) return {};
  return fail(Error{ErrorCode::kSystem, ENOSPC,
                    directory + " has not the " + std::to_string(needed >> 10) +
                        " KiB free that a database needs (make room, or set 'volatile database directory')"});
}

// What a tunable may ask for at the most.
constexpr uint32_t kChainsMax = 10000000;
constexpr uint32_t kMaxDeadMax = 1000000;

class TdbFiles : public RecordFiles {
 public:
  explicit TdbFiles(TdbOptions options) : options_(std::move(options)) {
    flags_ = volatile_tdb_flags(options_.mutexes);
  }
  Result<std::unique_ptr<RecordFile>> open(const std::string& name, uint8_t db_flags, bool keep) override;
  std::vector<std::string> existing() override;
  void discard(const std::string& name, const std::function<void(ByteView, ByteView)>& visit) override;
  Result<void> detach(const std::string& name) override;
  std::vector<std::string> detached() override;
  Result<void> set_detached_list(const std::vector<DetachedNote>& notes) override {
    return write_detached_list(detached_list_path(), notes);
  }
  std::vector<DetachedNote> detached_list() override;
  std::vector<std::string> existing_persistent() override;
  void tune(uint32_t chains, uint32_t max_dead) override {
    options_.hash_size = std::min(chains, kChainsMax);
    options_.max_dead = std::min(max_dead, kMaxDeadMax);
  }

 private:
  using Opened = Result<std::unique_ptr<RecordFile>>;
  enum class Removal : uint8_t { kDone, kOthersHaveIt, kSomebodyOpensIt };
  static Removal remove_alone(const std::string& path);
  std::string suffix() const { return "." + std::to_string(options_.pnn); }
  // Not the name of a database's file: those end with the number.
  std::string detached_list_path() const {
    return options_.volatile_directory + "/detached" + suffix() + ".list";
  }
  Result<void> check_name(const std::string& name) const;
  Opened open_persistent(const std::string& name);
  Opened open_replicated(const std::string& name);
  Result<void> check_mutexes(const std::string& path, uint32_t chains, int fd);
  Opened take_up(const std::string& path);
  Result<bool> salvage(const std::string& path, int fd, uint32_t& chains);
  Result<TdbFindings> repaired(const std::string& path, int fd, const TdbImage& image);
  Result<TdbFindings> repaired_alone(const std::string& path, int fd, const TdbImage& image);
  Opened open_empty(const std::string& path, int flags);
  Opened make_anew(const std::string& path);
  bool empty_in_place(TdbHandle& tdb);
  std::unique_ptr<RecordFile> made(TdbHandle tdb, UniqueFd guard, int flags);

  TdbOptions options_;
  int flags_;
  std::map<uint32_t, TdbMutexes> mutexes_;  // by number of chains; most files have the same
};

Result<void> TdbFiles::check_name(const std::string& name) const {
  const std::string file = name + suffix();
  if (name.empty() || name[0] == '.' || name.find('/') != std::string::npos ||
      name.find('\0') != std::string::npos) {
    return fail(ErrorCode::kInvalid,
                "'" + name + "' cannot be a database name (no '/', not empty, no leading dot)");
  }
  if (file.size() > kFileNameMax) {
    return fail(ErrorCode::kInvalid, "database name of " + std::to_string(name.size()) +
                                         " bytes is too long for a file name (at most " +
                                         std::to_string(kFileNameMax - suffix().size()) + ")");
  }
  return {};
}

std::unique_ptr<RecordFile> TdbFiles::made(TdbHandle tdb, UniqueFd guard, int flags) {
  tdb_set_max_dead(tdb.get(), static_cast<int>(options_.max_dead));
  return std::make_unique<TdbRecordFile>(std::move(tdb), std::move(guard), flags, options_.gate);
}

// The mutexes of a file that nobody has open may be left locked; those of an open one can only be looked at.
Result<void> TdbFiles::check_mutexes(const std::string& path, uint32_t chains, int fd) {
  if ((flags_ & TDB_MUTEX_LOCKING) == 0) return {};
  auto known = mutexes_.find(chains);
  if (known == mutexes_.end()) {
    Result<TdbMutexes> learned = TdbMutexes::learn(chains, flags_);
    if (!learned) return fail(std::move(learned.error()));
    known = mutexes_.emplace(chains, std::move(*learned)).first;
  }
  const Result<bool> sound = known->second.sound(fd);
  if (!sound) return fail(sound.error());
  if (!*sound) return fail(ErrorCode::kCorrupt, "the locks in tdb file " + path + " are damaged");
  const NobodyOpens lock(fd);
  return lock.alone() ? known->second.reset(fd) : Result<void>{};
}

// What is left when a client is killed while it makes room, or a store while it writes: all records are there, but not everything else is
// right. With the file's all-record lock, which its other openers give up in time or not. False: it is damaged otherwise, or they do not.
// Of a file that is full (tdb_repair.h) it moves the records that were made last, and may cost some: `chains` is set when it is sound, which
// libtdb's check does not find. Errors: kSystem, it cannot be done now.
Result<bool> TdbFiles::salvage(const std::string& path, int fd, uint32_t& chains) {
  struct stat info {};
  if (fstat(fd, &info) != 0) return fail_errno("looking at " + path);
  if (info.st_size <= 0) return false;
  const auto bytes = static_cast<size_t>(info.st_size);
  void* at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (at == MAP_FAILED) return fail_errno("mapping " + path);
  const MutableBytes file(static_cast<uint8_t*>(at), bytes);
  const std::optional<TdbImage> image = TdbImage::of(file);
  Result<TdbFindings> found = image ? repaired(path, fd, *image) : TdbFindings{.repaired = false};
  const bool is_full_file = image && is_full(*image);
  if (found && found->repaired && found->sound() && is_full_file) chains = image->chains();
  munmap(file.data(), file.size());
  if (!found) return fail(std::move(found.error()));
  if (!found->repaired || found->sound()) return found->repaired;
  const std::string_view who =
      is_full_file ? ", as libtdb leaves one that has become 4 GiB large; it is repaired, "
                   : ", as somebody leaves it who is killed in the middle of a write; it is repaired, ";
  log_warning("tdb file " + path + " had " + found->text() + std::string(who) +
              (found->lost_records() ? "these records are lost" : "no record is lost"));
  return true;
}

Result<TdbFindings> TdbFiles::repaired(const std::string& path, int fd, const TdbImage& image) {
  const Result<void> good = check_mutexes(path, image.chains(), fd);
  if (good) return repaired_alone(path, fd, image);
  if (is_shortage(good.error())) return fail(good.error());
  return TdbFindings{.repaired = false};
}

Result<TdbFindings> TdbFiles::repaired_alone(const std::string& path, int fd, const TdbImage& image) {
  {
    const NobodyOpens lock(fd);
    if (lock.alone()) return examine_and_repair(image, !is_full(image));
  }
  TdbFindings found{.repaired = false};
  const Result<TdbHandle> tdb = TdbHandle::open(path, 0, flags_, false);
  if (!tdb && is_shortage(tdb.error())) return fail(tdb.error());
  for (int i = 0; tdb && i < kPatienceMs; ++i) {
    if (tdb_lockall_nonblock(tdb->get()) == 0) {
      // It cannot become longer now; if it has, the end does not fit, and the next attempt sees it.
      struct stat info {};
      if (fstat(fd, &info) == 0 &&
          (is_full(image) || static_cast<size_t>(info.st_size) == image.start() + image.end()))
        found = examine_and_repair(image, !is_full(image));
      tdb_unlockall(tdb->get());
      return found;
    }
    pause_a_millisecond();
  }
  return found;
}

// The contents stay. The error is kCorrupt when they are not usable.
TdbFiles::Opened TdbFiles::take_up(const std::string& path) {
  Result<UniqueFd> guard = take_guard(path);
  if (!guard) return fail(std::move(guard.error()));
  Result<uint32_t> chains = chains_if_sound(path, guard->get());
  for (int i = 0; chains && *chains == 0 && i < kChecksMax; ++i) {
    const Result<bool> salvaged = salvage(path, guard->get(), *chains);
    if (!salvaged) return fail(salvaged.error());
    if (!*salvaged) break;
    if (*chains == 0) chains = chains_if_sound(path, guard->get());
  }
  if (!chains) return fail(std::move(chains.error()));
  if (*chains == 0) return fail(ErrorCode::kCorrupt, "tdb file " + path + " is damaged");
  if (Result<void> good = check_mutexes(path, *chains, guard->get()); !good)
    return fail(std::move(good.error()));
  Result<TdbHandle> tdb = TdbHandle::open(path, options_.hash_size, flags_, false);
  if (!tdb && is_shortage(tdb.error())) return fail(std::move(tdb.error()));
  if (!tdb) return fail(ErrorCode::kCorrupt, tdb.error().text());
  return made(std::move(*tdb), std::move(*guard), flags_);
}

// False: a client keeps a chain locked, or the file is of no use.
bool TdbFiles::empty_in_place(TdbHandle& tdb) {
  for (int i = 0; i < kPatienceMs; ++i) {
    if (tdb_lockall_nonblock(tdb.get()) == 0) {
      const bool wiped = tdb_wipe_all(tdb.get()) == 0;
      tdb_unlockall(tdb.get());
      return wiped;
    }
    pause_a_millisecond();
  }
  return false;
}

TdbFiles::Opened TdbFiles::open_empty(const std::string& path, int flags) {
  if (has_openers(path)) {  // needs no room
    if (Result<TdbHandle> tdb = TdbHandle::open(path, options_.hash_size, flags, false); tdb) {
      if (empty_in_place(*tdb)) return made(std::move(*tdb), UniqueFd(), flags);
    }
    if (Result<void> retired = retire(path); !retired) return fail(std::move(retired.error()));
  }
  if (Result<void> space = check_space(options_.volatile_directory, options_.hash_size); !space)
    return fail(std::move(space.error()));
  Result<TdbHandle> tdb = TdbHandle::open(path, options_.hash_size, flags, true);
  if (!tdb) {
    return fail(std::move(tdb.error())
                    .in("making a database file (is " + options_.volatile_directory +
                        " writable and on a local file system with locks?)"));
  }
  return made(std::move(*tdb), UniqueFd(), flags);
}

TdbFiles::Opened TdbFiles::open_persistent(const std::string& name) {
  const std::string path = options_.persistent_directory + "/" + name + suffix();
  return open_persistent_file(path, {options_.hash_size, options_.machine_restarted});
}

// In a directory of their own: whoever looks at volatile files looks for records with owners.
TdbFiles::Opened TdbFiles::open_replicated(const std::string& name) {
  const std::string directory = options_.volatile_directory + "/replicated";
  if (mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) return fail_errno("making " + directory);
  return open_empty(directory + "/" + name + suffix(), kVolatileFlags);
}

// With a note that stays, the next store would leave out what is written from now on.
TdbFiles::Opened TdbFiles::make_anew(const std::string& path) {
  drop_leftovers_note(path);
  Opened opened = open_empty(path, flags_);
  if (!opened) return opened;
  if (Result<void> dropped = drop_detached_note(path); !dropped) return fail(std::move(dropped.error()));
  return opened;
}

TdbFiles::Opened TdbFiles::open(const std::string& name, uint8_t db_flags, bool keep) {
  if (Result<void> good = check_name(name); !good) return fail(std::move(good.error()));
  if ((db_flags & CTDB_DB_PERSISTENT) != 0) return open_persistent(name);
  if ((db_flags & CTDB_DB_REPLICATED) != 0) return open_replicated(name);
  const std::string path = volatile_path(options_.volatile_directory, options_.pnn, name);
  if (!keep || is_noted_detached(path) || access(path.c_str(), F_OK) != 0) return make_anew(path);
  Opened opened = take_up(path);
  if (opened || is_shortage(opened.error())) return opened;
  // Clients that have it open would go on with records that other nodes are given now.
  Result<std::string> kept = put_aside(path);
  if (!kept) return fail(std::move(kept.error()).in(opened.error().text()));
  return fail(opened.error().code,
              opened.error().text() + "; it is kept as " + *kept +
                  " (its records come back from the other nodes, those only this node had are lost)");
}

// Clients that have it open go on with an empty file, as far as that can be (open_empty()). What fails here fails again, and is told, when
// somebody attaches the database.
void TdbFiles::discard(const std::string& name, const std::function<void(ByteView, ByteView)>& visit) {
  const std::string path = volatile_path(options_.volatile_directory, options_.pnn, name);
  visit_left_behind(path, visit);
  drop_leftovers_note(path);
  if (has_openers(path)) {
    (void)open_empty(path, flags_);
  } else if (unlink(path.c_str()) == 0 || errno == ENOENT) {
    (void)drop_detached_note(path);
  }
}

// Nobody may begin to open it between the look and the end of its name: he would go on with a file that the database never has again, when it
// is attached anew. (Who has its descriptor and not the lock yet does. That is a moment, and being the first he empties the file himself.)
TdbFiles::Removal TdbFiles::remove_alone(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!fd.valid()) return errno == ENOENT ? Removal::kDone : Removal::kOthersHaveIt;
  const NobodyOpens lock(fd.get());
  if (!lock.taken()) return Removal::kSomebodyOpensIt;
  return lock.alone() && unlink(path.c_str()) == 0 ? Removal::kDone : Removal::kOthersHaveIt;
}

// Whoever keeps a chain is not to die of it, as he would if the file were cut: until somebody attaches the database again no other node
// gives its records to anybody. Nor is the store to wait for who stands still while he opens it.
Result<void> TdbFiles::detach(const std::string& name) {
  const std::string path = volatile_path(options_.volatile_directory, options_.pnn, name);
  Result<void> noted = note_detached(path);
  const Removal removal = remove_alone(path);
  if (removal == Removal::kDone) {
    drop_leftovers_note(path);
    (void)drop_detached_note(path);
    return {};
  }
  if (removal == Removal::kSomebodyOpensIt) return noted;
  Result<TdbHandle> tdb = TdbHandle::open(path, options_.hash_size, flags_, false);
  if (tdb && empty_in_place(*tdb)) drop_leftovers_note(path);
  return noted;
}

std::vector<std::string> TdbFiles::existing() {
  std::vector<std::string> names = volatile_names(options_.volatile_directory, options_.pnn);
  std::erase_if(names, [this](const std::string& name) {
    return is_noted_detached(volatile_path(options_.volatile_directory, options_.pnn, name));
  });
  return names;
}
std::vector<std::string> TdbFiles::detached() {
  return noted_detached(options_.volatile_directory, suffix());
}
std::vector<DetachedNote> TdbFiles::detached_list() {
  Result<std::vector<DetachedNote>> notes = read_detached_list(detached_list_path());
  if (notes) return std::move(*notes);
  log_error(notes.error().text() + "; detached databases may come back with nodes that were away");
  return {};
}
std::vector<std::string> TdbFiles::existing_persistent() {
  return persistent_names(options_.persistent_directory, suffix());
}

}  // namespace

Result<std::string> put_aside(const std::string& path) {
  const std::string kept = name_for_damaged(path);
  if (!has_openers(path)) {
    if (rename(path.c_str(), kept.c_str()) != 0) return fail_errno("renaming " + path + " to " + kept);
    drop_leftovers_note(path);
    return kept;
  }
  Result<void> copied = copy_durably(path, kept);
  if (!copied && is_shortage(copied.error())) return fail(std::move(copied.error()));
  if (Result<void> retired = retire(path); !retired) return fail(std::move(retired.error()));
  drop_leftovers_note(path);
  if (!copied) return fail(std::move(copied.error()));
  return kept;
}

Result<SharedTdb> open_shared(const std::string& path, int tdb_flags) {
  Result<UniqueFd> guard = take_guard(path);
  if (!guard) return fail(std::move(guard.error()));
  Result<TdbHandle> tdb = TdbHandle::open(path, 0, tdb_flags, false);
  if (!tdb) return fail(std::move(tdb.error()));
  return SharedTdb{std::move(*guard), std::move(*tdb)};
}

int volatile_tdb_flags(bool mutexes) {
  return kVolatileFlags | (mutexes && tdb_mutexes_usable() ? TDB_MUTEX_LOCKING : 0);
}

std::string volatile_path(const std::string& directory, uint32_t pnn, const std::string& name) {
  return directory + "/" + name + "." + std::to_string(pnn);
}

std::vector<std::string> volatile_names(const std::string& directory, uint32_t pnn) {
  return database_names(directory, "." + std::to_string(pnn));
}

std::vector<std::string> database_names(const std::string& directory, const std::string& suffix) {
  std::vector<std::string> names;
  DIR* at = opendir(directory.c_str());
  if (at == nullptr) return names;
  while (const dirent* entry = readdir(at)) {
    const std::string file = entry->d_name;
    if (file.size() <= suffix.size() || !file.ends_with(suffix) || file[0] == '.') continue;
    names.push_back(file.substr(0, file.size() - suffix.size()));
  }
  closedir(at);
  std::sort(names.begin(), names.end());
  return names;
}

std::unique_ptr<RecordFiles> make_tdb_files(TdbOptions options) {
  return std::make_unique<TdbFiles>(std::move(options));
}

}  // namespace ctdb
