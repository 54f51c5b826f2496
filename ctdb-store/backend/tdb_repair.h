// SPDX-License-Identifier: GPL-3.0-or-later
// Whether what holds a volatile tdb file together is sound, and what is done when it is not. Who calls this is alone with the file
// (libtdb's all-record lock), and has all of it mapped.
//
// What can be read stays: a chain that leads nowhere is cut where it does, a record whose lengths or hash are not its own is taken out, and
// everything that is in no chain becomes the free list. So damage of the free list alone, the most frequent kind, costs no record.
#ifndef CTDB_STORE_BACKEND_TDB_REPAIR_H_
#define CTDB_STORE_BACKEND_TDB_REPAIR_H_

#include <cstdint>
#include <string>

#include "ctdb-store/backend/record_file.h"
#include "libctdbipc/base/tdb_image.h"

namespace ctdb {

// It cannot become larger. libtdb makes the last step as long as there are places, so three bytes behind the end are no word; and the room
// of that step it gives away from its end on, at places where no block can be for others: these records are moved.
inline bool is_full(const TdbImage& image) {
  constexpr uint32_t kLastEnd = 0xFFFFFFFC;
  return image.end() == kLastEnd;
}

struct TdbFindings {
  uint32_t chains_cut = 0;     // that led nowhere; records behind that place are lost
  uint32_t records_wrong = 0;  // taken out
  uint32_t records_moved = 0;  // from places where nobody but libtdb finds them
  uint32_t left_over =
      0;  // second blocks of a key, and fillers: what a native client leaves that is killed; ended
  bool free_list_wrong = false;       // or a block that was in no list
  bool repaired = true;               // false: it was not possible
  RecordFile::ChainMarks there = {};  // of the records that the file has now

  bool sound() const { return !lost_records() && records_moved == 0 && !free_list_wrong; }
  bool lost_records() const { return chains_cut + records_wrong > 0; }
  std::string text() const;  // of what is not sound
};

// `lossless`: a file of which records are lost is left as it is, repaired = false.
TdbFindings examine_and_repair(const TdbImage& image, bool lossless = false);

}  // namespace ctdb

#endif  // CTDB_STORE_BACKEND_TDB_REPAIR_H_
