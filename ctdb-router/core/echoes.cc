// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-router/core/echoes.h"

#include "libctdbipc/base/limits.h"

namespace ctdb {
namespace {

// Of one sender.
constexpr size_t kEchoesMax = kClientRequestsInFlightMax;
constexpr size_t kEchoBytesMax = 32u << 20;
static_assert(kEchoBytesMax >= kPacketBytesMax);

}  // namespace

bool Echoes::add(const Origin& origin, ByteView data, TimeNs when) {
  const auto room = taken_.try_emplace(sender_of(origin)).first;
  if (room->second.echoes >= kEchoesMax || room->second.bytes + data.size() > kEchoBytesMax) return false;
  ++room->second.echoes;
  room->second.bytes += data.size();
  waiting_.emplace(when, Echo{origin, to_bytes(data)});
  return true;
}

std::optional<Echoes::Echo> Echoes::take(TimeNs now) {
  if (next_deadline() > now) return std::nullopt;
  Echo echo = std::move(waiting_.extract(waiting_.begin()).mapped());
  left(echo);
  return echo;
}

void Echoes::left(const Echo& echo) {
  const auto room = taken_.find(sender_of(echo.origin));
  room->second.bytes -= echo.data.size();
  if (--room->second.echoes == 0) taken_.erase(room);
}

void Echoes::forget(uint32_t client, uint32_t node) {
  const Sender sender{client, node};
  if (taken_.erase(sender) == 0) return;
  std::erase_if(waiting_, [&](const auto& echo) { return sender_of(echo.second.origin) == sender; });
}

}  // namespace ctdb
