// SPDX-License-Identifier: GPL-3.0-or-later
// What happened, for people and for the comparison of two runs: every event is folded into a hash, the last few are
// kept to be printed when a checker finds something. Part of every other file of tests/sim/.
#ifndef CTDB_TESTS_SIM_TRACE_H_
#define CTDB_TESTS_SIM_TRACE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "libctdbipc/base/bytes.h"
#include "tests/sim/event_queue.h"

namespace ctdb::sim {

class Trace {
 public:
  // print: every event goes to stderr as it happens.
  Trace(const EventQueue& queue, bool print) : queue_(queue), print_(print), kept_(kKept) {}

  // `what` must be a literal: it is kept by reference.
  void add(uint32_t node, const char* what, uint64_t a = 0, uint64_t b = 0, uint64_t c = 0);
  // A packet that reaches `where` ("router", "store", "link" ...) on `node`, coming from `from`.
  void packet(uint32_t node, const char* where, uint32_t from, ByteView packet);
  // Free text; for rare things (a log line of a core). Hashed as well.
  void note(uint32_t node, std::string_view text);

  uint64_t hash() const { return hash_; }
  // The last `count` events, oldest first, one a line.
  std::string last(size_t count) const;

 private:
  static constexpr size_t kKept = 512;  // little enough to stay in the cache, more than a report prints
  static constexpr size_t kKnown = 256;
  struct Entry {
    TimeNs when = 0;
    uint32_t node = 0;
    bool is_packet = false;
    const char* what = nullptr;  // nullptr: text is used
    uint64_t a = 0, b = 0, c = 0;
    uint32_t operation = 0, generation = 0;
    std::string text;
  };
  Entry& next();
  void fold(uint64_t value) { hash_ = (hash_ ^ value) * 0x9e3779b97f4a7c15ULL + (hash_ >> 29); }
  void finish(const Entry& entry);
  uint64_t fingerprint_of(const char* literal);
  static std::string line(const Entry& entry);

  const EventQueue& queue_;
  const bool print_;
  std::vector<Entry> kept_;
  struct Known {
    const char* literal = nullptr;
    uint64_t fingerprint = 0;
  };
  std::vector<Known> known_ = std::vector<Known>(kKnown);  // by address: literals stay where they are
  uint64_t count_ = 0;
  uint64_t hash_ = 0x243f6a8885a308d3ULL;
};

}  // namespace ctdb::sim

#endif  // CTDB_TESTS_SIM_TRACE_H_
