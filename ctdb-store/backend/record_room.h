// SPDX-License-Identifier: GPL-3.0-or-later
// How much room a new record should have for data that it does not have yet: as much as those made before it in the file have come to
// need. libtdb gives a record what it needs now, so who stores the first data would need another block, from the free list that all
// clients share.
#ifndef CTDB_STORE_BACKEND_RECORD_ROOM_H_
#define CTDB_STORE_BACKEND_RECORD_ROOM_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "libctdbipc/base/tdb_image.h"

namespace ctdb {

class RecordRoom {
 public:
  // For so many data at the most: a guess that is wrong must not cost much.
  static constexpr size_t kMax = 512;

  // Bytes of data; 0 while nothing is known, or when it is too much.
  size_t for_new() const;
  // Looks at a record that was made a while ago, without a lock. False: the chain leads out of the image, which may be shorter than the file.
  bool learn(const TdbImage& image, size_t header_size);
  // A record of that hash has been made.
  void made(uint32_t hash) { made_[count_++ % kLookBack] = hash; }

 private:
  // Those made last may not have been written to yet.
  static constexpr size_t kLookBack = 16;
  static constexpr size_t kSizes = 4;

  std::array<uint32_t, kLookBack> made_{};
  std::array<size_t, kSizes> sizes_{};
  size_t count_ = 0, seen_ = 0;
};

}  // namespace ctdb

#endif  // CTDB_STORE_BACKEND_RECORD_ROOM_H_
