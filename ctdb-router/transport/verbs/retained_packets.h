// SPDX-License-Identifier: GPL-3.0-or-later
// Packets on their way over verbs: those that wait to be sent, and those that were sent but of which the other side has not said
// yet that it has them. The latter are sent again by TCP when the queue pair fails.
#ifndef CTDB_ROUTER_TRANSPORT_VERBS_RETAINED_PACKETS_H_
#define CTDB_ROUTER_TRANSPORT_VERBS_RETAINED_PACKETS_H_

#include <cstdint>

#include "libctdbipc/base/bytes.h"
#include "libctdbipc/wire/layout.h"

namespace ctdb {

class RetainedPackets {
 public:
  void add(ByteView packet) { bytes_.insert(bytes_.end(), packet.begin(), packet.end()); }
  // The next bytes to be sent, `most` at most; a loan until the next call of another method.
  ByteView unsent(size_t most) const;
  size_t unsent_bytes() const { return bytes_.size() - sent_; }
  void sent(size_t bytes);
  // Sent, but the other side has not said that it has them.
  size_t unacknowledged_bytes() const { return sent_ - first_; }
  // The other side has this many packets, counted since clear(). false: it cannot have: that many were not sent, or it said
  // more before.
  bool received(uint64_t packets);
  uint64_t sent_packets() const { return sent_packets_; }
  // All whole packets that the other side has not said it has, in order; then those of them not wholly sent.
  template <typename Visit>
  void for_each(Visit visit) const {
    visit_from(first_, visit);
  }
  template <typename Visit>
  void for_each_unsent(Visit visit) const {
    visit_from(whole_, visit);
  }
  void clear();

 private:
  size_t size_at(size_t at) const { return load<uint32_t>(bytes_.data() + at + CTDB_OFF_LENGTH); }
  template <typename Visit>
  void visit_from(size_t at, Visit visit) const {
    for (; at < bytes_.size(); at += size_at(at)) visit(ByteView(bytes_).subspan(at, size_at(at)));
  }

  Bytes bytes_;
  size_t first_ = 0;  // first packet the other side is not known to have
  size_t whole_ = 0;  // first packet not wholly sent
  size_t sent_ = 0;   // first byte not sent
  uint64_t received_packets_ = 0;
  uint64_t sent_packets_ = 0;
};

}  // namespace ctdb

#endif  // CTDB_ROUTER_TRANSPORT_VERBS_RETAINED_PACKETS_H_
