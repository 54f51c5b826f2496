// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbipc/runtime/lane_buffers.h"

#include <algorithm>

namespace ctdb {
namespace {

constexpr size_t kKeptBytesMax = 1u << 20;

}  // namespace

void LaneBuffers::add(Lane lane, ByteView packet) {
  Bytes& bytes = lanes_[static_cast<size_t>(lane)].bytes;
  bytes.insert(bytes.end(), packet.begin(), packet.end());
}

int LaneBuffers::parts(iovec out[3]) const {
  int count = 0;
  const auto add_part = [&](const Buffer& buffer, size_t from, size_t size) {
    if (size == 0) return;
    out[count++] = {const_cast<uint8_t*>(buffer.bytes.data()) + from, size};
  };
  const Buffer& control = lanes_[0];
  const Buffer& data = lanes_[1];
  add_part(data, data.at, data.packet_left);
  add_part(control, control.at, control.left());
  add_part(data, data.at + data.packet_left, data.left() - data.packet_left);
  return count;
}

void LaneBuffers::written(size_t bytes) {
  Buffer& control = lanes_[0];
  Buffer& data = lanes_[1];
  const size_t begun = std::min(bytes, data.packet_left);
  data.advance(begun);
  bytes -= begun;
  const size_t urgent = std::min(bytes, control.left());
  control.advance(urgent);
  bytes -= urgent;
  data.advance(bytes);
}

void LaneBuffers::Buffer::advance(size_t count) {
  while (count > 0) {
    if (packet_left == 0) packet_left = load<uint32_t>(bytes.data() + at + CTDB_OFF_LENGTH);
    const size_t step = std::min(count, packet_left);
    at += step;
    packet_left -= step;
    packet_written = packet_left == 0 ? 0 : packet_written + step;
    count -= step;
  }
  if (at == bytes.size()) {
    if (bytes.capacity() > kKeptBytesMax) Bytes().swap(bytes);
    bytes.clear();
    at = 0;
  } else if (packet_start() > kKeptBytesMax &&
             packet_start() >= left()) {  // a byte is moved once at the most
    bytes.erase(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(packet_start()));
    at = packet_written;
  }
}

}  // namespace ctdb
