// SPDX-License-Identifier: LGPL-3.0-or-later
// Bounds-checked cursors over payload bytes. A Reader never reads past its view: after the first failure
// every further read returns zero or empty and ok() stays false, so a decoder checks once at its end.
#ifndef LIBCTDBIPC_WIRE_READER_H_
#define LIBCTDBIPC_WIRE_READER_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "libctdbipc/base/bytes.h"

namespace ctdb {

class Reader {
 public:
  explicit Reader(ByteView bytes) : bytes_(bytes) {}

  template <typename T>
  T number() {
    if (!take(sizeof(T))) return T{};
    return load<T>(bytes_.data() + at_ - sizeof(T));
  }
  uint8_t u8() { return number<uint8_t>(); }
  uint16_t u16() { return number<uint16_t>(); }
  uint32_t u32() { return number<uint32_t>(); }
  uint64_t u64() { return number<uint64_t>(); }
  int32_t i32() { return number<int32_t>(); }
  int64_t i64() { return number<int64_t>(); }
  // The next `size` bytes, a loan out of the view; empty after a failure.
  ByteView bytes(size_t size) {
    if (!take(size)) return {};
    return bytes_.subspan(at_ - size, size);
  }
  // u32 length, then that many bytes (datan and stringn of wire-protocol §7.1).
  ByteView counted_bytes() { return bytes(u32()); }
  void skip(size_t size) { (void)bytes(size); }

  size_t left() const { return ok_ ? bytes_.size() - at_ : 0; }
  bool ok() const { return ok_; }
  // Everything was read and nothing failed.
  bool done() const { return ok_ && at_ == bytes_.size(); }
  void fail() { ok_ = false; }

 private:
  bool take(size_t size) {
    if (!ok_ || size > bytes_.size() - at_) {
      ok_ = false;
      return false;
    }
    at_ += size;
    return true;
  }

  ByteView bytes_;
  size_t at_ = 0;
  bool ok_ = true;
};

// Appends to a buffer the caller owns.
class Writer {
 public:
  explicit Writer(Bytes& out) : out_(out) {}

  template <typename T>
  void number(T value) {
    const size_t at = out_.size();
    out_.resize(at + sizeof(T));
    store(out_.data() + at, value);
  }
  void u8(uint8_t value) { number(value); }
  void u16(uint16_t value) { number(value); }
  void u32(uint32_t value) { number(value); }
  void u64(uint64_t value) { number(value); }
  void i32(int32_t value) { number(value); }
  void i64(int64_t value) { number(value); }
  void bytes(ByteView value) { out_.insert(out_.end(), value.begin(), value.end()); }
  void counted_bytes(ByteView value) {
    u32(static_cast<uint32_t>(value.size()));
    bytes(value);
  }
  void zeros(size_t size) { out_.resize(out_.size() + size); }
  size_t size() const { return out_.size(); }

 private:
  Bytes& out_;
};

}  // namespace ctdb

#endif  // LIBCTDBIPC_WIRE_READER_H_
