// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbipc/base/printable.h"

#include <string_view>

namespace ctdb {
namespace {

constexpr std::string_view kHexPrefix = "hex:";

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Length of the well-formed UTF-8 sequence at the front, 0 when there is none.
size_t utf8_length(ByteView bytes) {
  const uint8_t first = bytes[0];
  if (first < 0x80) return 1;
  const size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || bytes.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((bytes[i] & 0xC0) != 0x80) return 0;
  }
  const uint8_t second = bytes[1];
  const bool overlong = (first == 0xE0 && second < 0xA0) || (first == 0xF0 && second < 0x90);
  const bool surrogate = first == 0xED && second > 0x9F;
  const bool too_large = first == 0xF4 && second > 0x8F;
  return overlong || surrogate || too_large ? 0 : length;
}

// Length of the printable character at the front, 0 when it is none.
size_t printable_length(ByteView bytes) {
  const size_t length = utf8_length(bytes);
  const bool control =
      bytes[0] < 0x20 || bytes[0] == 0x7F || (bytes[0] == 0xC2 && length == 2 && bytes[1] < 0xA0);
  return control ? 0 : length;
}

}  // namespace

std::optional<Bytes> bytes_from_argument(const std::string& argument) {
  if (!argument.starts_with(kHexPrefix)) return to_bytes(as_bytes(argument));
  const std::string_view digits = std::string_view(argument).substr(kHexPrefix.size());
  if (digits.size() % 2 != 0) return std::nullopt;
  Bytes out;
  for (size_t i = 0; i < digits.size(); i += 2) {
    const int high = hex_digit(digits[i]);
    const int low = hex_digit(digits[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    out.push_back(static_cast<uint8_t>(high << 4 | low));
  }
  return out;
}

std::string to_hex(ByteView bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const uint8_t byte : bytes) {
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

bool is_printable_utf8(ByteView bytes) {
  while (!bytes.empty()) {
    const size_t length = printable_length(bytes);
    if (length == 0) return false;
    bytes = bytes.subspan(length);
  }
  return true;
}

std::string printable(ByteView text) {
  std::string out;
  while (!text.empty()) {
    const size_t length = printable_length(text);
    out += length == 0 ? "?" : as_text(text.first(length));
    text = text.subspan(length == 0 ? 1 : length);
  }
  return out;
}

std::string argument_from_bytes(ByteView bytes) {
  if (is_printable_utf8(bytes) && !as_text(bytes).starts_with(kHexPrefix)) return std::string(as_text(bytes));
  return std::string(kHexPrefix) + to_hex(bytes);
}

std::string quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text.substr(0, 100)) out += c >= ' ' && c <= '~' ? c : '?';
  return out + "'";
}

}  // namespace ctdb
