// SPDX-License-Identifier: GPL-3.0-or-later
// ctdb-scribble SETUP_SOCKET CHANNEL DAMAGE: a hostile native client. It gets its channels as any client does, damages
// the shared segment of channel CHANNEL (0 router, 1 store), rings the bell and waits until it is cut off. DAMAGE:
//   head, tail    an impossible position
//   length        a committed frame with an impossible length
//   check         a committed frame whose check word does not fit
//   zero          a committed frame of zeros, as a hole punched into the memfd reads
//   packet        a well-formed frame that is no packet
//   noise         the whole segment is overwritten
// Exit status 0: cut off; 1: something else.
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "libctdbipc/base/random.h"
#include "libctdbipc/ring/segment.h"
#include "libctdbipc/runtime/setup_socket.h"

namespace ctdb {
namespace {

constexpr size_t kClientRing = 1;  // client -> server

void put_frame(Segment& segment, FrameHeader header) {
  RingControl* control = segment.control(kClientRing);
  const uint64_t tail = control->tail.load();
  const MutableBytes data = segment.data(kClientRing);
  std::memcpy(data.data() + (tail & (data.size() - 1)), &header, sizeof header);
  control->tail.store(tail + frame_bytes(64), std::memory_order_release);
}

bool damage(Segment& segment, const std::string& how) {
  RingControl* control = segment.control(kClientRing);
  if (how == "head") {
    segment.control(0)->head.store(~0ull - 7);
    put_frame(segment, {64, 0, 0, ~64u});
  } else if (how == "tail") {
    control->tail.store(segment.ring_bytes() * 5);
  } else if (how == "length") {
    put_frame(segment, {0x7FFFFFF0u, 0, 0, ~0x7FFFFFF0u});
  } else if (how == "check") {
    put_frame(segment, {64, 0, 0, 64});
  } else if (how == "zero") {
    put_frame(segment, {0, 0, 0, 0});
  } else if (how == "packet") {
    put_frame(segment, {64, 0, 0, ~64u});
  } else if (how == "noise") {
    Random random(1);
    for (size_t ring : {0u, 1u}) {
      for (uint8_t& byte : segment.data(ring)) byte = static_cast<uint8_t>(random.next());
      segment.control(ring)->tail.store(random.next());
      segment.control(ring)->head.store(random.next());
    }
  } else {
    return false;
  }
  return true;
}

// The router closes the set-up connection of a client it has cut off.
bool wait_until_cut(int socket) {
  for (;;) {
    pollfd waiting{socket, POLLIN, 0};
    if (poll(&waiting, 1, 20'000) <= 0) return false;
    const Result<std::optional<SetupMessage>> message = receive_setup(socket);
    if (!message) return message.error().code == ErrorCode::kDisconnected;
  }
}

int run(const char* path, size_t channel, const std::string& how) {
  Result<SetupConnection> connection = connect_setup(path, DaemonRole::kClient, 5000);
  if (!connection) {
    std::fprintf(stderr, "%s\n", connection.error().text().c_str());
    return 1;
  }
  ChannelFds& fds = connection->reply.channels.at(channel);
  Result<Segment> segment = Segment::map(fds.segment.get());
  if (!segment || !damage(*segment, how)) return 1;
  const uint64_t one = 1;
  if (write(fds.peer_bell.get(), &one, sizeof one) != static_cast<ssize_t>(sizeof one)) return 1;
  if (wait_until_cut(connection->socket.get())) return 0;
  std::fprintf(stderr, "not cut off\n");
  return 1;
}

}  // namespace
}  // namespace ctdb

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: ctdb-scribble SETUP_SOCKET 0|1 head|tail|length|check|zero|packet|noise\n");
    return 2;
  }
  return ctdb::run(argv[1], std::strtoul(argv[2], nullptr, 10), argv[3]);
}
