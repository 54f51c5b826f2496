// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-store/core/sights.h"

#include "ctdb-store/core/activity.h"
#include "ctdb-store/core/commits/full_copy.h"

namespace ctdb {

void visit_records(const Databases& databases, const std::function<void(const RecordSight&)>& visit) {
  for (const auto& db : databases.all()) {
    if (db->full_copy()) continue;
    for (const RecordEntry* entry = db->index.first(); entry != nullptr; entry = db->index.next(*entry)) {
      const Activity* activity = entry->activity();
      size_t waiting = 0;
      if (activity != nullptr)
        waiting = activity->functions_sent + activity->queue.size() + activity->joined.size();
      visit({db->id, entry->key(), entry->rsn, entry->dmaster, entry->flags, entry->in_file, waiting});
    }
  }
}

std::vector<DatabaseDigest> digests_of(const Databases& databases) {
  std::vector<DatabaseDigest> digests;
  for (const auto& db : databases.all()) {
    if (db->full_copy()) digests.push_back(digest_of(*db));
  }
  return digests;
}

}  // namespace ctdb
