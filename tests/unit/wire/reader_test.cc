// SPDX-License-Identifier: GPL-3.0-or-later
#include "libctdbipc/wire/reader.h"

#include <gtest/gtest.h>

namespace ctdb {
namespace {

TEST(Reader, ReadsWhatWriterWrote) {
  Bytes out;
  Writer w(out);
  w.u8(1);
  w.u16(0x0203);
  w.u32(0x04050607);
  w.u64(0x08090a0b0c0d0e0full);
  w.i32(-5);
  w.i64(-6);
  w.counted_bytes(as_bytes("seven"));
  w.zeros(3);
  w.bytes(as_bytes("eight"));
  EXPECT_EQ(w.size(), out.size());
  Reader r(out);
  EXPECT_EQ(r.u8(), 1);
  EXPECT_EQ(r.u16(), 0x0203);
  EXPECT_EQ(r.u32(), 0x04050607u);
  EXPECT_EQ(r.u64(), 0x08090a0b0c0d0e0full);
  EXPECT_EQ(r.i32(), -5);
  EXPECT_EQ(r.i64(), -6);
  EXPECT_EQ(as_text(r.counted_bytes()), "seven");
  r.skip(3);
  EXPECT_FALSE(r.done());
  EXPECT_EQ(r.left(), 5u);
  EXPECT_EQ(as_text(r.bytes(5)), "eight");
  EXPECT_TRUE(r.done());
}

TEST(Reader, AFailureIsFinal) {
  const Bytes five = {1, 2, 3, 4, 5};
  Reader r(five);
  EXPECT_EQ(r.u64(), 0u);
  EXPECT_FALSE(r.ok());
  EXPECT_EQ(r.u8(), 0);  // though a byte would be there
  EXPECT_EQ(r.left(), 0u);
  EXPECT_TRUE(r.bytes(0).empty());
  EXPECT_FALSE(r.done());
}

TEST(Reader, AnImpossibleCountTakesNothing) {
  const Bytes bytes = {0xff, 0xff, 0xff, 0xff, 1, 2, 3};
  Reader r(bytes);
  EXPECT_TRUE(r.counted_bytes().empty());
  EXPECT_FALSE(r.ok());
}

TEST(Reader, EmptyViewIsDoneAtOnce) {
  Reader r({});
  EXPECT_TRUE(r.done());
  EXPECT_TRUE(r.bytes(0).empty());
  EXPECT_TRUE(r.done());
  EXPECT_EQ(r.u8(), 0);
  EXPECT_FALSE(r.ok());
}

}  // namespace
}  // namespace ctdb
