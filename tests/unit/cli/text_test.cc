// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-cli/text.h"

#include <gtest/gtest.h>

namespace ctdb::cli {
namespace {

std::string shown(std::string_view bytes) {
  return argument_from_bytes(as_bytes(bytes));
}

TEST(Text, TimesForProgramsAreUniversalAndExactToAMillisecond) {
  EXPECT_EQ(utc_text(1700000000012999999), "2023-11-14T22:13:20.012Z");
}

TEST(Text, KeepsPrintableTextAsItIs) {
  EXPECT_EQ(shown("locking key/1"), "locking key/1");
  EXPECT_EQ(shown("Grüße €"), "Grüße €");
  EXPECT_EQ(shown(""), "");
}

TEST(Text, ShowsOtherBytesInHexadecimal) {
  EXPECT_EQ(shown(std::string_view("a\0b", 3)), "hex:610062");
  EXPECT_EQ(shown("line\n"), "hex:6c696e650a");
  EXPECT_EQ(shown("\xff"), "hex:ff");
  EXPECT_EQ(shown("\xc3"), "hex:c3");                    // cut short
  EXPECT_EQ(shown("\xc0\xaf"), "hex:c0af");              // overlong
  EXPECT_EQ(shown("\xed\xa0\x80"), "hex:eda080");        // surrogate
  EXPECT_EQ(shown("\xf4\x90\x80\x80"), "hex:f4908080");  // beyond Unicode
  EXPECT_EQ(shown("\xc2\x9b"), "hex:c29b");              // a terminal would obey it
}

TEST(Text, ShowsTextThatLooksLikeHexadecimalInHexadecimal) {
  EXPECT_EQ(shown("hex:00"), "hex:6865783a3030");
}

TEST(Text, ReadsBackWhatItShows) {
  for (const std::string_view bytes :
       {std::string_view("key"), std::string_view("a\0b", 3), std::string_view("hex:1")}) {
    EXPECT_EQ(as_text(bytes_from_argument(shown(bytes)).value()), bytes);
  }
}

TEST(Text, RefusesWrongHexadecimal) {
  EXPECT_FALSE(bytes_from_argument("hex:0"));
  EXPECT_FALSE(bytes_from_argument("hex:0g"));
  EXPECT_TRUE(bytes_from_argument("hex:")->empty());
  EXPECT_EQ(to_hex(bytes_from_argument("hex:aBcD").value()), "abcd");
}

TEST(Text, ReadsWholeNumbersOnly) {
  EXPECT_EQ(parse_number("17", 100), 17u);
  EXPECT_EQ(parse_number("100", 100), 100u);
  for (const char* wrong : {"", "101", "-1", "1x", " 1", "0x1", "99999999999999999999"}) {
    EXPECT_FALSE(parse_number(wrong, 100)) << wrong;
  }
}

TEST(Text, JoinsParts) {
  EXPECT_EQ(joined({}, ", "), "");
  EXPECT_EQ(joined({"a"}, ", "), "a");
  EXPECT_EQ(joined({"a", "b"}, ", "), "a, b");
}

TEST(Text, WhatIsNotPrintableIsAQuestionMark) {
  const auto shown = [](std::string_view text) { return printable(as_bytes(text)); };
  EXPECT_EQ(shown("smbd: täst €"), "smbd: täst €");
  EXPECT_EQ(shown("x\x1b[2Jz\n"), "x?[2Jz?");
  EXPECT_EQ(shown("\xc2\x9b\xe2\x82"), "????");
  EXPECT_EQ(shown(""), "");
}

}  // namespace
}  // namespace ctdb::cli
