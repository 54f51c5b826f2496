// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbipc/runtime/spin.h"

#include "libctdbipc/wire/packet.h"

namespace ctdb {

Spin::Spin(EventLoop& loop, SpinMode mode, bool enough_processors) : loop_(loop) {
  if (mode == SpinMode::kAlways) loop_.stay_awake_until(kNever);
  on_ = mode == SpinMode::kAdaptive && enough_processors;
}

void Spin::sent(ByteView packet) {
  if (!on_) return;
  const auto operation = static_cast<Operation>(read_header(packet).operation);
  const bool asks = operation == Operation::REQ_CALL || operation == Operation::REQ_CONTROL;
  if (asks) loop_.stay_awake_until(loop_.now() + kSpinTime);
}

void Spin::received(ByteView packet) {
  if (!on_) return;
  switch (static_cast<Operation>(read_header(packet).operation)) {
    case Operation::REPLY_CALL:
    case Operation::REPLY_DMASTER:
    case Operation::REPLY_ERROR:
    case Operation::REPLY_CONTROL:
      return loop_.stay_awake_until(0);
    default:
      return;
  }
}

}  // namespace ctdb
