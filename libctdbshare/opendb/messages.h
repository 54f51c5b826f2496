// SPDX-License-Identifier: LGPL-3.0-or-later
// What owners of open files say to each other. One without content is "look again" (common/owner.h). Little endian:
//   break:  u32 1, u32 level, u32 forced, u32 number, 32 bytes key, the file
//   rename: u32 2, u32 size of the file, the file, u32 size of the old name, the old name, the new name
#ifndef LIBCTDBSHARE_OPENDB_MESSAGES_H_
#define LIBCTDBSHARE_OPENDB_MESSAGES_H_

#include <optional>
#include <span>
#include <vector>

#include "libctdbshare/opendb/record.h"

namespace ctdb_share::open_files {

// A lease comes down to `level`; forced: it has.
struct BreakMessage {
  LeaseKey key{};
  uint8_t level = 0;
  bool forced = false;
  uint32_t number = 0;
  std::span<const uint8_t> file;
};

// What is open as `name` is open as `new_name` now.
struct RenameMessage {
  std::span<const uint8_t> file, name, new_name;
};

std::vector<uint8_t> encode(const BreakMessage& message);
std::vector<uint8_t> encode(const RenameMessage& message);
// Nothing: it is none. File and names are parts of the bytes.
std::optional<BreakMessage> decode_break(std::span<const uint8_t> bytes);
std::optional<RenameMessage> decode_rename(std::span<const uint8_t> bytes);

}  // namespace ctdb_share::open_files

#endif  // LIBCTDBSHARE_OPENDB_MESSAGES_H_
