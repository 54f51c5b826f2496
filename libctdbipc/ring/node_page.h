// SPDX-License-Identifier: LGPL-3.0-or-later
// The node page: what must be known about a node's right to serve while any of its daemons may be dead or stopped
// (ARCHITECTURE.md §5, "Fencing"). One file in the run directory, mapped by recoveryd, store and keeper, and read-only by
// native clients. It survives restarts of every daemon; a new start of the machine empties it.
//
// Invariants:
//  1. Every word has one writer at a time: `serve_until` recoveryd (a keeper that goes on duty may set it to 0); `serving_epoch`, `prepared`
//     and `store_beat` the store;
//     `fence_begun`, `fence_done` and the keeper's lock the keeper.
//  2. All zeros means: this node does not serve.
//  3. A file of this node may say dmaster = self only while `serving_epoch` is odd and differs from `fence_done`.
//  4. The keeper holds its lock while it is on duty. When it dies the kernel marks the lock before it closes any of the
//     keeper's sockets, so whoever hears of the death through a socket knows that clients see it too.
#ifndef LIBCTDBIPC_RING_NODE_PAGE_H_
#define LIBCTDBIPC_RING_NODE_PAGE_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "libctdbipc/base/result.h"
#include "libctdbipc/base/time.h"
#include "libctdbipc/base/unique_fd.h"

namespace ctdb {

// The page as it lies in the file.
struct NodePageWords {
  std::atomic<uint64_t> magic;  // 0: never opened
  std::atomic<uint64_t> boot;   // the machine's start it is valid for
  // A robust mutex of the C library between processes. Its first word is the futex: the holder's thread id, and a bit
  // that the kernel sets when the holder dies.
  alignas(64) unsigned char keeper_lock[64];
  std::atomic<uint32_t> keeper_pid;
  std::atomic<uint32_t> duty_router;  // which life of the router the keeper on duty has its wires from
  alignas(64) std::atomic<int64_t> serve_until;  // CLOCK_BOOTTIME; the lease. 0: revoked
  std::atomic<uint64_t> serving_epoch;           // odd: the store serves, or left files that say so
  std::atomic<uint64_t> fence_begun;  // the epoch that the keeper is ending, before it touches a file
  std::atomic<uint64_t> fence_done;   // and when no file says dmaster = self any more
  std::atomic<int64_t> store_beat;    // when the store's loop was last seen turning
  std::atomic<uint64_t> prepared;     // a generation, and kEmptyHanded; 0: none
};

class NodePage {
 public:
  static constexpr size_t kBytes = 4096;

  // For the daemons: opens the file, makes it if there is none, empties it if it is from an earlier start of the machine.
  // Errors: kInvalid (wrong size or contents; the text says what to do), kSystem.
  static Result<std::unique_ptr<NodePage>> open(const std::string& path);
  // For clients: `fd` is one of reader_fd(). Errors as above.
  static Result<std::unique_ptr<NodePage>> map_reader(int fd);
  // One that is no file: for simulator and tests.
  static Result<std::unique_ptr<NodePage>> in_memory();
  // A descriptor that can only be read, to be handed to clients.
  static Result<UniqueFd> reader_fd(const std::string& path);

  ~NodePage();
  NodePage(const NodePage&) = delete;
  NodePage& operator=(const NodePage&) = delete;

  // ---- everybody ----
  TimeNs serve_until() const { return words_->serve_until.load(std::memory_order_acquire); }
  // The keeper is on duty: it is alive and will fence this node's files when the lease ends.
  bool keeper_on_duty() const {
    const uint32_t word = keeper_word().load(std::memory_order_acquire);
    return (word & kOwnerMask) != 0 && (word & kOwnerDied) == 0;
  }
  // A client that holds a chain lock may believe the record's header.
  bool may_use(TimeNs now) const { return keeper_on_duty() && now < serve_until(); }
  // No file of this node says dmaster = self (invariant 3).
  bool records_taken() const {
    const uint64_t epoch = words_->serving_epoch.load(std::memory_order_acquire);
    return epoch % 2 == 0 || words_->fence_done.load(std::memory_order_acquire) == epoch;
  }
  TimeNs store_beat() const { return words_->store_beat.load(std::memory_order_relaxed); }
  uint64_t serving_epoch() const { return words_->serving_epoch.load(std::memory_order_acquire); }
  uint64_t fence_begun() const { return words_->fence_begun.load(std::memory_order_acquire); }
  // The keeper is at it: who has no chain lock yet gets none.
  bool being_fenced() const { return keeper_on_duty() && fence_begun() == serving_epoch(); }
  // The keeper is at it, or died in the middle.
  bool fence_unfinished() const {
    return fence_begun() != words_->fence_done.load(std::memory_order_acquire);
  }
  uint32_t keeper_pid() const { return words_->keeper_pid.load(std::memory_order_relaxed); }

  // ---- recoveryd ----
  void set_serve_until(TimeNs when) { words_->serve_until.store(when, std::memory_order_release); }
  // false: it was not `before` any more, and stays as it is: the keeper has taken the lease back.
  bool change_serve_until(TimeNs before, TimeNs when) {
    int64_t expected = before;
    return words_->serve_until.compare_exchange_strong(expected, when, std::memory_order_acq_rel);
  }

  // ---- the store ----
  // true: from now on files may say dmaster = self. false: none does any more. `known_fence`: the newest fence the store has
  // obeyed, and so taken its records away itself. Only that one's epoch may be followed by another: the keeper leaves the
  // files alone when it finds a newer epoch than the one it is ending.
  void set_serving(bool on, uint64_t known_fence);
  void set_prepared(uint32_t generation, bool empty_handed) {
    words_->prepared.store(generation | (empty_handed ? kEmptyHanded : 0), std::memory_order_release);
  }
  // The newest generation that a store of this node was prepared for; 0: none. Its files are valid for it if they are taken up
  // as they are. `empty_handed`: the store had discarded its records before, and has not been open since.
  struct Prepared {
    uint32_t generation = 0;
    bool empty_handed = false;
  };
  Prepared prepared() const {
    const uint64_t word = words_->prepared.load(std::memory_order_acquire);
    return {static_cast<uint32_t>(word), (word & kEmptyHanded) != 0};
  }
  void beat(TimeNs now) { words_->store_beat.store(now, std::memory_order_relaxed); }

  // ---- the keeper ----
  // false: another process holds it.
  bool take_keeper_lock();
  // It has all wires of this life of the router and goes, or is, on duty. A keeper that goes on duty beside another router than
  // its predecessor's takes the lease back first: router and keeper were both dead, others may have seen that and gone on.
  // false: another process is on duty.
  bool enter_duty(uint32_t router, bool on_duty);
  void release_keeper_lock();
  void begin_fence(uint64_t epoch) { words_->fence_begun.store(epoch, std::memory_order_seq_cst); }
  void end_fence(uint64_t epoch) { words_->fence_done.store(epoch, std::memory_order_release); }

 private:
  static constexpr uint32_t kOwnerMask = 0x3fffffff;  // FUTEX_TID_MASK
  static constexpr uint32_t kOwnerDied = 0x40000000;  // FUTEX_OWNER_DIED
  static constexpr uint64_t kEmptyHanded = uint64_t{1} << 32;

  explicit NodePage(NodePageWords* words) : words_(words) {}
  static Result<std::unique_ptr<NodePage>> map(int fd, int protection);
  const std::atomic<uint32_t>& keeper_word() const {
    return *reinterpret_cast<const std::atomic<uint32_t>*>(words_->keeper_lock);
  }
  Result<void> make_valid_for(uint64_t boot);

  NodePageWords* words_;
  bool has_lock_ = false;
};

}  // namespace ctdb

#endif  // LIBCTDBIPC_RING_NODE_PAGE_H_
