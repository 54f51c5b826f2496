// SPDX-License-Identifier: GPL-3.0-or-later
// A piece of state as it is kept in a file: two slots, written in turn, so that a write which was cut off leaves the one
// before. Slot: magic, payload length, sequence, payload, hash of all that; one that is not whole is empty. Used by
// state_file.h and register_file.h.
#ifndef CTDB_RECOVERYD_STATE_SLOT_H_
#define CTDB_RECOVERYD_STATE_SLOT_H_

#include <optional>
#include <string>

#include "libctdbipc/base/bytes.h"
#include "libctdbipc/base/result.h"

namespace ctdb {

struct StateSlot {
  static constexpr size_t kBytes = 8192;  // whole sectors and pages: slots do not share any
  static constexpr size_t kCount = 2;
  static constexpr size_t kPairBytes = kCount * kBytes;

  uint64_t sequence = 0;
  Bytes payload;

  Bytes encode() const;
  static std::optional<StateSlot> decode(ByteView bytes);
  // The newer one of a pair (or what there is of it). nullopt: none is whole.
  static std::optional<StateSlot> newest(ByteView pair);
};

bool is_blank(ByteView bytes);

}  // namespace ctdb

#endif  // CTDB_RECOVERYD_STATE_SLOT_H_
