// SPDX-License-Identifier: GPL-3.0-or-later
// The grant hold: a record that has just been given to local clients stays until they had their turn. Without it a
// hot record would leave again before the client woke up, and nobody would ever get anything done.
//
// It ends when the record was seen changed, or its chain taken, as often as it was given; when nothing of that kind was
// seen for as long as one client has (options.grant_hold); and after that time for each of them at the latest. One look
// sees one turn, however many there were: clients that come again while others have not come yet have theirs, too, which
// is cheaper than to move the record.
//
// On a machine so busy that clients do not wake up in time, the same could happen with it, and those who find the record gone
// ask again and keep it busy. So a hold in which nobody was seen makes the next ones for that record longer, step by step: four
// times as long without a turn, and twice as long in all, since a client that has not run for long is slow in the beginning.
// Some holds in a row in which somebody was seen take a step back: were it one, every other hold would be in vain.
//
// Batches: of a record that other nodes want, so many clients are given it at a time (options.grant_batch), in the order
// in which they asked. Then it is another node's turn, if one waits, and those who are left ask for it again. All of them
// at once would be a run queue so long that daemons wait in it for longer than the hold lasts, and most would find the
// record gone.
#include <algorithm>

#include "ctdb-store/core/migration.h"
#include "ctdb-store/core/record_io.h"
#include "ctdb-store/core/rules.h"
#include "libctdbipc/base/hash.h"

namespace ctdb {
namespace {

constexpr uint8_t kStepsMax = 2;
constexpr uint8_t kHoldsForStepBack = 8;
constexpr TimeNs kLooks = 16;  // in a hold for many, about
// A record that this node gave away so long ago is taken for one that others want.
constexpr TimeNs kWantedFor = kSecond;

}  // namespace

bool Migration::on_hold(Activity& activity, bool& held, TimeNs now) {
  RecordEntry& entry = *activity.entry;
  if (entry.recent->granted == 0) return false;
  if (!activity.holding) begin_hold(activity, now);
  if (activity.holding && now < activity.hold_until && turns_are_due(activity, held, now)) {
    // Many turns need fewer looks each.
    const TimeNs look = now + std::max(ctx_.options.grant_hold_check, time_for_all(entry) / kLooks);
    ctx_.timers.set(activity.timer, std::min({look, activity.quiet_until, activity.hold_until}));
    return true;
  }
  if (activity.holding) note_hold(*entry.recent, activity.turns_seen > 0);
  end_hold(activity);
  return false;
}

void Migration::note_hold(Recent& recent, bool seen) {
  if (!seen) {
    ++ctx_.counts.grant_holds_expired;
    recent.hold_steps = std::min<uint8_t>(recent.hold_steps + 1, kStepsMax);
    recent.holds_seen = 0;
  } else if (recent.hold_steps > 0 && ++recent.holds_seen == kHoldsForStepBack) {
    --recent.hold_steps;
    recent.holds_seen = 0;
  }
}

// Without a turn.
TimeNs Migration::hold_time(const RecordEntry& entry) const {
  return ctx_.options.grant_hold << (2 * entry.recent->hold_steps);
}

TimeNs Migration::time_for_all(const RecordEntry& entry) const {
  return ctx_.options.grant_hold * std::min(entry.recent->granted, ctx_.options.grant_batch)
         << entry.recent->hold_steps;
}

// The first call of another node since the record was given to local clients; there is no hold if they have had their time.
void Migration::begin_hold(Activity& activity, TimeNs now) {
  const RecordEntry& entry = *activity.entry;
  activity.quiet_until = entry.recent->granted_until;
  activity.hold_until =
      entry.recent->granted_until + std::max<TimeNs>(time_for_all(entry) - hold_time(entry), 0);
  activity.holding = now < activity.hold_until;
  activity.seen_held = false;
  activity.turns_seen = 0;
  if (activity.holding) ++ctx_.counts.grant_holds;
}

// Looks at the record. false: nobody is left to wait for, and the chain is held.
bool Migration::turns_are_due(Activity& activity, bool& held, TimeNs now) {
  const RecordEntry& entry = *activity.entry;
  const bool mine = !held && ctx_.chains.try_take(*activity.db, entry);
  if (!held && !mine) {
    activity.seen_held = true;
    activity.quiet_until = now + hold_time(entry);
    return true;
  }
  if (client_had_turn(activity)) {
    ++activity.turns_seen;
    activity.quiet_until = now + hold_time(entry);
  }
  const bool due = activity.turns_seen < entry.recent->granted && now < activity.quiet_until;
  // That a record is gone is seen by who takes its lock to do something with it (lock()).
  const bool keep = !due && presence_of(activity) == RecordFile::Presence::kThere;
  if (mine && !keep) ctx_.chains.let_go(*activity.db, *activity.entry);
  held = held || keep;
  return due;
}

// Whether as many local clients have been given it as may be at a time. It matters only while other nodes want it.
bool Migration::batch_is_out(const RecordEntry& entry, TimeNs now) const {
  return entry.recent->granted >= ctx_.options.grant_batch && batch(entry, now) != SIZE_MAX;
}

size_t Migration::batch(const RecordEntry& entry, TimeNs now) const {
  const bool wanted = now - entry.recent->gave < kWantedFor;
  return wanted && !entry.extra().heat.is_sticky(now) ? ctx_.options.grant_batch : SIZE_MAX;
}

// Other nodes' calls come before those of local clients that are left over from a batch: all of them, because when the record
// leaves for the first the others go on to its next owner, where this node's next question must not overtake them.
// false: there are none.
bool Migration::others_first(Activity& activity) {
  WaitingList locals, others;
  while (!activity.queue.empty() && activity.queue.front()->is_call() && !is_alone(*activity.queue.front())) {
    Waiting* item = activity.queue.pop();
    (item->is_clients() ? locals : others).push(item);
  }
  const bool any = !others.empty();
  activity.queue.take_in_front(locals);
  activity.queue.take_in_front(others);
  return any;
}

// A record that moves too often stays for a while wherever it comes, so that local clients get some work done.
bool Migration::is_pinned(Activity& activity, TimeNs now) {
  const TimeNs until = activity.entry->extra().heat.pinned_until(now, activity.entry->recent->came,
                                                                 ctx_.options.sticky.pindown);
  if (until == 0) return false;
  ctx_.timers.set(activity.timer, until);
  return true;
}

// With the chain held: somebody was at the record since it was granted, or since the last look.
bool Migration::client_had_turn(Activity& activity) {
  RecordEntry& entry = *activity.entry;
  const uint64_t print = fingerprint(read_data(ctx_, activity));
  if (!activity.seen_held && print == entry.recent->print) return false;
  activity.seen_held = false;
  entry.recent->print = print;
  return true;
}

void Migration::end_hold(Activity& activity) {
  activity.entry->recent->granted = 0;
  activity.holding = false;
  activity.seen_held = false;
  ctx_.timers.cancel(activity.timer);
}

}  // namespace ctdb
