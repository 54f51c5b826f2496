// SPDX-License-Identifier: GPL-3.0-or-later
// Connects queue pairs in a thread of its own. Over RoCE the kernel then looks for the other side's link-layer address, for up to a
// second (ARP, neighbour discovery): a loop that waited for that would send no heart-beats. It is the only thread of a router.
#ifndef CTDB_ROUTER_TRANSPORT_VERBS_VERBS_CONNECTOR_H_
#define CTDB_ROUTER_TRANSPORT_VERBS_VERBS_CONNECTOR_H_

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "ctdb-router/transport/verbs/verbs_objects.h"
#include "libctdbipc/base/result.h"
#include "libctdbipc/base/unique_fd.h"
#include "libctdbipc/runtime/event_loop.h"

namespace ctdb {

class VerbsConnector {
 public:
  struct Work {
    ibv_qp* pair = nullptr;  // nobody else may use it until it is done
    ibv_qp_attr receive{}, send{};
    int receive_mask = 0, send_mask = 0;
  };
  // Called in the loop, in the order of connect(). `error`: 0, or an errno.
  using Done = std::function<void(uint32_t number, int error)>;

  // Errors: no descriptor, no thread.
  static Result<std::unique_ptr<VerbsConnector>> start(EventLoop& loop, Done done);
  // Waits for the one that the kernel is busy with; of the others nothing is said any more.
  ~VerbsConnector();
  VerbsConnector(const VerbsConnector&) = delete;
  VerbsConnector& operator=(const VerbsConnector&) = delete;

  void connect(uint32_t number, const Work& work);
  // Some are not done, or it has not been told.
  bool busy() const { return under_way_ > 0; }

 private:
  struct Item {
    uint32_t number = 0;
    Work work;
    int error = 0;
  };

  VerbsConnector(EventLoop& loop, Done done) : loop_(loop), done_(std::move(done)) {}
  Result<void> begin();
  void work();
  void report();

  EventLoop& loop_;
  const Done done_;
  UniqueFd bell_;
  bool watched_ = false;
  size_t under_way_ = 0;  // the loop's
  std::mutex mutex_;      // of what follows
  std::condition_variable more_;
  std::deque<Item> waiting_, finished_;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace ctdb

#endif  // CTDB_ROUTER_TRANSPORT_VERBS_VERBS_CONNECTOR_H_
