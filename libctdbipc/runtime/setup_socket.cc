// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbipc/runtime/setup_socket.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

#include <algorithm>
#include <cstring>

#include "libctdbipc/base/assert.h"
#include "libctdbipc/base/process_name.h"
#include "libctdbipc/base/time.h"
#include "libctdbipc/wire/reader.h"

namespace ctdb {
namespace {

constexpr uint32_t kSetupMagic = 0x50555343;  // "CSUP"
constexpr size_t kSetupBytesMax = 1024;
constexpr size_t kFdsPerChannel = 3;
constexpr size_t kChannelsMax = 2;
constexpr size_t kFdsMax = kFdsPerChannel * kChannelsMax + 1;
constexpr size_t kFdsReceivedMax = 64;  // of a peer that keeps to no rule

Bytes encode(const SetupMessage& message) {
  Bytes out;
  Writer w(out);
  w.u32(kSetupMagic);
  w.u32(static_cast<uint32_t>(message.kind));
  w.u32(static_cast<uint32_t>(message.role));
  w.u32(message.endpoint);
  w.u32(message.pnn);
  w.u32(message.generation);
  w.u32(message.pid);
  w.u32(message.uid);
  w.u32(message.gid);
  w.u32(static_cast<uint32_t>(message.channels.size()));
  w.counted_bytes(as_bytes(std::string_view(message.text).substr(0, 512)));
  return out;
}

bool carries_descriptor(SetupKind kind) {
  return kind == SetupKind::kRecordStream || kind == SetupKind::kConnectionStates ||
         kind == SetupKind::kClientConnection || kind == SetupKind::kClientNotes ||
         kind == SetupKind::kKeptClient || kind == SetupKind::kHalfPackets;
}

// Takes the descriptors on success; on failure they are closed with the vector.
Result<SetupMessage> decode(ByteView bytes, std::vector<UniqueFd> fds) {
  Reader r(bytes);
  SetupMessage m;
  const uint32_t magic = r.u32();
  const uint32_t kind = r.u32();
  const uint32_t role = r.u32();
  m.endpoint = r.u32();
  m.pnn = r.u32();
  m.generation = r.u32();
  m.pid = r.u32();
  m.uid = r.u32();
  m.gid = r.u32();
  const uint32_t channels = r.u32();
  m.text = std::string(as_text(r.counted_bytes()));
  // Behind it may be what a later release has added (wire/later_release.h).
  if (!r.ok() || magic != kSetupMagic || kind < 1 || kind > static_cast<uint32_t>(SetupKind::kHalfPackets) ||
      role > static_cast<uint32_t>(DaemonRole::kRecoveryd)) {
    return fail(ErrorCode::kInvalid, "set-up message is malformed");
  }
  m.kind = static_cast<SetupKind>(kind);
  // An answer to a client brings the node page; a wire goes one way with a descriptor, and back without.
  const bool may_have = m.kind == SetupKind::kKeeperWire || m.kind == SetupKind::kReply;
  const bool has = carries_descriptor(m.kind) || (may_have && fds.size() % kFdsPerChannel == 1);
  if (channels > kChannelsMax || fds.size() != channels * kFdsPerChannel + (has ? 1 : 0)) {
    return fail(ErrorCode::kInvalid, "set-up message has the wrong number of descriptors");
  }
  m.role = static_cast<DaemonRole>(role);
  if (has) {
    m.descriptor = std::move(fds.back());
    fds.pop_back();
  }
  for (size_t i = 0; i < fds.size(); i += kFdsPerChannel) {
    m.channels.push_back({std::move(fds[i]), std::move(fds[i + 1]), std::move(fds[i + 2])});
  }
  return m;
}

std::vector<UniqueFd> take_descriptors(msghdr& header) {
  std::vector<UniqueFd> fds;
  for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd;
      std::memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof fd);
      fds.emplace_back(fd);
    }
  }
  return fds;
}

Result<sockaddr_un> unix_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return fail(ErrorCode::kInvalid, "socket path is longer than " +
                                         std::to_string(sizeof address.sun_path - 1) + " bytes: " + path +
                                         " (choose a shorter directory)");
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

}  // namespace

Result<void> send_setup(int socket, const SetupMessage& message) {
  CTDB_ASSERT(message.channels.size() <= kChannelsMax);
  Bytes body = encode(message);
  int fds[kFdsMax];
  size_t count = 0;
  for (const ChannelFds& channel : message.channels) {
    fds[count++] = channel.segment.get();
    fds[count++] = channel.own_bell.get();
    fds[count++] = channel.peer_bell.get();
  }
  if (message.descriptor.valid()) fds[count++] = message.descriptor.get();
  iovec part{body.data(), body.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof fds)] = {};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  if (count > 0) {
    header.msg_control = control;
    header.msg_controllen = CMSG_SPACE(count * sizeof(int));
    cmsghdr* c = CMSG_FIRSTHDR(&header);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(count * sizeof(int));
    std::memcpy(CMSG_DATA(c), fds, count * sizeof(int));
  }
  if (sendmsg(socket, &header, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0) return {};
  if (errno == EPIPE || errno == ECONNRESET) return fail(ErrorCode::kDisconnected, "set-up peer is gone");
  return fail_errno("sending a set-up message");
}

Result<std::optional<SetupMessage>> receive_setup(int socket) {
  uint8_t body[kSetupBytesMax];
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kFdsReceivedMax)];
  iovec part{body, sizeof body};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = sizeof control;
  const ssize_t got = recvmsg(socket, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (got < 0) {
    if (errno == EAGAIN || errno == EINTR) return std::optional<SetupMessage>();
    if (errno == ECONNRESET) return fail(ErrorCode::kDisconnected, "set-up peer is gone");
    return fail_errno("receiving a set-up message");
  }
  std::vector<UniqueFd> fds = take_descriptors(header);
  if (got == 0) return fail(ErrorCode::kDisconnected, "set-up peer is gone");
  const bool cut = (header.msg_flags & MSG_CTRUNC) != 0;
  if (cut && fds.size() < kFdsReceivedMax) {  // there was room for their numbers
    errno = EMFILE;
    return fail_errno("taking the descriptors of a set-up message");
  }
  if (cut || (header.msg_flags & MSG_TRUNC) != 0) {
    return fail(ErrorCode::kInvalid, "set-up message is too long");
  }
  Result<SetupMessage> message = decode({body, static_cast<size_t>(got)}, std::move(fds));
  if (!message) return fail(std::move(message.error()));
  return std::optional<SetupMessage>(std::move(*message));
}

Result<PeerCredentials> peer_credentials(int socket) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return fail_errno("SO_PEERCRED");
  return PeerCredentials{credentials.pid, credentials.uid, credentials.gid};
}

namespace {

TimeNs monotonic_now() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * kSecond + now.tv_nsec;
}

// For poll().
int left_ms(TimeNs deadline) {
  if (deadline == kNever) return -1;
  return static_cast<int>(
      std::max<TimeNs>(0, (deadline - monotonic_now() + kMillisecond - 1) / kMillisecond));
}

// A signal that the caller's program handles must not look like a failure: waits again for what is left.
Result<SetupMessage> wait_for_message(int socket, TimeNs deadline) {
  for (;;) {
    const int left = left_ms(deadline);
    pollfd waiting{socket, POLLIN, 0};
    const int ready = poll(&waiting, 1, left);
    if (ready < 0 && errno != EINTR) return fail_errno("poll");
    if (ready > 0) {
      Result<std::optional<SetupMessage>> message = receive_setup(socket);
      if (!message) return fail(std::move(message.error()));
      if (*message) return std::move(**message);
    }
    if (left == 0) return fail(ErrorCode::kTimeout, "the router did not answer the set-up request in time");
  }
}

Result<SetupMessage> wait_for_reply(int socket, TimeNs deadline) {
  Result<SetupMessage> message = wait_for_message(socket, deadline);
  if (!message) return message;
  if (message->kind == SetupKind::kRefused) return fail(ErrorCode::kRefused, "refused: " + message->text);
  if (message->kind != SetupKind::kReply) return fail(ErrorCode::kInvalid, "unexpected set-up message");
  return message;
}

// connect() on a unix socket waits while the other side's backlog is full; the send timeout bounds that. (0 would be no bound.)
Result<void> connect_within(int socket, const sockaddr_un& address, TimeNs deadline) {
  for (;;) {
    const int left = left_ms(deadline);
    const timeval limit{left / 1000, left == 0 ? 1 : left % 1000 * 1000L};
    if (left >= 0) setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return {};
    if (errno == EAGAIN || (errno == EINTR && left == 0))
      return fail(ErrorCode::kTimeout, "the router does not accept connections");
    if (errno != EINTR) return fail_errno("connecting");
  }
}

}  // namespace

Result<SetupConnection> connect_setup(const std::string& path, DaemonRole role, int timeout_ms) {
  Result<sockaddr_un> address = unix_address(path);
  if (!address) return fail(std::move(address.error()));
  UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return fail_errno("socket");
  const TimeNs deadline = timeout_ms < 0 ? kNever : monotonic_now() + timeout_ms * kMillisecond;
  if (Result<void> connected = connect_within(socket.get(), *address, deadline); !connected) {
    return fail(std::move(connected.error()).in(path));
  }
  SetupMessage request;
  request.kind = SetupKind::kRequest;
  request.role = role;
  if (role == DaemonRole::kClient) request.endpoint = kKeepsChannels;
  if (Result<void> sent = send_setup(socket.get(), request); !sent)
    return fail(std::move(sent.error()).in(path));
  Result<SetupMessage> reply = wait_for_reply(socket.get(), deadline);
  if (!reply) return fail(std::move(reply.error()).in(path));
  return SetupConnection{std::move(socket), std::move(*reply)};
}

Result<UniqueFd> connect_unix(const std::string& path) {
  Result<sockaddr_un> address = unix_address(path);
  if (!address) return fail(std::move(address.error()));
  UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.valid()) return fail_errno("socket");
  if (connect(socket.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0)
    return fail_errno("connecting to " + path);
  return socket;
}

namespace {

// Who called listen(). nullopt: nobody listens, or not on a socket of this type.
Result<std::optional<pid_t>> listener_of(const sockaddr_un& address, int type) {
  UniqueFd probe(::socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!probe.valid()) return fail_errno("socket");
  if (connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    Result<PeerCredentials> listener = peer_credentials(probe.get());
    return std::optional<pid_t>(listener ? listener->pid : 0);
  }
  // Its backlog is full; or we may not ask, and it is not ours to remove.
  if (errno == EAGAIN || errno == EACCES || errno == EPERM) return std::optional<pid_t>(0);
  return std::optional<pid_t>();
}

std::string taken_text(const std::string& path, pid_t pid) {
  const std::string name = process_name(pid);
  std::string remedy = "stop it first, or remove the socket if nothing listens on it";
  if (name == "ctdbd")
    remedy = "the classic daemon: end it with 'ctdb shutdown' or 'systemctl stop ctdb.service'";
  if (name == "systemd")
    remedy = "a socket unit: 'systemctl stop ctdb.target', or start this daemon as a unit";
  return path + " is taken by " + process_text(pid) + " (" + remedy + ")";
}

// Makes room for a new socket file; never removes anything that is not a dead socket.
Result<void> remove_dead_socket(const std::string& path) {
  struct stat status;
  if (lstat(path.c_str(), &status) != 0) return {};  // bind() says what else may be wrong
  if (!S_ISSOCK(status.st_mode)) {
    return fail(ErrorCode::kRefused, path + " exists and is not a socket (remove it or choose another path)");
  }
  if (Result<void> free = unix_path_free(path); !free) return free;
  if (unlink(path.c_str()) != 0 && errno != ENOENT) return fail_errno("removing the old socket " + path);
  return {};
}

}  // namespace

Result<void> unix_path_free(const std::string& path) {
  Result<sockaddr_un> address = unix_address(path);
  if (!address) return fail(std::move(address.error()));
  // A type that is not the listener's shows nothing of it.
  for (const int type : {SOCK_STREAM, SOCK_SEQPACKET, SOCK_DGRAM}) {
    Result<std::optional<pid_t>> listener = listener_of(*address, type);
    if (!listener) return fail(std::move(listener.error()));
    if (*listener) return fail(ErrorCode::kRefused, taken_text(path, **listener));
  }
  return {};
}

Result<UniqueFd> listen_unix(const std::string& path, int type, mode_t mode, int backlog) {
  Result<sockaddr_un> address = unix_address(path);
  if (!address) return fail(std::move(address.error()));
  if (Result<void> removed = remove_dead_socket(path); !removed) {
    return fail(std::move(removed.error()));
  }
  UniqueFd socket(::socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.valid()) return fail_errno("socket");
  const mode_t old_mask = umask(0777 & ~mode);
  const int bound = bind(socket.get(), reinterpret_cast<sockaddr*>(&*address), sizeof *address);
  umask(old_mask);
  if (bound != 0) return fail_errno("binding " + path);
  if (listen(socket.get(), backlog) != 0) return fail_errno("listening on " + path);
  return socket;
}

}  // namespace ctdb
