// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbipc/tdb/value_writer.h"

#include <sys/mman.h>
#include <sys/stat.h>

// tdb.h needs these first.
#include <signal.h>
#include <sys/types.h>
#include <tdb.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <vector>

namespace ctdb {
namespace {

bool is_record_of(TdbBlock& block, ByteView key, uint32_t hash) {
  return block.kind == kTdbLive && block.hash == hash && TdbImage::has_record(block) &&
         std::ranges::equal(TdbImage::key(block), key);
}

bool begins_with(ByteView value, ByteView header, ByteView data) {
  return value.size() >= header.size() + data.size() &&
         std::ranges::equal(value.first(header.size()), header) &&
         std::ranges::equal(value.subspan(header.size(), data.size()), data);
}

// Whether it is worth a look if one of the values is the beginning of the other. Most changes change the first byte. To compare all of what has
// just been written costs a third of the whole change on some processors: a vector load of what small stores wrote waits for them.
bool starts_alike(ByteView value, ByteView header, ByteView data) {
  return data.empty() || value.size() <= header.size() || value[header.size()] == data[0];
}

// The new value is the old one and more, and the block has room for it.
bool goes_on_from(TdbBlock& block, ByteView header, ByteView data, size_t bytes) {
  const ByteView old = TdbImage::data(block);
  return block.room - kTdbBlockEnd >= bytes && old.size() >= header.size() &&
         old.size() - header.size() <= data.size() && std::ranges::equal(old.first(header.size()), header) &&
         std::ranges::equal(old.subspan(header.size()), data.first(old.size() - header.size()));
}

// What is behind the value is nobody's until the word says that it is the value's.
void go_on(TdbBlock& block, ByteView header, ByteView data) {
  const ByteView old = TdbImage::data(block);
  std::ranges::copy(data.subspan(old.size() - header.size()),
                    TdbImage::bytes(block) + block.key_size + old.size());
  publish_word(block.data_size, static_cast<uint32_t>(header.size() + data.size()));
}

}  // namespace

// A look beyond the end of the file is an "IO error" that no system call has made.
bool failed_by_damage(tdb_context* tdb) {
  const TDB_ERROR error = tdb_error(tdb);
  return error == TDB_ERR_CORRUPT || (error == TDB_ERR_IO && errno == 0);
}

std::unique_ptr<ValueWriter> ValueWriter::make(tdb_context* tdb) {
  if ((tdb_get_flags(tdb) & TDB_INCOMPATIBLE_HASH) == 0) return nullptr;
  std::unique_ptr<ValueWriter> writer(new ValueWriter(tdb));
  return writer->map() ? std::move(writer) : nullptr;
}

ValueWriter::~ValueWriter() {
  unmap();
}

void ValueWriter::unmap() {
  if (!file_.empty()) munmap(file_.data(), file_.size());
  file_ = {};
  image_.reset();
}

// As long as the file is now. What was mapped before stays in the page tables: a page fault costs more than a record.
bool ValueWriter::map() {
  image_.reset();
  struct stat info {};
  if (fstat(tdb_fd(tdb_), &info) != 0 || info.st_size <= 0) return false;
  const auto bytes = static_cast<size_t>(info.st_size);
  void* at = file_.empty() ? mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, tdb_fd(tdb_), 0)
                           : mremap(file_.data(), file_.size(), bytes, MREMAP_MAYMOVE);
  if (at == MAP_FAILED) return false;
  file_ = {static_cast<uint8_t*>(at), bytes};
  image_ = TdbImage::of(file_);
  return image_.has_value();
}

// The mapping may be shorter than the file that others have made longer: then once more.
template <typename Look>
bool ValueWriter::look_anew(Look&& look) {
  return (image_ && look()) || (map() && look());
}

ValueWriter::Outcome ValueWriter::read(ByteView key, uint32_t hash, std::optional<ByteView>& value) {
  const auto find = [&] {
    value.reset();
    return image_->walk(image_->chain_of(hash), [&](uint32_t, TdbBlock& block) {
      if (is_record_of(block, key, hash)) value = TdbImage::data(block);
      return !value;
    });
  };
  return look_anew(find) ? Outcome::kDone : Outcome::kUnsure;
}

// What a chain has for a record of some size.
struct ValueWriter::Found {
  TdbBlock* current = nullptr;  // the key's record
  TdbBlock* spare = nullptr;    // the smallest dead block that is large enough
};

// Ends what others have left on the way.
bool ValueWriter::look(ByteView key, uint32_t hash, size_t bytes, Found& found) {
  found = {};
  return image_->walk(image_->chain_of(hash), [&](uint32_t, TdbBlock& block) {
    if (is_record_of(block, key, hash)) {
      if (found.current == nullptr) {
        found.current = &block;
        return true;
      }
      publish_word(block.kind, kTdbDead);
    } else if (block.kind == kTdbLive && is_filler(block)) {
      publish_word(block.kind, kTdbDead);
    }
    if (block.kind != kTdbDead || block.room - kTdbBlockEnd < bytes) return true;
    if (found.spare == nullptr || block.room < found.spare->room) found.spare = &block;
    return true;
  });
}

ValueWriter::Outcome ValueWriter::write(ByteView key, uint32_t hash, ByteView header, ByteView data) {
  const size_t bytes = key.size() + header.size() + data.size();
  Found found;
  if (!look_anew([&] { return look(key, hash, bytes, found); })) return Outcome::kUnsure;
  if (found.current != nullptr && starts_alike(TdbImage::data(*found.current), header, data)) {
    if (begins_with(TdbImage::data(*found.current), header, data)) {
      publish_word(found.current->data_size, static_cast<uint32_t>(header.size() + data.size()));
      return Outcome::kDone;
    }
    if (goes_on_from(*found.current, header, data, bytes)) {
      go_on(*found.current, header, data);
      return Outcome::kDone;
    }
  }
  if (found.spare == nullptr) return Outcome::kNoRoom;
  TdbBlock& spare = *found.spare;
  spare.key_size = static_cast<uint32_t>(key.size());
  spare.data_size = static_cast<uint32_t>(header.size() + data.size());
  spare.hash = hash;
  // std::copy() is one call each, std::ranges::copy() of gcc 12 a loop over bytes.
  uint8_t* at = std::copy(key.begin(), key.end(), TdbImage::bytes(spare));
  at = std::copy(header.begin(), header.end(), at);
  std::copy(data.begin(), data.end(), at);
  publish_word(spare.kind, kTdbLive);
  if (found.current != nullptr) publish_word(found.current->kind, kTdbDead);
  return Outcome::kDone;
}

// A dead block becomes a filler, which libtdb then deletes.
bool ValueWriter::give_back(uint32_t hash, size_t bytes) {
  const FillerKey key = filler_key(hash);
  constexpr size_t kFillerBytes = kFillerKeyBytes + sizeof kFillerMark + kTdbBlockEnd;
  TdbBlock* small = nullptr;
  const bool sound = image_->walk(image_->chain_of(hash), [&](uint32_t, TdbBlock& block) {
    if (block.kind != kTdbDead || block.room < kFillerBytes || block.room - kTdbBlockEnd >= bytes)
      return true;
    small = &block;
    return false;
  });
  if (!sound || small == nullptr) return false;
  small->key_size = kFillerKeyBytes;
  small->data_size = sizeof kFillerMark;
  small->hash = hash;
  std::copy(std::begin(key.bytes), std::end(key.bytes), TdbImage::bytes(*small));
  store(TdbImage::bytes(*small) + kFillerKeyBytes, kFillerMark);
  publish_word(small->kind, kTdbLive);
  return tdb_delete(tdb_, {const_cast<uint8_t*>(key.bytes), sizeof key.bytes}) == 0;
}

ValueWriter::Outcome ValueWriter::make_room(uint32_t hash, size_t bytes) {
  constexpr int kGivenBackMax = 16;
  for (int i = 0; i < kGivenBackMax && give_back(hash, bytes); ++i) {
  }
  FillerKey filler = filler_key(hash);
  std::array<uint8_t, sizeof kFillerMark> mark;
  store(mark.data(), kFillerMark);
  // What is behind the mark does not matter.
  static std::array<uint8_t, 1 << 16> zeros;
  std::vector<TDB_DATA> parts{{mark.data(), mark.size()}};
  for (size_t left = bytes - std::min(bytes, kFillerKeyBytes + mark.size()); left > 0;) {
    parts.push_back({zeros.data(), std::min(left, zeros.size())});
    left -= parts.back().dsize;
  }
  errno = 0;
  if (tdb_storev(tdb_, {filler.bytes, sizeof filler.bytes}, parts.data(), static_cast<int>(parts.size()),
                 0) == 0)
    return Outcome::kDone;
  return failed_by_damage(tdb_) ? Outcome::kUnsure : Outcome::kNoRoom;
}

}  // namespace ctdb
