// SPDX-License-Identifier: GPL-3.0-or-later
// What a benchmark row needs of a client, whichever way the client talks: the classic unix socket (our router or
// Debian's ctdbd) or our shared-memory channels. One object is one connection to one node; one thread.
//
// All calls block until done and end the program with a message when the cluster does not answer: a row that could
// not be measured must not print a number.
#ifndef TESTS_BENCH_BENCH_CLIENT_H_
#define TESTS_BENCH_BENCH_CLIENT_H_

#include <cstdint>
#include <memory>
#include <string>

#include "libctdbipc/base/bytes.h"

namespace ctdb::bench {

class BenchClient {
 public:
  virtual ~BenchClient() = default;

  virtual void ping(uint32_t node) = 0;  // null control, PING, to that node

  // `copies`: of the C API only; on the classic socket there is no such thing.
  virtual void attach(const std::string& database, uint32_t copies = 1) = 0;
  // One with read-only copies; on the classic socket every node has to be told, so a client of each calls this.
  virtual void attach_for_readers(const std::string& database) = 0;
  // Fetch-lock, change the counter in the record's first 8 bytes under the chain lock, unlock. The value is `size` bytes
  // long, at most kValueBytesMax.
  static constexpr size_t kValueBytesMax = 512;
  virtual void increment(ByteView key, size_t size = 8) = 0;
  // Fetch-lock, delete, unlock.
  virtual void remove(ByteView key) = 0;
  // How many records a traverse of the database brings.
  virtual uint64_t traverse() = 0;
  // Asks `node` to vacuum the database now, all of it.
  virtual void vacuum(uint32_t node) = 0;
  // One more in the counter, wherever it is; on the classic socket there is only increment() for that.
  virtual void add(ByteView key) = 0;
  // How often so far a record had to be brought here.
  virtual uint64_t migrations() const = 0;
  virtual uint64_t read_counter(ByteView key) = 0;

  virtual void listen(uint64_t srvid) = 0;
  virtual void send(uint32_t node, uint64_t srvid, ByteView data) = 0;
  // Waits until at least one message has arrived; returns how many did, and forgets them.
  virtual uint64_t receive() = 0;
};

std::unique_ptr<BenchClient> open_classic(const std::string& socket);
// `spins`: waits awake for a while, CTDB_SPIN_ADAPTIVE.
std::unique_ptr<BenchClient> open_native(const std::string& setup_socket, bool spins = false);

[[noreturn]] void give_up(const std::string& what);

}  // namespace ctdb::bench

#endif  // TESTS_BENCH_BENCH_CLIENT_H_
