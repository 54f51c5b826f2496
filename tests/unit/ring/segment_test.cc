// SPDX-License-Identifier: GPL-3.0-or-later
// What is accepted as a channel's segment: only a sealed memfd that says truthfully what it is.
#include "libctdbipc/ring/segment.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <functional>

namespace ctdb {
namespace {

constexpr size_t kRing = 4096;
constexpr size_t kWhole = kRingDataOffset + 2 * kRing;
constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

UniqueFd memfd(size_t size, int seals, const std::function<void(SegmentHeader&)>& change) {
  UniqueFd fd(memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  EXPECT_EQ(ftruncate(fd.get(), static_cast<off_t>(size)), 0);
  SegmentHeader header{};
  header.magic = kSegmentMagic;
  header.ring_bytes = kRing;
  header.version = kSegmentVersion;
  change(header);
  if (size >= sizeof header) {
    EXPECT_EQ(pwrite(fd.get(), static_cast<const void*>(&header), sizeof header, 0),
              static_cast<ssize_t>(sizeof header));
  }
  EXPECT_EQ(fcntl(fd.get(), F_ADD_SEALS, seals), 0);
  return fd;
}

void expect_refused(int fd, const char* what) {
  const Result<Segment> segment = Segment::map(fd);
  ASSERT_FALSE(segment) << what;
  EXPECT_EQ(segment.error().code, ErrorCode::kInvalid) << what;
}

TEST(Segment, WhatWasCreatedCanBeMapped) {
  for (const size_t ring_bytes : {size_t{4096}, size_t{1} << 20}) {
    const Result<UniqueFd> fd = Segment::create(ring_bytes);
    ASSERT_TRUE(fd);
    const Result<Segment> segment = Segment::map(fd->get());
    ASSERT_TRUE(segment) << segment.error().text();
    EXPECT_EQ(segment->ring_bytes(), ring_bytes);
    EXPECT_EQ(segment->data(0).size(), ring_bytes);
    EXPECT_EQ(segment->data(0).data() + ring_bytes, segment->data(1).data());
    EXPECT_EQ(segment->control(0)->tail.load(), 0u);
    EXPECT_EQ(segment->control(1)->head.load(), 0u);
  }
}

TEST(Segment, CannotBeResizedOrUnsealed) {
  const Result<UniqueFd> fd = Segment::create(kRing);
  ASSERT_TRUE(fd);
  EXPECT_NE(ftruncate(fd->get(), 0), 0);
  EXPECT_NE(ftruncate(fd->get(), 1 << 20), 0);
  EXPECT_NE(fcntl(fd->get(), F_ADD_SEALS, F_SEAL_WRITE), 0);
}

TEST(Segment, AcceptsAnHonestMemfd) {
  const UniqueFd fd = memfd(kWhole, kSeals, [](SegmentHeader&) {});
  EXPECT_TRUE(Segment::map(fd.get()));
}

TEST(Segment, RefusesWhatIsNotASealedMemfd) {
  expect_refused(memfd(kWhole, 0, [](SegmentHeader&) {}).get(), "no seals");
  expect_refused(memfd(kWhole, F_SEAL_SHRINK | F_SEAL_GROW, [](SegmentHeader&) {}).get(),
                 "may be sealed further");
  expect_refused(memfd(kWhole, F_SEAL_GROW | F_SEAL_SEAL, [](SegmentHeader&) {}).get(), "may shrink");
  const UniqueFd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  expect_refused(null.get(), "/dev/null");
  expect_refused(-1, "no descriptor");
}

TEST(Segment, RefusesWrongSizes) {
  const auto honest = [](SegmentHeader&) {};
  for (const size_t size :
       {size_t{0}, size_t{8}, size_t{8192}, kWhole - 1, kWhole - 4096, kWhole + 4096, 2 * kWhole}) {
    expect_refused(memfd(size, kSeals, honest).get(), std::to_string(size).c_str());
  }
}

TEST(Segment, RefusesWrongHeaders) {
  const std::pair<const char*, std::function<void(SegmentHeader&)>> cases[] = {
      {"magic", [](SegmentHeader& h) { h.magic ^= 1; }},
      {"version", [](SegmentHeader& h) { h.version = 2; }},
      {"not ready", [](SegmentHeader& h) { h.version = 0; }},
      {"capacity not a power of two", [](SegmentHeader& h) { h.ring_bytes = kRing + 16; }},
      {"capacity larger than the memfd", [](SegmentHeader& h) { h.ring_bytes = 2 * kRing; }},
      {"capacity zero", [](SegmentHeader& h) { h.ring_bytes = 0; }},
      {"capacity that overflows", [](SegmentHeader& h) { h.ring_bytes = 0x8000000000000000ull; }},
  };
  for (const auto& [what, change] : cases) expect_refused(memfd(kWhole, kSeals, change).get(), what);
}

TEST(Segment, RefusesAReadOnlyDescriptor) {
  const Result<UniqueFd> fd = Segment::create(kRing);
  ASSERT_TRUE(fd);
  const std::string path = "/proc/self/fd/" + std::to_string(fd->get());
  const UniqueFd read_only(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(read_only.valid());
  EXPECT_FALSE(Segment::map(read_only.get()));
}

}  // namespace
}  // namespace ctdb
