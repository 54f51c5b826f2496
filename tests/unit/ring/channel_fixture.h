// SPDX-License-Identifier: GPL-3.0-or-later
// Both ends of one channel in one process, and the segment beside them for tests that scribble.
#ifndef TESTS_UNIT_RING_CHANNEL_FIXTURE_H_
#define TESTS_UNIT_RING_CHANNEL_FIXTURE_H_

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "libctdbipc/ring/channel.h"
#include "libctdbipc/ring/segment.h"

namespace ctdb {

struct ChannelEnds {
  explicit ChannelEnds(size_t ring_bytes) {
    Result<ChannelPair> pair = create_channel(ring_bytes);
    EXPECT_TRUE(pair);
    memfd.reset(fcntl(pair->server.segment.get(), F_DUPFD_CLOEXEC, 0));
    Result<Segment> mapped = Segment::map(memfd.get());
    EXPECT_TRUE(mapped);
    segment.emplace(std::move(*mapped));
    server = std::move(*Channel::open(std::move(pair->server), ChannelSide::kServer));
    client = std::move(*Channel::open(std::move(pair->client), ChannelSide::kClient));
  }
  UniqueFd memfd;
  std::optional<Segment> segment;
  std::unique_ptr<Channel> server;
  std::unique_ptr<Channel> client;
};

// How often the bell was rung since it was looked at last.
inline uint64_t rings(const Channel& channel) {
  uint64_t count = 0;
  return read(channel.bell_fd(), &count, sizeof count) == static_cast<ssize_t>(sizeof count) ? count : 0;
}

inline Bytes text_packet(std::string_view text) {
  return to_bytes(as_bytes(text));
}

inline std::string popped(Channel& channel) {
  const std::optional<Channel::Frame> frame = channel.pop();
  return frame ? std::string(as_text(frame->packet)) : "(nothing)";
}

}  // namespace ctdb

#endif  // TESTS_UNIT_RING_CHANNEL_FIXTURE_H_
