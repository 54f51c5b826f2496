// SPDX-License-Identifier: GPL-3.0-or-later
// The rules of byte-range locks, row by row of the table in ctdb_brlock.h, and the POSIX ones against a model that has an owner per byte.
#include "libctdbshare/brlock/ranges.h"

#include <gtest/gtest.h>

#include <map>

#include "libctdbipc/base/random.h"

namespace ctdb_share {
namespace {

constexpr LockType kRead = LockType::kRead, kWrite = LockType::kWrite;
constexpr ServerId kServer = {1, 100, 7};

Lock lock_of(Flavour flavour, uint64_t context, uint64_t handle, LockType type, uint64_t start,
             uint64_t size) {
  return {kServer, context, handle, start, size, type, flavour};
}
Lock windows(uint64_t context, uint64_t handle, LockType type, uint64_t start, uint64_t size) {
  return lock_of(Flavour::kWindows, context, handle, type, start, size);
}
Lock posix(uint64_t context, LockType type, uint64_t start, uint64_t size, uint64_t handle = 0) {
  return lock_of(Flavour::kPosix, context, handle, type, start, size);
}
Lock of_another_process(Lock lock) {
  ++lock.server.unique;
  return lock;
}

TEST(Ranges, AWindowsOwnerIsContextAndHandle) {
  const Lock write = windows(1, 1, kWrite, 0, 10), read = windows(1, 1, kRead, 0, 10);
  EXPECT_TRUE(conflicts(write, write)) << "also with itself";
  EXPECT_TRUE(conflicts(read, write));
  EXPECT_FALSE(conflicts(write, read)) << "a read lock is stacked on the own write lock";
  EXPECT_TRUE(conflicts(write, windows(1, 2, kRead, 0, 10))) << "another handle";
  EXPECT_TRUE(conflicts(write, windows(2, 1, kRead, 0, 10))) << "another context";
  EXPECT_TRUE(conflicts(write, of_another_process(read)));
}

TEST(Ranges, APosixOwnerIsTheContext) {
  EXPECT_FALSE(conflicts(posix(1, kWrite, 0, 10, 1), posix(1, kWrite, 5, 10, 2)));
  EXPECT_TRUE(conflicts(posix(1, kWrite, 0, 10), posix(2, kRead, 5, 10)));
  EXPECT_TRUE(conflicts(posix(1, kRead, 0, 10), posix(2, kWrite, 5, 10)));
  EXPECT_TRUE(conflicts(posix(1, kWrite, 0, 10), of_another_process(posix(1, kRead, 0, 10))));
}

TEST(Ranges, FlavoursAreOwnersOfTheirOwn) {
  EXPECT_TRUE(conflicts(posix(1, kWrite, 0, 10, 1), windows(1, 1, kRead, 0, 10)));
  EXPECT_TRUE(conflicts(windows(1, 1, kWrite, 0, 10), posix(1, kWrite, 0, 10, 1)));
}

TEST(Ranges, TwoReadLocksNeverConflict) {
  for (const Lock& held : {windows(1, 1, kRead, 0, 10), posix(1, kRead, 0, 10)}) {
    for (const Lock& wanted : {windows(2, 1, kRead, 0, 10), posix(2, kRead, 0, 10)})
      EXPECT_FALSE(conflicts(held, wanted));
  }
}

TEST(Ranges, NeighboursDoNotConflict) {
  EXPECT_FALSE(conflicts(windows(1, 1, kWrite, 0, 10), windows(2, 1, kWrite, 10, 10)));
  EXPECT_TRUE(conflicts(windows(1, 1, kWrite, 0, 10), windows(2, 1, kWrite, 9, 10)));
  EXPECT_TRUE(conflicts(windows(1, 1, kWrite, 0, UINT64_MAX), windows(2, 1, kWrite, UINT64_MAX - 1, 2)));
  EXPECT_FALSE(conflicts(windows(1, 1, kWrite, 0, UINT64_MAX), windows(2, 1, kWrite, UINT64_MAX, 1)));
}

TEST(Ranges, AZeroLengthLockConflictsStrictlyInside) {
  const Lock held = windows(1, 1, kWrite, 10, 10);
  for (const auto& [at, expected] :
       std::map<uint64_t, bool>{{9, false}, {10, false}, {11, true}, {19, true}, {20, false}}) {
    EXPECT_EQ(conflicts(held, windows(2, 1, kWrite, at, 0)), expected) << at;
    EXPECT_EQ(conflicts(windows(2, 1, kWrite, at, 0), held), expected) << at;
  }
  EXPECT_FALSE(conflicts(windows(1, 1, kWrite, 5, 0), windows(2, 1, kWrite, 5, 0)));
  EXPECT_FALSE(conflicts(windows(1, 1, kWrite, 0, UINT64_MAX), windows(2, 1, kWrite, 0, 0)));
  EXPECT_TRUE(valid(windows(1, 1, kWrite, 0, 0)));
  EXPECT_FALSE(valid(posix(1, kWrite, 0, 0)));
}

TEST(Ranges, RangesThatWrapAreRefused) {
  EXPECT_TRUE(valid(windows(1, 1, kRead, UINT64_MAX, 1)));
  EXPECT_FALSE(valid(windows(1, 1, kRead, UINT64_MAX, 2)));
  EXPECT_TRUE(valid(posix(1, kRead, 1, UINT64_MAX)));
  EXPECT_FALSE(valid(posix(1, kRead, 2, UINT64_MAX)));
}

TEST(Ranges, AWindowsUnlockMatchesExactly) {
  Locks locks = {windows(1, 1, kWrite, 0, 10), windows(1, 1, kRead, 0, 10)};
  for (const Lock& other :
       {windows(1, 1, kWrite, 0, 9), windows(1, 1, kWrite, 1, 10), windows(1, 2, kWrite, 0, 10),
        windows(2, 1, kWrite, 0, 10), of_another_process(locks[0])}) {
    EXPECT_FALSE(remove(locks, other));
  }
  EXPECT_TRUE(remove(locks, windows(1, 1, kRead, 0, 10)));
  EXPECT_EQ(locks, Locks{windows(1, 1, kRead, 0, 10)}) << "the write lock goes first";
  EXPECT_TRUE(remove(locks, windows(1, 1, kRead, 0, 10)));
  EXPECT_FALSE(remove(locks, windows(1, 1, kRead, 0, 10)));
}

TEST(Ranges, WindowsLocksAreNeitherSplitNorJoined) {
  Locks locks;
  add(locks, windows(1, 1, kRead, 0, 10));
  add(locks, windows(1, 1, kRead, 10, 10));
  add(locks, windows(1, 1, kRead, 5, 10));
  EXPECT_EQ(locks.size(), 3u);
}

TEST(Ranges, PosixLocksAreSplitAndJoined) {
  Locks locks;
  add(locks, posix(1, kWrite, 0, 30));
  add(locks, posix(1, kRead, 10, 10));
  EXPECT_EQ(locks, (Locks{posix(1, kWrite, 0, 10), posix(1, kWrite, 20, 10), posix(1, kRead, 10, 10)}));
  add(locks, posix(1, kWrite, 10, 10));
  EXPECT_EQ(locks, Locks{posix(1, kWrite, 0, 30)});
  EXPECT_TRUE(remove(locks, posix(1, kRead, 29, 100)));
  EXPECT_TRUE(remove(locks, posix(1, kRead, 3, 1)));
  EXPECT_EQ(locks, (Locks{posix(1, kWrite, 0, 3), posix(1, kWrite, 4, 25)}));
  EXPECT_TRUE(remove(locks, posix(2, kRead, 0, 100))) << "nothing of this owner: no fault";
  EXPECT_EQ(locks.size(), 2u);
}

TEST(Ranges, ALockOfAllBytesStaysInTwoParts) {
  Locks locks;
  add(locks, posix(1, kWrite, 0, UINT64_MAX));
  add(locks, posix(1, kWrite, UINT64_MAX, 1));
  EXPECT_EQ(locks.size(), 2u);
  add(locks, posix(1, kWrite, 1, UINT64_MAX));
  for (const Lock& lock : locks) EXPECT_TRUE(valid(lock));
  EXPECT_NE(first_conflict(locks, posix(2, kRead, 0, 1)), nullptr);
  EXPECT_NE(first_conflict(locks, posix(2, kRead, UINT64_MAX, 1)), nullptr);
  EXPECT_TRUE(remove(locks, posix(1, kRead, 0, UINT64_MAX)));
  EXPECT_EQ(locks, Locks{posix(1, kWrite, UINT64_MAX, 1)});
}

TEST(Ranges, ReadingAndWritingAreHeldUpByWindowsLocks) {
  const Locks write = {windows(1, 1, kWrite, 0, 10)}, read = {windows(1, 1, kRead, 0, 10)};
  EXPECT_EQ(first_io_conflict(write, windows(1, 1, kRead, 0, 10)), nullptr);
  EXPECT_EQ(first_io_conflict(write, windows(1, 1, kWrite, 0, 10)), nullptr);
  EXPECT_EQ(first_io_conflict(write, windows(1, 2, kRead, 0, 10)), &write[0]) << "another handle";
  EXPECT_EQ(first_io_conflict(read, windows(1, 2, kRead, 0, 10)), nullptr);
  EXPECT_EQ(first_io_conflict(read, windows(1, 2, kWrite, 9, 10)), &read[0]);
  EXPECT_EQ(first_io_conflict(read, windows(1, 1, kWrite, 9, 10)), &read[0]) << "the own read lock";
  EXPECT_EQ(first_io_conflict(read, windows(1, 1, kWrite, 10, 10)), nullptr);
  EXPECT_EQ(first_io_conflict({posix(1, kWrite, 0, 10)}, windows(2, 1, kWrite, 0, 10)), nullptr)
      << "advisory";
  EXPECT_EQ(first_io_conflict(write, windows(2, 1, kWrite, 5, 0)), nullptr) << "no bytes";
}

TEST(Ranges, AClosedHandleTakesItsLocksAlong) {
  const Lock others = windows(1, 2, kRead, 0, 1), strangers = of_another_process(posix(1, kRead, 0, 1));
  Locks locks = {windows(1, 1, kRead, 0, 1), others, posix(1, kRead, 0, 1, 5), posix(2, kRead, 0, 1, 1),
                 strangers};
  EXPECT_EQ(remove_handle(locks, kServer, 1, 1), 2u);
  EXPECT_EQ(locks, (Locks{others, posix(2, kRead, 0, 1, 1), strangers}));
}

// Who has locked each byte, and how.
class Model {
 public:
  bool may_lock(const Lock& wanted) const {
    for (uint64_t byte = wanted.start; byte < wanted.start + wanted.size; ++byte) {
      const auto here = bytes_.find(byte);
      if (here == bytes_.end()) continue;
      for (const auto& [context, type] : here->second) {
        if (context != wanted.context && (type == kWrite || wanted.type == kWrite)) return false;
      }
    }
    return true;
  }
  void lock(const Lock& wanted) {
    each(wanted, [&](auto& here) { here[wanted.context] = wanted.type; });
  }
  void unlock(const Lock& wanted) {
    each(wanted, [&](auto& here) { here.erase(wanted.context); });
  }
  bool is(const Locks& locks) const {
    std::map<uint64_t, Here> theirs;
    for (const Lock& lock : locks) {
      for (uint64_t byte = lock.start; byte < lock.start + lock.size; ++byte) {
        if (!theirs[byte].emplace(lock.context, lock.type).second) return false;  // twice
      }
    }
    std::erase_if(theirs, [](const auto& here) { return here.second.empty(); });
    return theirs == bytes_;
  }

 private:
  using Here = std::map<uint64_t, LockType>;  // by context
  template <typename F>
  void each(const Lock& range, F&& body) {
    for (uint64_t byte = range.start; byte < range.start + range.size; ++byte) body(bytes_[byte]);
    std::erase_if(bytes_, [](const auto& here) { return here.second.empty(); });
  }
  std::map<uint64_t, Here> bytes_;
};

// Joined: what could be one entry is one.
bool joined(const Locks& locks) {
  for (const Lock& a : locks) {
    for (const Lock& b : locks) {
      if (a.context == b.context && a.type == b.type && a.start + a.size == b.start) return false;
    }
  }
  return true;
}

TEST(Ranges, PosixLocksAreWhatAModelOfBytesSays) {
  constexpr uint64_t kBytes = 40, kContexts = 3;
  ctdb::Random random(20260501);
  Model model;
  Locks locks;
  int granted = 0, refused = 0;
  for (int step = 0; step < 5000; ++step) {
    const uint64_t start = random.below(kBytes);
    const Lock range = posix(random.below(kContexts), random.one_in(2) ? kWrite : kRead, start,
                             1 + random.below(kBytes - start), random.below(4));
    const size_t before = locks.size();
    if (random.one_in(3)) {
      remove(locks, range);
      model.unlock(range);
      ASSERT_LE(locks.size(), before + 1) << "step " << step;
    } else {
      const bool may = first_conflict(locks, range) == nullptr;
      ASSERT_EQ(may, model.may_lock(range)) << "step " << step;
      ++(may ? granted : refused);
      if (!may) continue;
      add(locks, range);
      model.lock(range);
      ASSERT_LE(locks.size(), before + 2) << "step " << step;
    }
    ASSERT_TRUE(model.is(locks)) << "step " << step;
    ASSERT_TRUE(joined(locks)) << "step " << step;
  }
  EXPECT_GT(granted, 500);
  EXPECT_GT(refused, 500);
}

}  // namespace
}  // namespace ctdb_share
