// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-store/backend/tdb_mutexes.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <map>
#include <string_view>

#include "ctdb-store/backend/record_file.h"
#include "ctdb-store/backend/tdb_api.h"
#include "ctdb-store/backend/tdb_handle.h"
#include "libctdbipc/base/tdb_image.h"
#include "libctdbipc/base/unique_fd.h"

namespace ctdb {
namespace {

constexpr std::string_view kRecordsMagic = "TDB file\n";

bool read_at(int fd, size_t offset, MutableBytes into) {
  size_t done = 0;
  while (done < into.size()) {
    const ssize_t got = pread(fd, into.data() + done, into.size() - done, static_cast<off_t>(offset + done));
    if (got <= 0) return false;
    done += static_cast<size_t>(got);
  }
  return true;
}

// Of a free mutex only its kind is not zero, so that is the word seen most often.
uint32_t most_common_word(ByteView bytes) {
  std::map<uint32_t, size_t> counts;
  for (size_t at = 0; at + sizeof(uint32_t) <= bytes.size(); at += sizeof(uint32_t)) {
    if (const uint32_t word = load<uint32_t>(bytes.data() + at); word != 0) ++counts[word];
  }
  const auto most = std::max_element(counts.begin(), counts.end(),
                                     [](const auto& a, const auto& b) { return a.second < b.second; });
  return most == counts.end() ? 0 : most->first;
}

}  // namespace

uint32_t mutex_holder(int fd, uint32_t chain) {
  const auto owner_at = [fd](size_t offset) {
    uint8_t word[4] = {};
    return read_at(fd, offset, word) ? load<uint32_t>(word) & FUTEX_TID_MASK : 0;
  };
  const uint32_t owner = owner_at(tdb_chain_mutex(chain));
  return owner != 0 ? owner : owner_at(kTdbMutexArea);
}

uint32_t dead_owner(ByteView file, uint32_t chain) {
  // The C library's own note of the thread: the kernel takes it out of the first word.
  constexpr size_t kOwnerAt = 8;
  const size_t at = chain == RecordFile::kFreeListLock ? kTdbFreeListMutex : tdb_chain_mutex(chain);
  if (at + sizeof(pthread_mutex_t) > file.size()) return 0;
  const auto* word = reinterpret_cast<const std::atomic<uint32_t>*>(file.data() + at);
  if ((word->load(std::memory_order_acquire) & FUTEX_OWNER_DIED) == 0) return 0;
  // 0: it died while it took the lock or let go of it, and so in no change.
  return load<uint32_t>(file.data() + at + kOwnerAt);
}

uint32_t fcntl_holder(int fd, uint32_t chain) {
  struct flock lock = {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = static_cast<off_t>(kTdbMutexArea + 4 * size_t{chain});
  lock.l_len = 1;
  if (fcntl(fd, F_GETLK, &lock) != 0 || lock.l_type == F_UNLCK || lock.l_pid <= 0) return 0;
  return static_cast<uint32_t>(lock.l_pid);
}

Result<TdbMutexes> TdbMutexes::learn(uint32_t hash_size, int tdb_flags) {
  // In memory: a full disk is no reason to give up the files that are on it.
  const UniqueFd memory(memfd_create("ctdb-mutexes", MFD_CLOEXEC));
  if (!memory.valid()) return fail_errno("memfd_create");
  const std::string path = "/proc/self/fd/" + std::to_string(memory.get());
  Result<TdbHandle> tdb = TdbHandle::open(path, hash_size, tdb_flags, true);
  if (!tdb) return fail(std::move(tdb.error()));
  struct stat info;
  if (fstat(tdb->descriptor(), &info) != 0) return fail_errno("looking at " + path);
  const size_t records_start = static_cast<size_t>(info.st_size) - tdb_map_size(tdb->get());
  TdbMutexes mutexes;
  if (records_start <= kTdbMutexArea) return fail(ErrorCode::kCorrupt, path + " has no mutexes");
  mutexes.fresh_.resize(records_start - kTdbMutexArea);
  if (!read_at(tdb->descriptor(), kTdbMutexArea, mutexes.fresh_)) return fail_errno("reading " + path);
  mutexes.kind_ = most_common_word(mutexes.fresh_);
  return mutexes;
}

Result<bool> TdbMutexes::sound(int fd) const {
  Bytes area(fresh_.size() + kRecordsMagic.size());
  errno = 0;
  if (!read_at(fd, kTdbMutexArea, area)) {
    if (errno != 0) return fail_errno("reading the locks of a tdb file");
    return false;  // it ends before
  }
  if (!as_text(area).ends_with(kRecordsMagic))
    return false;  // the records begin elsewhere: no or other mutexes
  for (size_t at = 0; at + sizeof(uint32_t) <= fresh_.size(); at += sizeof(uint32_t)) {
    if (load<uint32_t>(fresh_.data() + at) == kind_ && load<uint32_t>(area.data() + at) != kind_)
      return false;
  }
  return true;
}

Result<void> TdbMutexes::reset(int fd) const {
  size_t done = 0;
  while (done < fresh_.size()) {
    const ssize_t wrote =
        pwrite(fd, fresh_.data() + done, fresh_.size() - done, static_cast<off_t>(kTdbMutexArea + done));
    if (wrote < 0) return fail_errno("unlocking the mutexes of a tdb file");
    done += static_cast<size_t>(wrote);
  }
  return {};
}

}  // namespace ctdb
