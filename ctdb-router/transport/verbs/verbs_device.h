// SPDX-License-Identifier: GPL-3.0-or-later
// The one device a router uses, in its loop: completion queue, shared receive queue and registered memory for all links, and
// their queue pairs. It knows nothing of what chunks say. ARCHITECTURE.md §3 "Verbs".
//
// Invariants:
//  1. Receive buffers are in the shared queue, or being looked at inside on_chunk(). They are as many as all links may use.
//  2. A queue pair that is dropped is first put into its error state, and destroyed when the device has let go of all that
//     belongs to it: a provider may else throw receive buffers away that it has already filled.
//  3. A queue pair that is being connected is left alone until that has ended, dropped or not.
//  4. Wake-ups come for what the other side sent. Completions of sends are seen at the next one, unless somebody waits.
#ifndef CTDB_ROUTER_TRANSPORT_VERBS_VERBS_DEVICE_H_
#define CTDB_ROUTER_TRANSPORT_VERBS_VERBS_DEVICE_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ctdb-router/transport/verbs/chunk.h"
#include "ctdb-router/transport/verbs/registered_memory.h"
#include "ctdb-router/transport/verbs/verbs_connector.h"
#include "ctdb-router/transport/verbs/verbs_port.h"
#include "libctdbipc/runtime/event_loop.h"

namespace ctdb {

// `number` is a queue pair's. None comes for one that was dropped.
class VerbsDeviceEvents {
 public:
  virtual ~VerbsDeviceEvents() = default;
  virtual void on_chunk(uint32_t number, ByteView chunk) = 0;
  virtual void on_sent(uint32_t number, uint64_t sequence) = 0;
  // connect() has come to its end: `why_not` is empty, or says why it failed.
  virtual void on_connected(uint32_t number, const std::string& why_not) = 0;
  virtual void on_pair_failed(uint32_t number, const std::string& why) = 0;
  // A port has come up.
  virtual void on_port_up() = 0;
  // Nothing works any more: destroy it, but not from inside, and not while connecting().
  virtual void on_device_failed(const std::string& why) = 0;
};

class VerbsDevice {
 public:
  // For at most `links` links at a time. Errors: why there is no device to be used, with the remedy.
  static Result<std::unique_ptr<VerbsDevice>> open(VerbsContext context, size_t links, EventLoop& loop,
                                                   VerbsDeviceEvents& events);
  ~VerbsDevice();
  VerbsDevice(const VerbsDevice&) = delete;
  VerbsDevice& operator=(const VerbsDevice&) = delete;

  ibv_context* context() const { return context_.get(); }
  std::string name() const { return ibv_get_device_name(context_->device); }
  // No queue pair is in use.
  bool unused() const;

  // A new queue pair from that address of the device; `attempt` of the result is the caller's to fill. Errors: the port is down, no room for another link;
  // kTimeout: there will be room when the device has given back what was dropped.
  Result<QueuePair> create(const VerbsAddress& from);
  // Begins to; on_connected() follows, unless the queue pair is dropped before. Errors: the port is down, the device was lost.
  Result<void> connect(const QueuePair& mine, const QueuePair& theirs);
  // The kernel is busy with some that were begun, so destroying the device would take as long.
  bool connecting() const { return connector_ != nullptr && connector_->busy(); }
  void drop(uint32_t number);
  // At most kChunkWindow chunks of a queue pair may be on their way.
  bool post(uint32_t number, const ChunkHeader& header, ByteView payload, ChunkPost how);
  // The next completion of a send is to wake the loop too. Calls nobody.
  void wake_for_sent();
  // Looks for completions that woke nobody.
  void poll();
  // How often the receive queue ran low, which credits should prevent: a warning, and counted.
  uint64_t receives_low() const { return receives_low_; }

 private:
  struct Pair {
    VerbsPair queue_pair;
    VerbsAddress from;
    uint32_t lid = 0;         // of the port when it was made
    size_t region = 0;        // of send buffers
    bool connecting = false;  // the connector has it
    bool dropped = false;
    EventLoop::TimerId timer = 0;
  };

  VerbsDevice(VerbsContext context, size_t links, EventLoop& loop, VerbsDeviceEvents& events);
  Result<void> make();
  Result<void> watch();
  VerbsPair make_pair();
  bool post_receives(const std::vector<uint32_t>& buffers);
  void warn_when_low();
  void arm(bool solicited_only);
  void on_completions();
  void poll_next_turn();
  bool poll_some();
  void take(const ibv_wc& completion);
  void on_async();
  void on_async_event(ibv_event_type type, uint32_t number);
  template <typename Concerned>
  void fail_pairs(const std::string& why, Concerned concerned);
  void on_connected(uint32_t number, int error);
  void let_go(uint32_t number, Pair& pair);
  void destroy(uint32_t number);
  void fail_device(const std::string& why);
  uint8_t* receive_buffer(size_t index) const { return memory_.at(index * kChunkBytes); }
  uint8_t* send_buffer(size_t region, uint64_t sequence) const;

  EventLoop& loop_;
  VerbsDeviceEvents& events_;
  const size_t links_;
  const size_t receives_;  // buffers
  const VerbsContext context_;
  VerbsDomain domain_;
  RegisteredMemory memory_;
  VerbsChannel channel_;
  VerbsQueue completions_;
  VerbsReceives receive_queue_;
  std::map<uint32_t, Pair> pairs_;
  std::unique_ptr<VerbsConnector> connector_;
  std::vector<size_t> free_regions_;
  std::vector<uint32_t> used_;  // receive buffers to be posted again
  uint32_t inline_max_ = 0;
  bool channel_watched_ = false, async_watched_ = false;
  bool arm_for_sent_ = false;  // in the next turn
  bool sent_wakes_ = false;    // armed for all, and nothing has come since
  bool failed_ = false;
  EventLoop::TimerId more_timer_ = 0;
  bool low_is_told_ = false;
  uint64_t receives_low_ = 0;
};

}  // namespace ctdb

#endif  // CTDB_ROUTER_TRANSPORT_VERBS_VERBS_DEVICE_H_
