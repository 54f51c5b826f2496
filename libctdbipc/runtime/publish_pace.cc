// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbipc/runtime/publish_pace.h"

namespace ctdb {
namespace {

constexpr TimeNs kInterval = 100 * kMillisecond;
// Longer than from one heart-beat to the next.
constexpr TimeNs kIntervalOfTraffic = 300 * kMillisecond;

}  // namespace

void PublishPace::end_of_turn(uint64_t changes, uint64_t traffic) {
  seen_ = {changes, traffic};
  if (seen_ == published_) return;
  if (loop_.now() - published_at_ >= kInterval) return publish_now();
  publish_at(published_at_ + (seen_.changes != published_.changes ? kInterval : kIntervalOfTraffic));
}

void PublishPace::publish_at(TimeNs when) {
  if (when >= timer_at_) return;
  loop_.cancel(timer_);
  timer_at_ = when;
  timer_ = loop_.at(when, [this] { publish_now(); });
}

void PublishPace::publish_now() {
  loop_.cancel(timer_);
  timer_ = 0;
  timer_at_ = kNever;
  published_ = seen_;
  published_at_ = loop_.now();
  publish_();
}

}  // namespace ctdb
