// SPDX-License-Identifier: LGPL-3.0-or-later
// Whether a daemon looks again for a while instead of sleeping when a reply is on its way: that saves the wake-up, which is dearer
// than the wire, and costs CPU. A setting: "[cluster] spin". Nothing outstanding, nothing spins.
#ifndef LIBCTDBIPC_RUNTIME_SPIN_H_
#define LIBCTDBIPC_RUNTIME_SPIN_H_

#include "libctdbipc/base/bytes.h"
#include "libctdbipc/base/spin_time.h"
#include "libctdbipc/runtime/config.h"
#include "libctdbipc/runtime/event_loop.h"

namespace ctdb {

class Spin {
 public:
  // Adaptive is never, with two processors or fewer: there the other process needs this one's.
  Spin(EventLoop& loop, SpinMode mode, bool enough_processors = enough_processors_to_spin());
  // A packet to, from another node: a request makes the loop stay awake for kSpinTime, its reply lets it sleep.
  void sent(ByteView packet);
  void received(ByteView packet);

 private:
  EventLoop& loop_;
  bool on_ = false;
};

}  // namespace ctdb

#endif  // LIBCTDBIPC_RUNTIME_SPIN_H_
