// SPDX-License-Identifier: GPL-3.0-or-later
// Records under fetch-lock, one at a time, by the C API or by the classic socket: what the clients that work so have in common
// (ctdb-increment, ctdb-churn, ctdb-append). Failures are "" or what went wrong; after one, open() and begin again.
#ifndef CTDB_TESTS_CLIENTS_LOCKING_H_
#define CTDB_TESTS_CLIENTS_LOCKING_H_

#include <memory>
#include <string>

#include "libctdbipc/base/bytes.h"
#include "tests/clients/counting.h"

namespace ctdb {

class Locking {
 public:
  // `copies`: of the database, with the C API; 0: as it is.
  static std::unique_ptr<Locking> make(const CountingArguments& given, uint32_t copies);
  virtual ~Locking() = default;

  // Connects and attaches; can be called again.
  virtual std::string open() = 0;
  // The record is then here and locked until unlock(). Waits for it.
  virtual std::string lock(const std::string& key) = 0;
  // Of the locked record, as it was when it was locked; a loan until it is stored, removed or unlocked.
  virtual ByteView data() const = 0;
  virtual bool may_be_older() const = 0;
  virtual std::string store(ByteView data) = 0;
  virtual std::string remove() = 0;
  // The record is unlocked also when this fails: then nobody knows whether the change lasts.
  virtual std::string unlock() = 0;
};

}  // namespace ctdb

#endif  // CTDB_TESTS_CLIENTS_LOCKING_H_
