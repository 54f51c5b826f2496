// SPDX-License-Identifier: GPL-3.0-or-later
// How often one record is asked for at this node, and what is done about it for a while: read-only copies are given out (it is
// *read*), or the record stays for some time whenever it has come here (it is *sticky*). Nothing that must hold depends on it.
#ifndef CTDB_STORE_CORE_HEAT_H_
#define CTDB_STORE_CORE_HEAT_H_

#include <algorithm>
#include <cstdint>

#include "libctdbipc/base/time.h"

namespace ctdb {

struct Heat {
  // What less than this happens to makes none: nearly all records are asked for now and then, by one node more or less.
  static constexpr TimeNs kWaitAtLeast = kMillisecond;
  static constexpr uint32_t kHopsAtLeast = 2;
  static constexpr uint32_t kMovesAtLeast = 4;  // in one second

  // So many questions of other nodes for its value within one second, and so many times the calls for the record itself, make it
  // read for this long. A copy costs its node one round trip and a writer one to all who have one; a move costs two
  // round trips, and everybody who reads after it.
  static constexpr uint16_t kReadsAtLeast = 8;
  static constexpr uint16_t kReadsPerChange = 4;
  static constexpr uint32_t kReadSeconds = 10;

  // A call of another node that only wants the value.
  void note_read(TimeNs now) {
    count(now, reads);
    reads_most = std::max(reads_most, reads);
    if (reads >= kReadsAtLeast && reads / kReadsPerChange >= changes)
      read_until_s = seconds(now) + kReadSeconds;
  }
  // A call that was served, of any node.
  void note_wait(TimeNs wait) { waited_us = std::max(waited_us, microseconds(wait)); }
  void note_hops(uint32_t count) {
    hops = std::max(hops, static_cast<uint16_t>(std::min<uint32_t>(count, UINT16_MAX)));
  }
  // A call for the record itself, of any node.
  void note_change(TimeNs now) { count(now, changes); }
  bool is_read(TimeNs now) const { return read_until_s > seconds(now); }

  void make_sticky(TimeNs now, TimeNs duration) {
    const uint32_t until = seconds(now + duration);
    if (until > sticky_until_s) sticky_until_s = until;
  }
  bool is_sticky(TimeNs now) const { return sticky_until_s > seconds(now); }
  // Until when other nodes wait for it, which came here then; 0: they do not.
  TimeNs pinned_until(TimeNs now, TimeNs came, TimeNs pindown) const {
    return is_sticky(now) && now - came < pindown ? came + pindown : 0;
  }

  uint32_t read_until_s = 0;
  uint32_t sticky_until_s = 0;
  uint32_t waited_us = 0;  // the longest wait of a call
  uint16_t second = 0;     // that is counted, its last bits
  uint16_t reads = 0;
  uint16_t changes = 0;
  uint16_t hops = 0;
  uint16_t reads_most = 0;  // in one second

  static uint32_t microseconds(TimeNs time) {
    return static_cast<uint32_t>(std::min<TimeNs>(time / kMicrosecond, UINT32_MAX));
  }

 private:
  static uint32_t seconds(TimeNs time) { return static_cast<uint32_t>(time / kSecond); }
  void count(TimeNs now, uint16_t& what) {
    const auto at = static_cast<uint16_t>(seconds(now));
    if (at != second) reads = changes = 0;
    second = at;
    if (what < UINT16_MAX) ++what;
  }
};

}  // namespace ctdb

#endif  // CTDB_STORE_CORE_HEAT_H_
