// SPDX-License-Identifier: LGPL-3.0-or-later
// The seam under a stream link: plain TCP today; TLS slides in here without the link noticing.
#ifndef LIBCTDBIPC_RUNTIME_BYTE_STREAM_H_
#define LIBCTDBIPC_RUNTIME_BYTE_STREAM_H_

#include <sys/uio.h>

#include <cerrno>
#include <cstddef>

#include "libctdbipc/base/bytes.h"
#include "libctdbipc/base/unique_fd.h"

namespace ctdb {

class ByteStream {
 public:
  virtual ~ByteStream() = default;
  // Like read(2)/writev(2) on a non-blocking descriptor: bytes done, 0 = end (read), -1 with errno.
  virtual ssize_t read(MutableBytes room) = 0;
  virtual ssize_t write(const iovec* parts, int count) = 0;
  virtual int fd() const = 0;
  // Gives the descriptor away. A stream with state of its own (TLS) cannot: the result is then not valid.
  virtual UniqueFd release() = 0;
};

class PlainStream : public ByteStream {
 public:
  explicit PlainStream(UniqueFd fd) : fd_(std::move(fd)) {}
  ssize_t read(MutableBytes room) override { return ::read(fd_.get(), room.data(), room.size()); }
  ssize_t write(const iovec* parts, int count) override { return ::writev(fd_.get(), parts, count); }
  int fd() const override { return fd_.get(); }
  UniqueFd release() override { return std::move(fd_); }

 private:
  UniqueFd fd_;
};

}  // namespace ctdb

#endif  // LIBCTDBIPC_RUNTIME_BYTE_STREAM_H_
