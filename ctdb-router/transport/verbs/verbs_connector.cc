// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-router/transport/verbs/verbs_connector.h"

#include <utility>

namespace ctdb {
namespace {

int connect_pair(VerbsConnector::Work& work) {
  const int error = ibv_modify_qp(work.pair, &work.receive, work.receive_mask);
  return error != 0 ? error : ibv_modify_qp(work.pair, &work.send, work.send_mask);
}

}  // namespace

Result<std::unique_ptr<VerbsConnector>> VerbsConnector::start(EventLoop& loop, Done done) {
  Result<std::unique_ptr<WorkThread>> thread = WorkThread::start(loop, "to connect queue pairs");
  if (!thread) return fail(std::move(thread.error()));
  return std::unique_ptr<VerbsConnector>(new VerbsConnector(std::move(*thread), std::move(done)));
}

void VerbsConnector::connect(uint32_t number, const Work& work) {
  thread_->run([pair = work]() mutable { return connect_pair(pair); },
               [this, number](int error) { done_(number, error); });
}

}  // namespace ctdb
