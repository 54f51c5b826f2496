// SPDX-License-Identifier: LGPL-3.0-or-later
// What waits to be written on one link: two lanes, control first, never in the middle of a packet. One gathering
// write takes as much of both as the socket accepts.
#ifndef LIBCTDBIPC_RUNTIME_LANE_BUFFERS_H_
#define LIBCTDBIPC_RUNTIME_LANE_BUFFERS_H_

#include <sys/uio.h>

#include "libctdbipc/base/bytes.h"
#include "libctdbipc/wire/lane.h"

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
  void clear();

 private:
  struct Buffer {
    Bytes bytes;
    size_t at = 0;           // written up to here
    size_t packet_left = 0;  // bytes left of a packet that was written in part
    size_t left() const { return bytes.size() - at; }
    void advance(size_t count);
  };
  Buffer lanes_[2];
};

}  // namespace ctdb

#endif  // LIBCTDBIPC_RUNTIME_LANE_BUFFERS_H_
