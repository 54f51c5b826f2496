// SPDX-License-Identifier: LGPL-3.0-or-later
// What joins a client to its node: the set-up connection, a channel to the router and one to the store, and
// one epoll descriptor over their door-bells that the program watches. Used by ctdb_client only.
//
// Invariant: outside of library calls every channel is armed, or the descriptor is ready (settle() sees to
// it). So a program that sleeps on the descriptor misses nothing, and one that is awake costs the daemons no
// system call.
#ifndef LIBCTDBIPC_CLIENT_LINK_H_
#define LIBCTDBIPC_CLIENT_LINK_H_

#include <array>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "libctdbipc/base/bytes.h"
#include "libctdbipc/base/result.h"
#include "libctdbipc/base/this_thread.h"
#include "libctdbipc/base/unique_fd.h"
#include "libctdbipc/client/requests.h"
#include "libctdbipc/ring/channel.h"
#include "libctdbipc/ring/node_page.h"
#include "libctdbipc/ring/recent_time.h"

namespace ctdb {

class Link {
 public:
  ~Link();

  // Makes the descriptors that last as long as the client. Errors: kSystem.
  Result<void> prepare();
  // Errors: those of connect_setup() and Channel::open().
  Result<void> connect(const std::string& path, int timeout_ms);
  // Drops channels and set-up connection; text() keeps why.
  void disconnect(std::string why);
  // In a forked child: frees the copies and leaves what is shared with the parent alone.
  void abandon();

  // There are no daemons, and never will be: files of a directory (ctdb_connect_local()). After prepare().
  void work_locally() { local_ = true; }
  bool local() const { return local_; }

  bool up() const { return local_ || setup_.valid(); }
  int fd() const { return epoll_.get(); }
  uint32_t pnn() const { return pnn_; }
  // This node may serve now: what a record's header says under the chain lock is true. No system call. A page is kept when
  // the connection is lost: records that are locked then may still be written while it says so.
  bool may_use_records() { return local_ || (page_ != nullptr && page_->may_use(clock_.not_later_than())); }
  uint64_t serving_epoch() const { return page_ == nullptr ? 0 : page_->serving_epoch(); }
  // Notes for the store, should this process be killed (ring_layout.h, DeathNotes).
  void note_lock() {
    if (Channel* store = channel(Peer::kStore); store != nullptr)
      store->notes().lock_word.store(this_thread(), std::memory_order_relaxed);
  }
  void note_change_of(uint32_t db_id) {
    if (Channel* store = channel(Peer::kStore); store != nullptr) store->notes().changing_db = db_id;
  }
  const std::string& why_down() const { return why_down_; }

  // kFull: the queue behind the ring is full too. Without a store a packet for it is not sent at all (kOk):
  // the requests table has it and resends it when there is one.
  PushResult send(Peer peer, ByteView packet);
  // Where in the router's ring a packet will be that finds room there now. `on_control` tells of a control that does not (kNotYet), and of
  // its place when it does.
  static constexpr uint64_t kNotYet = ~uint64_t{0};
  uint64_t router_position() const;
  std::function<void(uint32_t reqid, uint64_t position)> on_control;
  // To a daemon that was restarted: what was accepted once is not refused now, however much it is.
  void resend(Peer peer, ByteView packet);
  // Moves queued packets into the rings and rings the bells that have to be rung.
  void flush();
  bool all_handed_over() const;
  bool has(Peer peer) const { return channel(peer) != nullptr; }
  // The next frame; a loan until the next pop. nullopt: none, or the channel broke its rules (see fault()).
  std::optional<ByteView> pop(Peer peer);
  // "" while the channels keep their rules.
  const char* fault() const;
  // False: there is something to pop (or a fault). True: the next frame will ring.
  bool arm(Peer peer);
  void disarm(Peer peer);

  // Sleeps until a bell rings, the set-up connection has news, or the time is over (-1: never). True: look at
  // setup_news().
  bool sleep(int timeout_ms);
  enum class News : uint8_t { kNone, kStoreReplaced, kRouterReplaced, kLost };
  // kStoreReplaced: pop what is left of the old store channel, then call adopt_store(). kRouterReplaced: pop what the
  // dead router had written, see replaced() then. kLost: disconnect() was done.
  News setup_news();
  struct Replaced {
    uint64_t read = 0;  // the dead router has had the packets that begin before this position of its ring
    bool registered = false;
  };
  const Replaced& replaced() const { return replaced_; }
  void adopt_store();

  // Makes the descriptor ready once at that time, and not at one that was said before; needs make_clock(). Errors: kSystem.
  Result<void> make_clock();
  void wake_at(int64_t monotonic_ns);
  // Makes the descriptor ready though no bell rang, and takes that back.
  void kick();
  void unkick();

 private:
  static constexpr size_t kPeers = 2;
  struct Queue {
    std::deque<Bytes> packets;
    size_t bytes = 0;
  };

  Channel* channel(Peer peer) const { return channels_[static_cast<size_t>(peer)].get(); }
  Result<void> watch(int fd, uint32_t events);
  void unwatch(int fd);
  void drop_channel(size_t index);
  void empty_queue(size_t index);
  void enqueue(Peer peer, ByteView packet);
  void tell_of_control(size_t index, ByteView packet, uint64_t position) const;

  UniqueFd epoll_;
  UniqueFd kick_;
  UniqueFd clock_fd_;  // none without timers
  UniqueFd setup_;
  std::array<std::unique_ptr<Channel>, kPeers> channels_;
  std::array<Queue, kPeers> queues_;
  std::unique_ptr<Channel> next_store_;
  Replaced replaced_;
  uint32_t pnn_ = 0;
  std::unique_ptr<NodePage> page_;
  RecentTime clock_;
  bool kicked_ = false;
  bool local_ = false;
  std::string why_down_ = "not connected";
};

}  // namespace ctdb

#endif  // LIBCTDBIPC_CLIENT_LINK_H_
