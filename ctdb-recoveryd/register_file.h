// SPDX-License-Identifier: GPL-3.0-or-later
// The register of the cluster lock: a file on the cluster's file system with a pair of slots for every node. A node writes
// its own pair only. Used by the lock process alone: any call may hang for as long as that file system does.
//
// It needs what the cluster's file system must keep anyway: who has an fcntl lock sees what others wrote before.
#ifndef CTDB_RECOVERYD_REGISTER_FILE_H_
#define CTDB_RECOVERYD_REGISTER_FILE_H_

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "libctdbipc/base/bytes.h"
#include "libctdbipc/base/result.h"

namespace ctdb {

class RegisterFile {
 public:
  RegisterFile(std::string path, uint32_t pnn) : path_(std::move(path)), pnn_(pnn) {}

  using Slots = std::vector<std::pair<uint32_t, Bytes>>;  // by node number, what it wrote last
  // Writes `own` unless it is empty or there already, waits until it is on disk, then reads all. The file is made when it is
  // missing, its directory is not. `may_write` is asked when nobody else can write the pair. Errors: kSystem, kInvalid (a pair that
  // holds something but no whole slot), kRefused (it may not write).
  Result<Slots> access(
      ByteView own, const std::function<bool()>& may_write = [] { return true; });

 private:
  Result<Slots> read(int fd) const;
  Result<void> write(int fd, ByteView own, const Slots& before) const;

  std::string path_;
  uint32_t pnn_;
};

}  // namespace ctdb

#endif  // CTDB_RECOVERYD_REGISTER_FILE_H_
