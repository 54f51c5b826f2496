// SPDX-License-Identifier: GPL-3.0-or-later
// Owners of what libibverbs hands out. Destroy them in the reverse order of their making.
#ifndef CTDB_ROUTER_TRANSPORT_VERBS_VERBS_OBJECTS_H_
#define CTDB_ROUTER_TRANSPORT_VERBS_VERBS_OBJECTS_H_

#include <infiniband/verbs.h>

#include <memory>

namespace ctdb {

template <auto Destroy>
struct VerbsDeleter {
  template <typename T>
  void operator()(T* object) const {
    (void)Destroy(object);
  }
};

using VerbsContext = std::unique_ptr<ibv_context, VerbsDeleter<ibv_close_device>>;
using VerbsDomain = std::unique_ptr<ibv_pd, VerbsDeleter<ibv_dealloc_pd>>;
using VerbsRegion = std::unique_ptr<ibv_mr, VerbsDeleter<ibv_dereg_mr>>;
using VerbsChannel = std::unique_ptr<ibv_comp_channel, VerbsDeleter<ibv_destroy_comp_channel>>;
using VerbsQueue = std::unique_ptr<ibv_cq, VerbsDeleter<ibv_destroy_cq>>;
using VerbsReceives = std::unique_ptr<ibv_srq, VerbsDeleter<ibv_destroy_srq>>;
using VerbsPair = std::unique_ptr<ibv_qp, VerbsDeleter<ibv_destroy_qp>>;

}  // namespace ctdb

#endif  // CTDB_ROUTER_TRANSPORT_VERBS_VERBS_OBJECTS_H_
