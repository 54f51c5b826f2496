// SPDX-License-Identifier: LGPL-3.0-or-later
// Reads records of a local tdb file under their chain's lock, and writes them so that whoever is killed in the middle leaves the whole old value or the whole new one, also for
// clients that have only libtdb: the new record is written into a dead block of the same chain, and then one word makes it live. A
// record that is written again and again so takes two blocks in turn. A value that is the beginning of the old one, as that of a
// deleted record is, needs no second block: one word makes it shorter. Nor does one that begins with the old one, as the first value of a record does that was made or
// deleted, if there is room behind it: one word makes it longer.
//
// Invariants, under the chain's lock:
//  1. A live block is never written to, but for the word that ends it and the one that says how long its value is, and behind its value.
//  2. Of several live blocks of one key the first in the chain is the record: libtdb's readers take that one. The others are what was
//  left when somebody died between the two words; they are ended by the next write here, and by the store.
//  3. No link of a chain and nothing of the free list is changed here: that is libtdb's, see make_room().
#ifndef LIBCTDBIPC_TDB_VALUE_WRITER_H_
#define LIBCTDBIPC_TDB_VALUE_WRITER_H_

#include <cstdint>
#include <memory>
#include <optional>

#include "libctdbipc/base/bytes.h"
#include "libctdbipc/base/tdb_image.h"

struct tdb_context;

namespace ctdb {

// Of libtdb's last operation, which has failed and begun with errno 0: whether what holds the file together was to blame, and not the disk.
bool failed_by_damage(tdb_context* tdb);

class ValueWriter {
 public:
  // nullptr: the file is laid out in a way that is not known here. `tdb` is a loan and has the file open.
  static std::unique_ptr<ValueWriter> make(tdb_context* tdb);
  ~ValueWriter();
  ValueWriter(const ValueWriter&) = delete;
  ValueWriter& operator=(const ValueWriter&) = delete;

  enum class Outcome : uint8_t {
    kDone,
    kNoRoom,  // the chain has no dead block that is large enough: make_room()
    kUnsure,  // the chain, or the free list, is not what it should be: libtdb will say what is wrong, or has
  };
  // `hash`: of the key, everywhere here. The value lies in the file, valid as long as the chain is locked and nothing is written;
  // nullopt in `value`: there is no such record.
  Outcome read(ByteView key, uint32_t hash, std::optional<ByteView>& value);
  Outcome write(ByteView key, uint32_t hash, ByteView header, ByteView data);
  // Has libtdb put a block for a record of that size, key and header included, into the chain, and take back the dead ones that are too small. Who is killed in
  // here may leave the free list broken; kUnsure: somebody has been. kNoRoom: the file cannot grow.
  Outcome make_room(uint32_t hash, size_t bytes);

 private:
  explicit ValueWriter(tdb_context* tdb) : tdb_(tdb) {}
  bool map();
  void unmap();
  struct Found;
  bool look(ByteView key, uint32_t hash, size_t bytes, Found& found);
  template <typename Look>
  bool look_anew(Look&& look);
  bool give_back(uint32_t hash, size_t bytes);

  tdb_context* tdb_;
  MutableBytes file_;
  std::optional<TdbImage> image_;
};

}  // namespace ctdb

#endif  // LIBCTDBIPC_TDB_VALUE_WRITER_H_
