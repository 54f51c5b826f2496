// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbshare/opendb/messages.h"

#include <algorithm>

#include "libctdbshare/common/bytes.h"
#include "libctdbshare/opendb/leases.h"

namespace ctdb_share::open_files {
namespace {

constexpr uint32_t kBreak = 1, kRename = 2;
constexpr size_t kBreakBytes = 48, kRenameBytes = 12;

void put_sized(Out& out, std::span<const uint8_t> bytes) {
  out.put(static_cast<uint32_t>(bytes.size()));
  out.put(bytes);
}

bool take_sized(In& in, std::span<const uint8_t>* bytes) {
  if (in.left() < 4) return false;
  const auto size = in.get<uint32_t>();
  if (in.left() < size) return false;
  *bytes = in.take(size);
  return true;
}

}  // namespace

std::vector<uint8_t> encode(const BreakMessage& message) {
  Out out(kBreakBytes + message.file.size());
  for (const uint32_t word : {kBreak, uint32_t{message.level}, uint32_t{message.forced}, message.number})
    out.put(word);
  out.put(std::span<const uint8_t>(message.key));
  out.put(message.file);
  return out.take();
}

std::vector<uint8_t> encode(const RenameMessage& message) {
  Out out(kRenameBytes + message.file.size() + message.name.size() + message.new_name.size());
  out.put(kRename);
  put_sized(out, message.file);
  put_sized(out, message.name);
  out.put(message.new_name);
  return out.take();
}

std::optional<BreakMessage> decode_break(std::span<const uint8_t> bytes) {
  if (bytes.size() <= kBreakBytes) return std::nullopt;
  In in(bytes);
  if (in.get<uint32_t>() != kBreak) return std::nullopt;
  BreakMessage message;
  const auto level = in.get<uint32_t>(), forced = in.get<uint32_t>();
  if (!possible_level(level) || forced > 1) return std::nullopt;
  message.level = static_cast<uint8_t>(level);
  message.forced = forced == 1;
  message.number = in.get<uint32_t>();
  std::ranges::copy(in.take(message.key.size()), message.key.begin());
  message.file = in.take(in.left());
  return message;
}

std::optional<RenameMessage> decode_rename(std::span<const uint8_t> bytes) {
  if (bytes.size() < kRenameBytes) return std::nullopt;
  In in(bytes);
  if (in.get<uint32_t>() != kRename) return std::nullopt;
  RenameMessage message;
  if (!take_sized(in, &message.file) || message.file.empty() || !take_sized(in, &message.name))
    return std::nullopt;
  message.new_name = in.take(in.left());
  return message;
}

}  // namespace ctdb_share::open_files
