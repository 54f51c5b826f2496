// SPDX-License-Identifier: GPL-3.0-or-later
// The mutexes in front of a tdb file's records. tdb_check() does not look at them, and glibc ends the process
// (ours, then every client's) that locks one whose kind is nonsense; one left locked by nobody is waited for
// for ever. So a file that is taken up again is compared with a new one that libtdb made. Used by tdb_file.cc
// only.
#ifndef CTDB_STORE_BACKEND_TDB_MUTEXES_H_
#define CTDB_STORE_BACKEND_TDB_MUTEXES_H_

#include <cstdint>
#include <string>

#include "libctdbipc/base/bytes.h"
#include "libctdbipc/base/result.h"

namespace ctdb {

// Who holds a chain of a file with mutexes, or of one without; 0: nobody. Taken from the file's own lock state: a mutex names
// the thread that holds it, which is the process of its main thread for every Samba program.
uint32_t mutex_holder(int fd, uint32_t chain);
uint32_t fcntl_holder(int fd, uint32_t chain);

// The thread that died with this chain's lock (or RecordFile::kFreeListLock), of a file with mutexes that is mapped from its first byte,
// while nobody has taken the lock over; 0: nobody has. libtdb takes it over without a word.
uint32_t dead_owner(ByteView file, uint32_t chain);

class TdbMutexes {
 public:
  // Learns what a new file's mutexes look like, from one in memory.
  static Result<TdbMutexes> learn(uint32_t hash_size, int tdb_flags);

  // The file has mutexes, all of the kind a new file's are. Some may be locked. Errors: kSystem, it cannot be read.
  Result<bool> sound(int fd) const;
  // Unlocks all of them. Nobody has the file open or can open it.
  Result<void> reset(int fd) const;

 private:
  Bytes fresh_;        // from kAreaStart to where the records' part begins
  uint32_t kind_ = 0;  // the word every mutex has
};

}  // namespace ctdb

#endif  // CTDB_STORE_BACKEND_TDB_MUTEXES_H_
