// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-cli/samba_keys.h"

#include <algorithm>
#include <cstdio>

#include "libctdbipc/base/printable.h"

namespace ctdb::cli {
namespace {

constexpr size_t kFileIdBytes = 24;
constexpr size_t kGuidBytes = 16;

// Device, inode, and something of the file system's own.
std::string file_id(ByteView key) {
  const auto device = load<uint64_t>(key.data());
  const auto inode = load<uint64_t>(key.data() + 8);
  const auto extra = load<uint64_t>(key.data() + 16);
  std::string text = "file " + std::to_string(device) + ":" + std::to_string(inode);
  if (extra != 0) text += ":" + std::to_string(extra);
  return text;
}

std::string number(ByteView key) {
  uint64_t value = 0;
  for (const uint8_t byte : key) value = value << 8 | byte;
  char text[32];
  std::snprintf(text, sizeof text, "0x%0*llx", static_cast<int>(2 * key.size()),
                static_cast<unsigned long long>(value));
  return text;
}

std::string guid(ByteView key) {
  char text[40];
  std::snprintf(text, sizeof text, "%08x-%04x-%04x-%02x%02x-", load<uint32_t>(key.data()),
                load<uint16_t>(key.data() + 4), load<uint16_t>(key.data() + 6), key[8], key[9]);
  std::string all = text;
  for (size_t i = 10; i < kGuidBytes; ++i) {
    std::snprintf(text, sizeof text, "%02x", key[i]);
    all += text;
  }
  return all;
}

bool is_text_with_nul(ByteView key) {
  return key.size() > 1 && key.back() == 0 &&
         std::ranges::all_of(key.first(key.size() - 1),
                             [](uint8_t byte) { return byte >= 0x20 && byte < 0x7F; });
}

}  // namespace

std::string readable_key(const std::string& database, ByteView key) {
  if ((database == "locking.tdb" || database == "brlock.tdb") && key.size() == kFileIdBytes)
    return file_id(key);
  if (database == "smbXsrv_client_global.tdb" && key.size() == kGuidBytes) return "client " + guid(key);
  const bool numbered = database == "smbXsrv_session_global.tdb" || database == "smbXsrv_tcon_global.tdb" ||
                        database == "smbXsrv_open_global.tdb";
  if (numbered && key.size() == sizeof(uint32_t)) return number(key);
  if (is_text_with_nul(key)) return std::string(as_text(key.first(key.size() - 1)));
  return argument_from_bytes(key);
}

}  // namespace ctdb::cli
