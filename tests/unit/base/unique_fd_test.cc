// SPDX-License-Identifier: GPL-3.0-or-later
#include "libctdbipc/base/unique_fd.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <utility>

namespace ctdb {
namespace {

bool is_open(int fd) {
  return fcntl(fd, F_GETFD) >= 0;
}
int open_null() {
  return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

TEST(UniqueFd, ClosesAtItsEnd) {
  int fd;
  {
    const UniqueFd owner(open_null());
    fd = owner.get();
    EXPECT_TRUE(is_open(fd));
  }
  EXPECT_FALSE(is_open(fd));
}

TEST(UniqueFd, MovingHandsTheDescriptorOver) {
  UniqueFd first(open_null());
  const int fd = first.get();
  UniqueFd second(std::move(first));
  EXPECT_FALSE(first.valid());
  EXPECT_EQ(second.get(), fd);
  UniqueFd third(open_null());
  const int replaced = third.get();
  third = std::move(second);
  EXPECT_EQ(third.get(), fd);
  EXPECT_FALSE(is_open(replaced));
  UniqueFd& self = third;
  third = std::move(self);
  EXPECT_TRUE(is_open(fd));
}

TEST(UniqueFd, ReleaseGivesUpOwnership) {
  int fd;
  {
    UniqueFd owner(open_null());
    fd = owner.release();
    EXPECT_FALSE(owner.valid());
  }
  EXPECT_TRUE(is_open(fd));
  UniqueFd again(fd);
  again.reset();
  EXPECT_FALSE(is_open(fd));
}

}  // namespace
}  // namespace ctdb
