// SPDX-License-Identifier: LGPL-3.0-or-later
// A channel joins two processes: two single-producer single-consumer byte rings (one each way) in one sealed
// memfd, and one eventfd a side as door-bell (design §3). The router creates channels and hands both ends
// out.
//
// A frame in a ring is an 8-byte envelope (FrameInfo) and one CTDB packet. Frames are copied in and out; the
// reader copies the length first, then the frame, and checks only its private copy. A value the peer cannot
// have written honestly makes the channel dead (ChannelFault), never the process.
//
// Packets up to half a ring are one frame; larger ones, up to kPacketBytesMax, travel as several that the
// reader joins.
//
// Invariants:
//  1. A zero length word is never a committed frame (a sealed memfd still allows punched holes).
//  2. The door-bell is rung only when the other side has armed itself (it said it is about to sleep) and at
//  most
//     once per arming; no wake-up is lost: arm(), look again, then sleep.
//  3. Nothing in the segment is a pointer, a lock or an index that is used before it is bounded by what this
//  side
//     mapped.
//
// One thread per process uses a channel.
#ifndef LIBCTDBIPC_RING_CHANNEL_H_
#define LIBCTDBIPC_RING_CHANNEL_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "libctdbipc/base/bytes.h"
#include "libctdbipc/base/limits.h"
#include "libctdbipc/base/result.h"
#include "libctdbipc/base/unique_fd.h"
#include "libctdbipc/ring/ring_layout.h"

namespace ctdb {

// Which side of the segment this process is. The creator hands side kServer to the daemon that serves (router
// or store) and kClient to the one that asked.
enum class ChannelSide : uint8_t { kServer = 0, kClient = 1 };

// Envelope of every frame. What it means depends on the pair, see ARCHITECTURE.md "Frames in rings".
struct FrameInfo {
  uint32_t endpoint = 0;  // client the packet came from or goes to; 0 = none (a daemon or a peer node)
  uint32_t flags = 0;
};

enum class PushResult : uint8_t {
  kOk,
  kFull,    // not now: try again after the peer has consumed
  kTooBig,  // will never fit: empty or more than kPacketBytesMax
  kDead,    // the channel is dead
};

// Descriptors of one end, as they travel by SCM_RIGHTS: segment, own door-bell, the peer's door-bell.
struct ChannelFds {
  UniqueFd segment;
  UniqueFd own_bell;   // eventfd this side waits on (edge-triggered, never read)
  UniqueFd peer_bell;  // eventfd this side rings
};

// Whether another process may take the place of this one in the channel, as a router does that is restarted.
enum class ChannelLife : uint8_t {
  kOne,          // it ends with this process
  kReplaceable,  // at any instruction: a frame that is handed out has been given back, and copy_ends() works
  kTakenOver,  // replaceable, and this process is the replacement: what its predecessor read and wrote half is no more
};

class Channel {
 public:
  // Maps and validates the segment. Errors: kInvalid (not sealed, wrong size, magic, version, capacities),
  // kSystem.
  static Result<std::unique_ptr<Channel>> open(ChannelFds fds, ChannelSide side,
                                               ChannelLife life = ChannelLife::kOne);
  ~Channel();
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  // Copies one packet into the outgoing ring; visible to the peer at once, but the bell is rung by flush(). A
  // packet that is larger than a ring takes in one go is accepted too: the channel keeps it and passes it on
  // in pieces from flush() and arm(), as the peer makes room; until it is through, push() says kFull.
  PushResult push(FrameInfo info, ByteView packet);
  // True while a part of such a packet still waits here: its owner must not stop serving the channel.
  bool unsent() const;
  // Bytes of packet that fit now (an estimate from below).
  size_t space() const;

  // Copies the next frame out into private memory; the view stays valid until the next pop() or destruction.
  // nullopt: no whole packet there, or the channel is dead (look at dead()).
  struct Frame {
    FrameInfo info;
    MutableBytes packet;
  };
  std::optional<Frame> pop();

  // Rings the peer's bell if something was pushed since the last flush and the peer is armed. One system call
  // at the most; none when the peer is awake.
  void flush();
  // `wanted` is called when push() or pop() is the first since the last flush(): there may be something for flush() to do, and refused()
  // may be another. Not for what was before. An empty one: nobody is told.
  void on_flush_wanted(std::function<void()> wanted);

  // Before sleeping: arm() flushes, says "I am about to sleep" and returns true when sleeping is safe: the
  // incoming ring is empty, and whoever was told kFull would be told so again. The bell then rings for a
  // frame and for space. False: there is work; do not sleep. disarm() after waking, before draining.
  bool arm();
  void disarm();
  // The half of arm() for a side that does not read now: frames do not matter, the bell rings only for space.
  bool arm_for_space();
  // push() said kFull and has not said kOk since.
  bool refused() const;
  // Asks for a bell when the peer has consumed. arm() does it for whoever was told kFull; who sleeps without
  // arm() calls this and then tries once more (the peer may have consumed meanwhile).
  void want_space();

  // This side's, and what the other has left.
  DeathNotes& notes();
  const DeathNotes& peer_notes() const;

  // For the one that keeps the channel until it is taken over. Errors: kSystem (too many open files).
  Result<ChannelFds> copy_ends() const;
  // Where the next frame of this side begins; how far this side has read.
  uint64_t write_position() const;
  uint64_t read_position() const;

  int bell_fd() const;        // to be watched with EPOLLIN | EPOLLET, never read
  bool dead() const;          // the peer broke the rules; text says how
  const char* fault() const;  // "" while alive
  uint64_t frames_in() const;
  uint64_t frames_out() const;
  uint64_t bells_rung() const;

 private:
  struct State;
  explicit Channel(std::unique_ptr<State> state);
  PushResult push_large(FrameInfo info, ByteView packet);
  bool push_rest();
  void want_flush();
  std::unique_ptr<State> state_;
};

// Makes a sealed segment with two empty rings of `ring_bytes` each (a power of two) and the two bells.
struct ChannelPair {
  ChannelFds server;
  ChannelFds client;
};
Result<ChannelPair> create_channel(size_t ring_bytes);

}  // namespace ctdb

#endif  // LIBCTDBIPC_RING_CHANNEL_H_
