// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-store/backend/tdb_handle.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "ctdb-store/backend/tdb_api.h"
#include "libctdbipc/runtime/log.h"

namespace ctdb {
namespace {

constexpr mode_t kFileMode = 0600;
// A damaged file makes libtdb talk at every access: the first lines are enough.
constexpr int kLogLinesMax = 20;

std::vector<tdb_context*>& open_ones() {
  static std::vector<tdb_context*> contexts;
  return contexts;
}

}  // namespace

// What libtdb said last, for the error text, and how often it has spoken.
struct TdbHandle::Log {
  std::string path;
  std::string last;
  int lines = 0;

  __attribute__((format(printf, 3, 4))) static void write(tdb_context* tdb, tdb_debug_level level,
                                                          const char* format, ...);
};

void TdbHandle::Log::write(tdb_context* tdb, tdb_debug_level level, const char* format, ...) {
  auto* log = static_cast<Log*>(tdb_get_logging_private(tdb));
  if (level == TDB_DEBUG_TRACE || log == nullptr) return;
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  log->last = text;
  while (!log->last.empty() && log->last.back() == '\n') log->last.pop_back();
  std::replace(log->last.begin(), log->last.end(), '\n', ' ');
  if (++log->lines > kLogLinesMax) return;
  log_warning("tdb: " + log->path + ": " + log->last +
              (log->lines == kLogLinesMax ? " (further messages about this file are left out)" : ""));
}

TdbHandle::TdbHandle(tdb_context* tdb, std::unique_ptr<Log> log) : tdb_(tdb), log_(std::move(log)) {
  open_ones().push_back(tdb);
}
TdbHandle::TdbHandle(TdbHandle&& other) noexcept
    : tdb_(std::exchange(other.tdb_, nullptr)), log_(std::move(other.log_)) {}
TdbHandle::~TdbHandle() {
  if (tdb_ == nullptr) return;
  std::erase(open_ones(), tdb_);
  tdb_close(tdb_);
}

void TdbHandle::close_inherited() {
  for (tdb_context* tdb : open_ones()) tdb_close(tdb);
  open_ones().clear();
}

const std::string& TdbHandle::path() const {
  return log_->path;
}
int TdbHandle::descriptor() const {
  return tdb_fd(tdb_);
}

Result<TdbHandle> TdbHandle::open_with(const std::string& path, uint32_t hash_size, int tdb_flags,
                                       int open_flags) {
  auto log = std::make_unique<Log>();
  log->path = path;
  const tdb_logging_context context{&Log::write, log.get()};
  errno = 0;
  tdb_context* tdb = tdb_open_ex(path.c_str(), static_cast<int>(hash_size), tdb_flags, open_flags, kFileMode,
                                 &context, nullptr);
  if (tdb != nullptr) return TdbHandle(tdb, std::move(log));
  const int saved_errno = errno;
  const std::string said = log->last.empty() ? "" : " (libtdb: " + log->last + ")";
  // libtdb's way to say that the bytes are not those of a tdb file.
  const bool damaged = saved_errno == EIO || saved_errno == EINVAL || saved_errno == 0;
  return fail(Error{damaged ? ErrorCode::kCorrupt : ErrorCode::kSystem, saved_errno,
                    "opening tdb file " + path + said});
}

Result<TdbHandle> TdbHandle::open(const std::string& path, uint32_t hash_size, int tdb_flags, bool create) {
  return open_with(path, hash_size, tdb_flags, O_RDWR | (create ? O_CREAT : 0));
}

Result<TdbHandle> TdbHandle::open_to_look(const std::string& path, int tdb_flags) {
  return open_with(path, 0, tdb_flags | TDB_NOLOCK, O_RDONLY);
}

Result<void> TdbHandle::check() const {
  errno = 0;
  if (tdb_check(tdb_, nullptr, nullptr) == 0) return {};
  if (errno == ENOMEM || tdb_error(tdb_) == TDB_ERR_OOM)
    return fail(Error{ErrorCode::kSystem, ENOMEM, "checking tdb file " + log_->path});
  return fail(ErrorCode::kCorrupt, "tdb file " + log_->path + " is damaged");
}

tl::unexpected<Error> TdbHandle::failure(const char* doing) const {
  const int saved_errno = errno;
  const TDB_ERROR error = tdb_error(tdb_);
  std::string text = std::string(doing) + " in " + log_->path + ": " + tdb_errorstr(tdb_);
  if (error == TDB_ERR_CORRUPT) {
    return fail(ErrorCode::kCorrupt, text + " (stop the store's node and remove the file: it is made anew)");
  }
  // libtdb says "out of memory" also when the file cannot grow.
  if (error == TDB_ERR_OOM || error == TDB_ERR_IO) text += " (is the file system full?)";
  return fail(Error{ErrorCode::kSystem, saved_errno, std::move(text)});
}

Result<void> TdbHandle::lock_waiting(ByteView key) {
  errno = 0;
  if (tdb_chainlock(tdb_, tdb_data(key)) != 0) return failure("waiting for a chain lock");
  return {};
}

void TdbHandle::unlock(ByteView key) {
  tdb_chainunlock(tdb_, tdb_data(key));
}

bool tdb_mutexes_usable() {
  return tdb_runtime_check_for_robust_mutexes();
}

}  // namespace ctdb
