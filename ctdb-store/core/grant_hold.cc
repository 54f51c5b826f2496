// SPDX-License-Identifier: GPL-3.0-or-later
// The grant hold: a record that has just been given to a local client stays until the client had its turn. Without it a
// hot record would leave again before the client woke up, and nobody would ever get anything done.
//
// On a machine so busy that clients do not wake up in time, the same could happen with it: so a hold that ends by time
// makes the next one for that record twice as long, up to eight times, until a client has its turn again.
#include <algorithm>

#include "ctdb-store/core/migration.h"
#include "ctdb-store/core/record_io.h"
#include "ctdb-store/core/rules.h"
#include "libctdbipc/base/hash.h"

namespace ctdb {
namespace {

constexpr uint8_t kDoublingsMax = 3;

}  // namespace

bool Migration::on_hold(Activity& activity, bool& held, TimeNs now) {
  RecordEntry& entry = *activity.entry;
  if (entry.granted == 0) return false;
  if (now >= entry.granted_until) {
    if (activity.holding) {
      ++ctx_.counts.grant_holds_expired;
      entry.hold_doublings = std::min<uint8_t>(entry.hold_doublings + 1, kDoublingsMax);
    }
    end_hold(activity);
    return false;
  }
  if (!activity.holding) {
    activity.holding = true;
    activity.seen_held = false;
    activity.turns_left = entry.granted;
    ++ctx_.counts.grant_holds;
  }
  const bool mine = !held && ctx_.chains.try_take(*activity.db, entry);
  if (!held && !mine) {
    activity.seen_held = true;
  } else if (client_had_turn(activity)) {
    held = true;
    entry.hold_doublings = 0;
    end_hold(activity);
    return false;
  } else if (mine) {
    ctx_.chains.let_go(*activity.db, entry);
  }
  ctx_.timers.set(activity.timer, std::min(now + ctx_.options.grant_hold_check, entry.granted_until));
  return true;
}

// A record that moves too often stays for a while wherever it comes, so that local clients get some work done.
bool Migration::is_pinned(Activity& activity, TimeNs now) {
  const TimeNs until =
      activity.entry->extra().heat.pinned_until(now, activity.entry->came_ms, ctx_.options.sticky.pindown);
  if (until == 0) return false;
  ctx_.timers.set(activity.timer, until);
  return true;
}

// Local clients' calls come before those of other nodes. false: there are none.
bool Migration::locals_first(Activity& activity) {
  WaitingList locals, others;
  while (!activity.queue.empty()) {
    Waiting* item = activity.queue.pop();
    (item->is_clients() ? locals : others).push(item);
  }
  const bool any = !locals.empty();
  others.take_in_front(locals);
  activity.queue = others;
  return any;
}

// With the chain held: somebody was at the record since it was granted, as often as it was granted.
bool Migration::client_had_turn(Activity& activity) {
  RecordEntry& entry = *activity.entry;
  const uint64_t print = fingerprint(read_data(ctx_, activity));
  if (!activity.seen_held && print == entry.print) return false;
  activity.seen_held = false;
  entry.print = print;
  return --activity.turns_left == 0;
}

void Migration::end_hold(Activity& activity) {
  activity.entry->granted = 0;
  activity.holding = false;
  activity.seen_held = false;
  ctx_.timers.cancel(activity.timer);
}

}  // namespace ctdb
