// SPDX-License-Identifier: GPL-3.0-or-later
// What a program leaves in a tdb file that is killed in the middle of a change.
#ifndef TESTS_UNIT_STORE_TDB_DAMAGE_H_
#define TESTS_UNIT_STORE_TDB_DAMAGE_H_

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <string>

#include "libctdbipc/base/hash.h"
#include "libctdbipc/base/tdb_image.h"

namespace ctdb {

template <typename Change>
void change_image(const std::string& path, Change&& change) {
  const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
  struct stat info {};
  fstat(fd, &info);
  const auto bytes = static_cast<size_t>(info.st_size);
  void* at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  change(*TdbImage::of({static_cast<uint8_t*>(at), bytes}));
  munmap(at, bytes);
  close(fd);
}

// Sets the head of the free list to a place where nothing is.
inline void break_free_list(const std::string& path) {
  change_image(path, [](const TdbImage& image) { image.free_head() = 20; });
}

// Where the link behind the last record of a key's chain leads.
inline void break_chain(const std::string& path, ByteView key, uint32_t place) {
  change_image(path, [key, place](const TdbImage& image) {
    const uint32_t chain = image.chain_of(jenkins_hash(key));
    uint32_t* link = &image.head(chain);
    while (*link != 0) link = &image.block(*link)->next;
    *link = place;
  });
}

// The new end is the room of a record of the first chain. It takes none on the disk.
inline void make_longer(const std::string& path, uint64_t bytes) {
  uint32_t from = 0;
  change_image(path, [&](const TdbImage& image) { from = image.end(); });
  ASSERT_EQ(truncate(path.c_str(), static_cast<off_t>(bytes)), 0);
  change_image(path, [&](const TdbImage& image) {
    TdbBlock& block = image.raw(from);
    block = {0,       image.end() - from - static_cast<uint32_t>(sizeof(TdbBlock)), sizeof(FillerKey), 0, 0,
             kTdbLive};
    const FillerKey key = filler_key(block.hash);
    std::copy(std::begin(key.bytes), std::end(key.bytes), TdbImage::bytes(block));
    store(TdbImage::bytes(block) + block.room - kTdbBlockEnd, TdbImage::size(block));
    uint32_t* link = &image.head(0);
    while (*link != 0) link = &image.block(*link)->next;
    *link = from;
  });
}

}  // namespace ctdb

#endif  // TESTS_UNIT_STORE_TDB_DAMAGE_H_
