// SPDX-License-Identifier: GPL-3.0-or-later
// What recoveryd and its lock process (ctdb-lock) say to each other, over a SOCK_SEQPACKET socket that is the process's
// standard input. One message a packet: a kind, a number, the rest.
#ifndef CTDB_RECOVERYD_LOCK_MESSAGES_H_
#define CTDB_RECOVERYD_LOCK_MESSAGES_H_

#include <sys/socket.h>

#include <cerrno>
#include <optional>

#include "libctdbipc/base/bytes.h"
#include "libctdbipc/wire/reader.h"

namespace ctdb {

enum class LockMessageKind : uint8_t {
  // From recoveryd.
  kWant = 1,  // number: of this wish
  kLetGo = 2,
  kAccess = 3,  // number: ticket; rest: the own slot, empty to read only
  // To recoveryd.
  kState = 4,   // number: of the wish; rest: a byte LockState, a text
  kSlot = 5,    // number: ticket; rest: u32 node, its slot
  kAnswer = 6,  // number: ticket; rest: a fault, or nothing; the last word about an access
};

struct LockMessage {
  static constexpr size_t kBytesMax = size_t{64} * 1024;
  LockMessageKind kind = LockMessageKind::kLetGo;
  uint64_t number = 0;
  Bytes rest;
};

// false: the other side is gone, or with MSG_DONTWAIT does not listen.
inline bool send_lock_message(int socket, const LockMessage& message, int flags = 0) {
  Bytes out;
  Writer w(out);
  w.u8(static_cast<uint8_t>(message.kind));
  w.u64(message.number);
  w.bytes(message.rest);
  ssize_t sent;
  do {
    sent = send(socket, out.data(), out.size(), MSG_NOSIGNAL | flags);
  } while (sent < 0 && errno == EINTR);
  return sent >= 0;
}

// nullopt: the other side is gone, or says nonsense. `flags`: MSG_DONTWAIT, when there is something.
inline std::optional<LockMessage> receive_lock_message(int socket, int flags = 0) {
  Bytes in(LockMessage::kBytesMax);
  ssize_t got;
  do {
    got = recv(socket, in.data(), in.size(), flags);
  } while (got < 0 && errno == EINTR);
  if (got <= 0) return std::nullopt;
  Reader r(ByteView(in).first(static_cast<size_t>(got)));
  LockMessage message;
  message.kind = static_cast<LockMessageKind>(r.u8());
  message.number = r.u64();
  message.rest = to_bytes(r.bytes(r.left()));
  if (!r.ok()) return std::nullopt;
  return message;
}

}  // namespace ctdb

#endif  // CTDB_RECOVERYD_LOCK_MESSAGES_H_
