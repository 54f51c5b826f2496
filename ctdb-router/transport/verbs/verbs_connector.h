// SPDX-License-Identifier: GPL-3.0-or-later
// Connects queue pairs in a thread of its own. Over RoCE the kernel then looks for the other side's link-layer address, for up to a
// second (ARP, neighbour discovery).
#ifndef CTDB_ROUTER_TRANSPORT_VERBS_VERBS_CONNECTOR_H_
#define CTDB_ROUTER_TRANSPORT_VERBS_VERBS_CONNECTOR_H_

#include <functional>
#include <memory>

#include "ctdb-router/transport/verbs/verbs_objects.h"
#include "libctdbipc/base/result.h"
#include "libctdbipc/runtime/work_thread.h"

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

  void connect(uint32_t number, const Work& work);
  // Some are not done, or it has not been told.
  bool busy() const { return thread_->busy(); }

 private:
  VerbsConnector(std::unique_ptr<WorkThread> thread, Done done)
      : thread_(std::move(thread)), done_(std::move(done)) {}

  std::unique_ptr<WorkThread> thread_;
  const Done done_;
};

}  // namespace ctdb

#endif  // CTDB_ROUTER_TRANSPORT_VERBS_VERBS_CONNECTOR_H_
