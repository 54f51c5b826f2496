// SPDX-License-Identifier: GPL-3.0-or-later
// Requests that wait on a record: calls of local clients, calls of other nodes, and records that have arrived but
// could not be stored yet. Items come out of a pool and keep their buffers, as long as these are not too large in all, so that nothing
// is allocated once the pool has been as large before.
//
// Invariant: an item is in one list, or with another node (Migration::sent_), or in the pool.
#ifndef CTDB_STORE_CORE_WAITING_H_
#define CTDB_STORE_CORE_WAITING_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "libctdbipc/base/bytes.h"
#include "libctdbipc/base/time.h"
#include "libctdbipc/wire/layout.h"

namespace ctdb {

// In the place of a client's endpoint: the store itself (Migration::hold_for()). Routers count from 1.
inline constexpr uint32_t kStoresOwn = 0xFFFFFFFFu;

// In the place of a serving epoch, when the change is lost. Those in which a node serves are odd.
inline constexpr uint64_t kNoEpoch = 0;

struct Waiting {
  enum class Kind : uint8_t {
    kLocalCall,
    kRemoteCall,
    kArrival,
    kPush,  // the data are to go to the nodes that hold copies; a client's call, or (endpoint 0) renewal
    kCopy,  // of another node's record, to be held here
    kReadOnlyCopy,  // the same, and local clients may read it until its owner says
    kRevoke,        // that they may not
    kRewrite,       // data replace what the record has
    kRan,  // a function has run, and its answer (status, data) waits for the copies; of a client, or (endpoint 0) of
           // `node`
  };
  // A local client waits for an answer.
  bool is_clients() const {
    return kind == Kind::kLocalCall || ((kind == Kind::kPush || kind == Kind::kRan) && endpoint != 0);
  }
  bool is_call() const { return kind == Kind::kLocalCall || kind == Kind::kRemoteCall; }
  // A call for which a read-only copy would do.
  bool only_reads() const { return is_call() && (call_flags & CTDB_CALL_WANT_READONLY) != 0; }
  // Waits for copies, with its `epoch`.
  bool is_push() const { return kind == Kind::kPush || kind == Kind::kRan; }
  Waiting* next = nullptr;
  Kind kind = Kind::kLocalCall;
  bool used = false;
  bool via_router = false;  // is_clients(): answered over the router, else over the client's own channel
  bool gone = false;        // is_clients(): the client has disconnected, nobody wants the answer
  uint32_t endpoint = 0;    // is_clients()
  uint32_t node = 0;        // kRemoteCall, kRan: who asks; kCopy, kReadOnlyCopy, kRevoke: the owner
  uint32_t reqid = 0;
  uint32_t call_flags = 0, callid = 0, hopcount = 0;  // calls
  TimeNs since = 0;                                   // calls: when it came
  uint64_t rsn = 0;                                   // kArrival, kCopy, kReadOnlyCopy
  uint32_t record_flags = 0;                          // the same
  uint64_t epoch = 0;                                 // kPush, kRan: in which the record was changed
  int32_t status = 0;                                 // kRan
  bool moves = false;                                 // kRan: and then the record goes to `node`
  size_t charged = 0;                                 // is_clients(): bytes that count as the client's
  Bytes data;                                         // call data, or the arrived record's data
};

class WaitingList {
 public:
  bool empty() const { return head_ == nullptr; }
  Waiting* front() const { return head_; }
  size_t size() const {
    size_t count = 0;
    for (const Waiting* item = head_; item != nullptr; item = item->next) ++count;
    return count;
  }
  void push(Waiting* item) {
    item->next = nullptr;
    (head_ == nullptr ? head_ : tail_->next) = item;
    tail_ = item;
  }
  Waiting* pop() {
    Waiting* item = head_;
    head_ = item->next;
    if (head_ == nullptr) tail_ = nullptr;
    return item;
  }
  // Puts everything in `other` in front of what is here; `other` is empty afterwards.
  void take_in_front(WaitingList& other) {
    if (other.empty()) return;
    other.tail_->next = head_;
    if (tail_ == nullptr) tail_ = other.tail_;
    head_ = other.head_;
    other.head_ = other.tail_ = nullptr;
  }
  // Those of which which(item) says so come before all others. false: there are none.
  template <typename Which>
  bool bring_forward(Which which) {
    WaitingList first, others;
    while (!empty()) {
      Waiting* item = pop();
      (which(*item) ? first : others).push(item);
    }
    const bool any = !first.empty();
    others.take_in_front(first);
    *this = others;
    return any;
  }

 private:
  Waiting* head_ = nullptr;
  Waiting* tail_ = nullptr;
};

class WaitingPool {
 public:
  Waiting* take() {
    if (free_.empty()) {
      all_.push_back(std::make_unique<Waiting>());
      free_.reserve(all_.capacity());
      free_.push_back(all_.back().get());
    }
    Waiting* item = free_.back();
    free_.pop_back();
    bytes_kept_ -= item->data.capacity();
    item->used = true;
    item->gone = false;
    item->next = nullptr;
    return item;
  }
  void give_back(Waiting* item) {
    item->used = false;
    // A burst of large records, or of very many, must not keep its memory for ever.
    if (bytes_kept_ + item->data.capacity() > kBytesKeptMax) Bytes().swap(item->data);
    bytes_kept_ += item->data.capacity();
    free_.push_back(item);
  }
  template <typename Visit>
  void for_each_used(Visit visit) {
    for (const std::unique_ptr<Waiting>& item : all_) {
      if (item->used) visit(*item);
    }
  }

 private:
  static constexpr size_t kBytesKeptMax = 4u << 20;
  size_t bytes_kept_ = 0;  // by items that are free
  std::vector<std::unique_ptr<Waiting>> all_;
  std::vector<Waiting*> free_;
};

}  // namespace ctdb

#endif  // CTDB_STORE_CORE_WAITING_H_
