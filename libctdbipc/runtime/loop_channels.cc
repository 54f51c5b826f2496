// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbipc/runtime/loop_channels.h"

#include <utility>

namespace ctdb {
namespace {

// A channel without traffic for this many sleeps is left armed while the process is awake; others are
// disarmed on waking so that their peers do not ring a process that is awake.
constexpr uint32_t kHotSleeps = 16;

template <typename Visit>
void for_each(const SlotSet& set, Visit visit) {
  for (size_t slot = set.next(0); slot != SlotSet::kNone; slot = set.next(slot + 1)) visit(slot);
}

}  // namespace

void LoopChannels::add(Channel* channel, Drain drain, uint32_t generation) {
  size_t slot = free_.next(0);
  if (slot == SlotSet::kNone) {
    slot = sources_.size();
    sources_.emplace_back();
  }
  free_.erase(slot);
  sources_[slot] = std::make_unique<Source>(Source{channel, std::move(drain), generation});
  bells_[channel->bell_fd()] = slot;
  channel->on_flush_wanted([this, slot] { touched_.insert(slot); });
  look_at(slot);
}

LoopChannels::Source* LoopChannels::find(Channel* channel, size_t& slot) {
  const auto found = bells_.find(channel->bell_fd());
  if (found == bells_.end() || sources_[found->second]->channel != channel) return nullptr;
  slot = found->second;
  return sources_[slot].get();
}

void LoopChannels::look_at(size_t slot) {
  polled_.insert(slot);
  touched_.insert(slot);
}

void LoopChannels::pause(Channel* channel) {
  size_t slot = 0;
  Source* source = find(channel, slot);
  if (source == nullptr || !source->reading) return;
  source->reading = false;
  channel->disarm();
  polled_.erase(slot);
  touched_.insert(slot);  // it may have been about to wait for space
}

void LoopChannels::resume(Channel* channel) {
  size_t slot = 0;
  Source* source = find(channel, slot);
  if (source == nullptr || source->reading) return;
  source->reading = true;
  source->quiet_sleeps = 0;
  polled_.insert(slot);
}

bool LoopChannels::remove(Channel* channel) {
  size_t slot = 0;
  if (find(channel, slot) == nullptr) return false;
  channel->on_flush_wanted(nullptr);
  channel->flush();
  bells_.erase(channel->bell_fd());
  for (SlotSet* set : {&polled_, &touched_, &hot_}) set->erase(slot);
  removed_.push_back(std::move(sources_[slot]));
  free_.insert(slot);
  return true;
}

size_t LoopChannels::drain(size_t budget) {
  size_t done = 0;
  for_each(polled_, [&](size_t slot) {
    Source* source = sources_[slot].get();  // it stays when it is removed in here
    const size_t count = source->drain(budget);
    if (count > 0) source->quiet_sleeps = 0;
    done += count;
  });
  const auto gone = std::exchange(removed_, {});  // what its callback holds may remove others
  return done;
}

void LoopChannels::flush() {
  for_each(touched_, [this](size_t slot) {
    touched_.erase(slot);
    Channel& channel = *sources_[slot]->channel;
    channel.flush();
    // Somebody waits for space: arm() must look after it before we sleep.
    if (channel.refused()) polled_.insert(slot);
  });
}

bool LoopChannels::arm() {
  bool safe = true;
  for_each(polled_, [&](size_t slot) {
    const Source& source = *sources_[slot];
    if (!(source.reading ? source.channel->arm() : source.channel->arm_for_space())) {
      safe = false;
      return;
    }
    polled_.erase(slot);
    hot_.insert(slot);
  });
  return safe;
}

void LoopChannels::awake() {
  for_each(hot_, [this](size_t slot) {
    Source& source = *sources_[slot];
    if (polled_.contains(slot)) return;
    if (!source.reading || ++source.quiet_sleeps > kHotSleeps) return hot_.erase(slot);
    source.channel->disarm();
    polled_.insert(slot);
  });
}

bool LoopChannels::rang(int fd, uint32_t generation) {
  const auto bell = bells_.find(fd);
  if (bell == bells_.end()) return false;
  Source& source = *sources_[bell->second];
  if (source.generation != generation) return true;
  source.quiet_sleeps = 0;
  source.channel->disarm();
  look_at(bell->second);
  return true;
}

}  // namespace ctdb
