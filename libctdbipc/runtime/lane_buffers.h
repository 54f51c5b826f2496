// SPDX-License-Identifier: LGPL-3.0-or-later
// What waits to be written on one link: two lanes, control first, never in the middle of a packet. One gathering
// write takes as much of both as the socket accepts.
#ifndef LIBCTDBIPC_RUNTIME_LANE_BUFFERS_H_
#define LIBCTDBIPC_RUNTIME_LANE_BUFFERS_H_

#include <sys/uio.h>

#include "libctdbipc/base/bytes.h"
#include "libctdbipc/wire/lane.h"
#include "libctdbipc/wire/layout.h"

namespace ctdb {

class LaneBuffers {
 public:
  void add(Lane lane, ByteView packet);
  // Fills at most three parts in the order to be written; returns how many.
  int parts(iovec out[3]) const;
  // `bytes` of those parts were written.
  void written(size_t bytes);
  bool empty() const { return size() == 0; }
  size_t size() const { return lanes_[0].left() + lanes_[1].left(); }
  // The packets of a lane that are not wholly written.
  template <typename Visit>
  void for_each(Lane lane, Visit visit) const {
    const Buffer& buffer = lanes_[static_cast<size_t>(lane)];
    for (size_t at = buffer.packet_start(); at < buffer.bytes.size();) {
      const size_t size = load<uint32_t>(buffer.bytes.data() + at + CTDB_OFF_LENGTH);
      visit(ByteView(buffer.bytes).subspan(at, size));
      at += size;
    }
  }

 private:
  struct Buffer {
    Bytes bytes;
    size_t at = 0;              // written up to here
    size_t packet_left = 0;     // bytes left of a packet that was written in part
    size_t packet_written = 0;  // and those that were; they stay in `bytes`
    size_t left() const { return bytes.size() - at; }
    size_t packet_start() const { return at - packet_written; }
    void advance(size_t count);
  };
  Buffer lanes_[2];
};

}  // namespace ctdb

#endif  // LIBCTDBIPC_RUNTIME_LANE_BUFFERS_H_
