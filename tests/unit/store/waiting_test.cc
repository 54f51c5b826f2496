// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-store/core/waiting.h"

#include <gtest/gtest.h>
#include <malloc.h>

namespace ctdb {
namespace {

// Under a sanitizer nothing is counted here.
size_t bytes_in_use() {
  const struct mallinfo2 now = mallinfo2();
  return now.uordblks + now.hblkhd;
}

void burst(WaitingPool& pool, size_t items, size_t bytes) {
  std::vector<Waiting*> taken(items);
  for (Waiting*& item : taken) {
    item = pool.take();
    item->data.assign(bytes, 1);
  }
  for (Waiting* item : taken) pool.give_back(item);
}

TEST(WaitingPoolTest, ABurstOfManyItemsDoesNotKeepItsMemory) {
  WaitingPool pool;
  burst(pool, 2000, 1);
  const size_t before = bytes_in_use();
  for (int i = 0; i < 3; ++i) burst(pool, 2000, 60u << 10);
  EXPECT_LT(bytes_in_use(), before + (8u << 20));
}

TEST(WaitingPoolTest, NorDoesALargeOne) {
  WaitingPool pool;
  const size_t before = bytes_in_use();
  burst(pool, 1, 15u << 20);
  EXPECT_LT(bytes_in_use(), before + (1u << 20));
}

TEST(WaitingPoolTest, WhatIsUsualIsNotAllocatedAgain) {
  WaitingPool pool;
  burst(pool, 100, 4096);
  Waiting* item = pool.take();
  EXPECT_GE(item->data.capacity(), 4096u);
  pool.give_back(item);
}

}  // namespace
}  // namespace ctdb
