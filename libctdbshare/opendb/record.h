// SPDX-License-Identifier: LGPL-3.0-or-later
// The record of a file: who has it open, who caches what of it, and who waits for that. Little endian:
//   u32 "OPEN", u32 version (1), u32 summary, u32 count of names, u32 of tokens, u32 of leases, u32 of waiters, u32 of entries, then these
//   name: u32 size, the bytes
//   token (36 bytes): u32 name, u32 pending, u32 pnn, i32 pid, u64 unique id, u64 handle, u32 size, the bytes
//   lease (40 bytes): 32 bytes key, u8 level, u8 breaking, u8 requested, u8 required, u32 number
//   waiter (16 bytes): u32 pnn, i32 pid, u64 unique id
//   entry (40 bytes): u32 pnn, i32 pid, u64 unique id, u64 handle, u32 access, u32 share, u32 name, u32 lease
// Names and leases are meant by their places (a lease by its place plus 1; 0: none), and each is that of an entry. Without entries the record is
// empty.
#ifndef LIBCTDBSHARE_OPENDB_RECORD_H_
#define LIBCTDBSHARE_OPENDB_RECORD_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "libctdbshare/common/server_id.h"
#include "libctdbshare/opendb/packed.h"

namespace ctdb_share::open_files {

// An open handle.
struct Entry {
  static constexpr size_t kBytes = 40;
  ServerId server;
  uint64_t handle = 0;
  uint32_t access = 0, share = 0;
  uint32_t name = 0, lease = 0;
  void pack(Out& out) const;
  static Entry unpack(In& in);
  bool operator==(const Entry&) const = default;
};

using LeaseKey = std::array<uint8_t, 32>;

// What all handles of one key cache together: leases.h.
struct Lease {
  static constexpr size_t kBytes = 40;
  LeaseKey key{};
  uint8_t level = 0;
  uint8_t breaking = 0;  // 1: something has to be given back
  uint8_t requested = 0,
          required = 0;  // while it is breaking: what its holders were told, and what it has come to since
  uint32_t number = 0;   // of breaks so far
  void pack(Out& out) const;
  static Lease unpack(In& in);
  bool operator==(const Lease&) const = default;
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
  uint32_t summary = 0;  // of all entries and leases: rules.h
  std::vector<std::string> names;
  std::vector<Token> tokens;
  Packed<Lease> leases;
  std::vector<ServerId> waiters;  // whom to wake when somebody gives something back
  Packed<Entry> entries;
  bool operator==(const Record&) const = default;
};

std::vector<uint8_t> encode(const Record& record);
// false: it is none, and *why says what is wrong with it; *record is then as far as it was read.
bool decode(std::span<const uint8_t> bytes, Record* record, std::string* why);

}  // namespace ctdb_share::open_files

#endif  // LIBCTDBSHARE_OPENDB_RECORD_H_
