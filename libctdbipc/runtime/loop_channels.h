// SPDX-License-Identifier: LGPL-3.0-or-later
// The channels of an event loop, of which a turn looks only at those in which something happens: a daemon may have thousands of
// clients that do nothing. It opens no descriptor and never waits; EventLoop says when a bell rings.
//
// A channel is in some of three sets:
//   polled   drained in each turn, until arm() has found it empty: then its bell is waited for
//   touched  to be flushed at the end of this turn: somebody pushed or popped, its bell rang, or it was paused
//   hot      armed with recent traffic: disarmed and polled after the next sleep, so that its peer does not ring a process that is awake
//
// Invariants:
//  1. A channel whose peer has refused a packet (Channel::refused()) is touched or polled, or armed with its wish for space standing. So
//     whatever takes it out of `polled` without arming it puts it into `touched`.
//  2. Nothing is touched when arm() is called: flush() comes between any callback and the sleep.
//  3. Channels are drained in the order of their slots, each at most once a turn. The lowest free slot is taken, so of two that are added
//     one after the other the first is drained first.
#ifndef LIBCTDBIPC_RUNTIME_LOOP_CHANNELS_H_
#define LIBCTDBIPC_RUNTIME_LOOP_CHANNELS_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

#include "libctdbipc/ring/channel.h"
#include "libctdbipc/runtime/slot_set.h"

namespace ctdb {

class LoopChannels {
 public:
  using Drain = std::function<size_t(size_t budget)>;

  // EventLoop::add_channel() and so on say what these mean. `generation` tells this channel from another whose bell had the same number.
  void add(Channel* channel, Drain drain, uint32_t generation);
  // false: it is not here.
  bool remove(Channel* channel);
  void pause(Channel* channel);
  void resume(Channel* channel);

  // The steps of a turn. drain() returns how many frames there were; its callbacks may do all of the above.
  size_t drain(size_t budget);
  void flush();
  // Says "I am about to sleep" on all that are polled. false: one of them has work.
  bool arm();
  // The loop has slept.
  void awake();
  // An event of a descriptor. false: it is no bell of a channel.
  bool rang(int fd, uint32_t generation);

 private:
  struct Source {
    Channel* channel;
    Drain drain;
    uint32_t generation;
    bool reading = true;  // false: paused, frames are no work
    uint32_t quiet_sleeps = 0;
  };
  Source* find(Channel* channel, size_t& slot);
  void look_at(size_t slot);

  std::vector<std::unique_ptr<Source>> sources_;  // by slot; nullptr: free
  std::vector<std::unique_ptr<Source>> removed_;  // whose drain may be running
  std::unordered_map<int, size_t> bells_;
  SlotSet free_, polled_, touched_, hot_;
};

}  // namespace ctdb

#endif  // LIBCTDBIPC_RUNTIME_LOOP_CHANNELS_H_
