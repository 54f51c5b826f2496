// SPDX-License-Identifier: GPL-3.0-or-later
// Owner of one open libtdb file, and the one place where libtdb's messages and errors become ours. Used by
// tdb_file (the store) and by the lock workers (their own processes); nobody else opens a tdb.
//
// Invariants:
//  1. A process opens one file once: libtdb refuses a second open, and closing any descriptor of the file
//  would drop
//     the process's POSIX locks on it.
//  2. After tdb_mutexes_usable() has been asked once, forked children know the answer without forking
//  themselves.
#ifndef CTDB_STORE_BACKEND_TDB_HANDLE_H_
#define CTDB_STORE_BACKEND_TDB_HANDLE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "libctdbipc/base/bytes.h"
#include "libctdbipc/base/result.h"

struct tdb_context;

namespace ctdb {

class TdbHandle {
 public:
  // `hash_size` counts only when the file is made now. `create`: make the file if it is missing (mode 0600).
  // Errors: kCorrupt (not a tdb file, or damaged), kSystem; both name the file.
  static Result<TdbHandle> open(const std::string& path, uint32_t hash_size, int tdb_flags, bool create);
  // For looking at a file without any lock, read-only (is it sound?).
  static Result<TdbHandle> open_to_look(const std::string& path, int tdb_flags);

  TdbHandle(TdbHandle&& other) noexcept;
  TdbHandle& operator=(TdbHandle&&) = delete;
  TdbHandle(const TdbHandle&) = delete;
  TdbHandle& operator=(const TdbHandle&) = delete;
  ~TdbHandle();

  tdb_context* get() const { return tdb_; }
  const std::string& path() const;
  int descriptor() const;  // for fstat; closing it would drop libtdb's locks
  // libtdb's check of everything in it, under its all-record lock unless it was opened to look. Errors: kCorrupt, kSystem (no memory for it).
  Result<void> check() const;
  // The error of the call that just failed; `doing` is "storing a record" and so on.
  tl::unexpected<Error> failure(const char* doing) const;

  // In a forked child that opens files of its own: closes all that the parent had open, which libtdb believes to be
  // open here as well. Locks are the parent's and stay with it. No handle that was inherited may be used or destroyed.
  static void close_inherited();

  // Waits for the chain of `key`: only for lock workers and tools, never for the store itself.
  Result<void> lock_waiting(ByteView key);
  void unlock(ByteView key);

 private:
  struct Log;
  TdbHandle(tdb_context* tdb, std::unique_ptr<Log> log);
  static Result<TdbHandle> open_with(const std::string& path, uint32_t hash_size, int tdb_flags,
                                     int open_flags);
  tdb_context* tdb_;
  std::unique_ptr<Log> log_;
};

// Robust mutexes inside tdb files work on this machine. Forks once to find out.
bool tdb_mutexes_usable();

}  // namespace ctdb

#endif  // CTDB_STORE_BACKEND_TDB_HANDLE_H_
