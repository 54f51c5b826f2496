// SPDX-License-Identifier: GPL-3.0-or-later
// One datagram on the set-up socket. Input: u8 number of descriptors that come with it, then its bytes.
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>

#include "libctdbipc/runtime/setup_socket.h"
#include "tests/fuzz/fuzz_input.h"

namespace {

constexpr size_t kFdsMax = 70;  // more than a receiver makes room for

void send_datagram(int socket, ctdb::ByteView bytes, size_t descriptors) {
  static const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
  ctdb::Bytes body = ctdb::to_bytes(bytes);
  iovec part{body.data(), body.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(kFdsMax * sizeof(int))] = {};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  if (descriptors > 0) {
    header.msg_control = control;
    header.msg_controllen = CMSG_SPACE(descriptors * sizeof(int));
    cmsghdr* c = CMSG_FIRSTHDR(&header);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(descriptors * sizeof(int));
    for (size_t i = 0; i < descriptors; ++i) std::memcpy(CMSG_DATA(c) + i * sizeof(int), &null, sizeof null);
  }
  FUZZ_CHECK(sendmsg(socket, &header, MSG_NOSIGNAL) >= 0);
}

// The lowest free descriptor number: a leak moves it.
int lowest_free() {
  const int fd = dup(0);
  close(fd);
  return fd;
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ctdb::Reader input({data, size});
  const size_t descriptors = input.u8() % (kFdsMax + 1);
  const ctdb::ByteView body = input.bytes(input.left());
  int fds[2];
  FUZZ_CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) == 0);
  const ctdb::UniqueFd sender(fds[0]);
  const ctdb::UniqueFd receiver(fds[1]);
  if (body.size() > 100000) return 0;
  send_datagram(sender.get(), body, descriptors);
  const int before = lowest_free();
  {
    const auto message = ctdb::receive_setup(receiver.get());
    if (message && *message) {
      const size_t single = (*message)->descriptor.valid() ? 1 : 0;
      FUZZ_CHECK((*message)->channels.size() * 3 + single == descriptors);
      FUZZ_CHECK((*message)->text.size() <= body.size());
    }
  }
  FUZZ_CHECK(lowest_free() == before);
  return 0;
}
