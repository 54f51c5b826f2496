// SPDX-License-Identifier: LGPL-3.0-or-later
// The record of a file: who has it open. Little endian:
//   u32 "OPEN", u32 version (1), u32 summary, u32 count of names, u32 of tokens, u32 of entries, then these
//   name: u32 size, the bytes
//   token (36 bytes): u32 name, u32 pending, u32 pnn, i32 pid, u64 unique id, u64 handle, u32 size, the bytes
//   entry (36 bytes): u32 pnn, i32 pid, u64 unique id, u64 handle, u32 access, u32 share, u32 name
// A name is meant by its place among the names, and is that of an entry. Without entries the record is empty.
//
// Entries stay bytes until one is looked at: to open a file that thousands have open costs a copy, not a thousand objects.
#ifndef LIBCTDBSHARE_OPENDB_RECORD_H_
#define LIBCTDBSHARE_OPENDB_RECORD_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "libctdbshare/common/server_id.h"

namespace ctdb_share::open_files {

// An open handle.
struct Entry {
  ServerId server;
  uint64_t handle = 0;
  uint32_t access = 0, share = 0;
  uint32_t name = 0;
  bool operator==(const Entry&) const = default;
};

class Entries {
 public:
  static constexpr size_t kBytes = 36;

  Entries() = default;
  explicit Entries(std::span<const uint8_t> bytes) : bytes_(bytes.begin(), bytes.end()) {}

  size_t size() const { return bytes_.size() / kBytes; }
  bool empty() const { return bytes_.empty(); }
  Entry operator[](size_t at) const;
  void push_back(const Entry& entry);
  void put(size_t at, const Entry& entry);
  void erase(size_t at);
  std::span<const uint8_t> bytes() const { return bytes_; }
  bool operator==(const Entries&) const = default;

 private:
  std::vector<uint8_t> bytes_;
};

// That the file of a name shall be deleted.
struct Token {
  uint32_t name = 0;
  bool pending = false;  // false: when the handle is closed that was opened with it
  ServerId server;
  uint64_t handle = 0;
  std::string bytes;
  bool operator==(const Token&) const = default;
};

struct Record {
  uint32_t summary = 0;  // of all entries: rules.h
  std::vector<std::string> names;
  std::vector<Token> tokens;
  Entries entries;
  bool operator==(const Record&) const = default;
};

std::vector<uint8_t> encode(const Record& record);
// false: it is none, and *why says what is wrong with it; *record is then as far as it was read.
bool decode(std::span<const uint8_t> bytes, Record* record, std::string* why);

}  // namespace ctdb_share::open_files

#endif  // LIBCTDBSHARE_OPENDB_RECORD_H_
