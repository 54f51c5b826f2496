// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbipc/client/local_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

// tdb.h needs these first.
#include <signal.h>
#include <sys/types.h>
#include <tdb.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <mutex>

namespace ctdb {
namespace {

std::mutex list_mutex;
std::vector<std::unique_ptr<LocalFile>>& open_files() {
  static auto* list =
      new std::vector<std::unique_ptr<LocalFile>>;  // outlives static destructors of the program
  return *list;
}

constexpr int kHashSize = 10007;  // of a plain file that is created
constexpr mode_t kPlainMode = 0600;

// tdb does not change what it is given; its C interface has no const.
TDB_DATA tdb_bytes(ByteView bytes) {
  return {const_cast<uint8_t*>(bytes.data()), bytes.size()};
}

}  // namespace

Result<LocalFile*> LocalFile::open(const std::string& path, uint32_t tdb_flags, Layout layout) {
  std::lock_guard<std::mutex> guard(list_mutex);
  const int create = layout == Layout::kPlain ? O_CREAT : 0;
  struct stat info {};
  if (stat(path.c_str(), &info) != 0 && create == 0) return fail_errno("opening " + path);
  auto& files = open_files();
  const auto found = std::find_if(files.begin(), files.end(), [&](const std::unique_ptr<LocalFile>& file) {
    return file->device_ == info.st_dev && file->inode_ == info.st_ino;
  });
  LocalFile* file = found == files.end() ? nullptr : found->get();
  if (file != nullptr && file->owner_pid_ == getpid()) {
    if (file->layout_ != layout)
      return fail(ErrorCode::kInvalid, path + " is open in this process already, as " +
                                           (layout == Layout::kPlain ? "a node's database" : "a plain file"));
    ++file->users_;
    return file;
  }
  // A handle that a forked child inherited has the parent's lock state in it: start afresh.
  if (file != nullptr) {
    file->writer_.reset();
    tdb_close(file->tdb_);
    file->tdb_ = nullptr;
    file->holder = nullptr;
    file->waiting.clear();
    file->in_transaction_ = nullptr;
  }
  tdb_context* tdb =
      tdb_open(path.c_str(), kHashSize, static_cast<int>(tdb_flags), O_RDWR | O_CLOEXEC | create, kPlainMode);
  if (tdb == nullptr) return fail_errno("tdb_open " + path);
  if (file == nullptr) {
    files.push_back(std::unique_ptr<LocalFile>(new LocalFile));
    file = files.back().get();
  }
  fstat(tdb_fd(tdb), &info);
  file->tdb_ = tdb;
  file->layout_ = layout;
  file->writer_ = ValueWriter::make(tdb);
  file->device_ = info.st_dev;
  file->inode_ = info.st_ino;
  file->owner_pid_ = getpid();
  ++file->users_;
  return file;
}

void LocalFile::close(LocalFile* file) {
  if (file == nullptr) return;
  std::lock_guard<std::mutex> guard(list_mutex);
  if (--file->users_ > 0) return;
  file->writer_.reset();
  if (file->tdb_ != nullptr) tdb_close(file->tdb_);
  auto& files = open_files();
  files.erase(std::find_if(files.begin(), files.end(),
                           [&](const std::unique_ptr<LocalFile>& each) { return each.get() == file; }));
}

bool LocalFile::is_still(const std::string& path) const {
  struct stat info {};
  return stat(path.c_str(), &info) == 0 && info.st_dev == device_ && info.st_ino == inode_;
}

bool LocalFile::lock(ByteView key) {
  errno = 0;
  return tdb_chainlock(tdb_, tdb_bytes(key)) == 0;
}

void LocalFile::unlock(ByteView key) {
  tdb_chainunlock(tdb_, tdb_bytes(key));
}

LocalFile::Found LocalFile::fetch(ByteView key, Bytes& value) {
  struct Target {
    const LocalFile& file;
    Bytes& value;
  } target{*this, value};
  const auto take = [](TDB_DATA, TDB_DATA data, void* to) {
    const auto& [file, copied] = *static_cast<Target*>(to);
    file.copy({data.dptr, data.dsize}, copied);
    return 0;
  };
  errno = 0;
  if (tdb_parse_record(tdb_, tdb_bytes(key), take, &target) == 0) return Found::kYes;
  return tdb_error(tdb_) == TDB_ERR_NOEXIST ? none(value) : Found::kError;
}

LocalFile::Found LocalFile::none(Bytes& value) const {
  if (layout_ == Layout::kRecords) return Found::kNo;
  value.assign(made_up(), 0);
  return Found::kYes;
}

// One copy: nothing is put in front of a node's records.
void LocalFile::copy(ByteView stored, Bytes& value) const {
  value.assign(stored.begin(), stored.end());
  if (layout_ == Layout::kPlain) value.insert(value.begin(), made_up(), 0);
}

ByteView LocalFile::stored(ByteView value) const {
  return value.subspan(std::min(made_up(), value.size()));
}

LocalFile::Found LocalFile::fetch_locked(ByteView key, uint32_t hash, Bytes& value) {
  std::optional<ByteView> found;
  if (writer_ == nullptr || writer_->read(key, hash, found) != ValueWriter::Outcome::kDone)
    return fetch(key, value);
  if (!found) return none(value);
  copy(*found, value);
  return Found::kYes;
}

Result<void> LocalFile::store(ByteView key, ByteView header, ByteView data, ByteView old) {
  errno = 0;
  if (layout_ == Layout::kPlain && data.empty()) return remove(key) ? Result<void>() : fail(failure());
  const TDB_DATA parts[2] = {tdb_bytes(layout_ == Layout::kPlain ? ByteView() : header), tdb_bytes(data)};
  if (tdb_storev(tdb_, tdb_bytes(key), parts, 2, TDB_REPLACE) == 0) return {};
  const TDB_ERROR error_code = tdb_error(tdb_);
  // "No such record" is often left over from libtdb's look for the key.
  const bool no_room = error_code == TDB_ERR_NOEXIST || error_code == TDB_ERR_OOM || error_code == TDB_ERR_IO;
  Error why = no_room && !failed_by_damage(tdb_) ? this->no_room() : failure();
  const bool lost = !stored(old).empty() && tdb_exists(tdb_, tdb_bytes(key)) == 0;
  if (lost && !put(key, stored(old))) why.context += "; its old value is lost as well";
  return fail(std::move(why));
}

bool LocalFile::put(ByteView key, ByteView value) {
  return tdb_store(tdb_, tdb_bytes(key), tdb_bytes(value), TDB_REPLACE) == 0;
}

// A writer that died may have left the value before as well (value_writer.h, invariant 2).
bool LocalFile::remove(ByteView key) {
  while (tdb_delete(tdb_, tdb_bytes(key)) == 0) errno = 0;
  return tdb_error(tdb_) == TDB_ERR_NOEXIST;
}

LocalFile::Begun LocalFile::begin(const ctdb_db& of) {
  if (in_transaction_ != nullptr) return Begun::kBusy;
  errno = 0;
  if (tdb_transaction_start_nonblock(tdb_) == 0) {
    in_transaction_ = &of;
    return Begun::kYes;
  }
  const TDB_ERROR why = tdb_error(tdb_);
  return why == TDB_ERR_LOCK || why == TDB_ERR_NOLOCK ? Begun::kBusy : Begun::kError;
}

Result<void> LocalFile::commit(const Values& values) {
  in_transaction_ = nullptr;
  errno = 0;
  for (const auto& [key, value] : values) {
    if (value.empty() ? remove(key) : put(key, value)) continue;
    Error why = failure();
    tdb_transaction_cancel(tdb_);
    return fail(std::move(why));
  }
  if (tdb_transaction_commit(tdb_) == 0) return {};
  return fail(failure());
}

void LocalFile::cancel(const ctdb_db& of) {
  if (in_transaction_ != &of) return;
  in_transaction_ = nullptr;
  tdb_transaction_cancel(tdb_);
}

Error LocalFile::no_room() const {
  return {ErrorCode::kSystem, 0,
          std::string(tdb_name(tdb_)) + ": no room for a record (is the file system full?)"};
}

Error LocalFile::failure() const {
  return {failed_by_damage(tdb_) ? ErrorCode::kCorrupt : ErrorCode::kSystem, 0,
          std::string(tdb_name(tdb_)) + ": " + tdb_errorstr(tdb_)};
}

ValueWriter::Outcome LocalFile::publish(ByteView key, uint32_t hash, ByteView header, ByteView data) {
  const bool plain = layout_ == Layout::kPlain;
  if (writer_ == nullptr || (plain && data.empty())) return ValueWriter::Outcome::kUnsure;
  const ValueWriter::Outcome outcome = writer_->write(key, hash, plain ? ByteView() : header, data);
  if (outcome == ValueWriter::Outcome::kDone && (tdb_get_flags(tdb_) & TDB_SEQNUM) != 0)
    tdb_increment_seqnum_nonblock(tdb_);
  return outcome;
}

}  // namespace ctdb
