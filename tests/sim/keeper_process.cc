// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/sim/keeper_process.h"

#include "libctdbipc/base/assert.h"
#include "tests/sim/node.h"
#include "tests/sim/world.h"

namespace ctdb::sim {
namespace {

constexpr TimeNs kHolderCheck = 500 * kMicrosecond;

}  // namespace

KeeperProcess::KeeperProcess(Node& node) : Process(node.world().queue), node_(node) {}

void KeeperProcess::start() {
  CTDB_ASSERT(!alive());
  set_alive();
  look_at_ = queue_.now();
  over_since_ = kNever;
  fencing_ = 0;
  input([this] { step(); });
}

// Clients see it in the page before anybody hears of it through a wire.
void KeeperProcess::kill() {
  if (!alive()) return;
  set_dead();
  if (on_duty_) node_.page->release_keeper_lock();
  on_duty_ = false;
  node_.note_deaths();
  if (fencing_ != 0) end_fence();  // its lock of the files is free
  node_.world().network.keeper_died(node_.pnn());
}

void KeeperProcess::ring() {
  const TimeNs when =
      queue_.now() + 10 * kMicrosecond + static_cast<TimeNs>(node_.world().random.below(300 * kMicrosecond));
  input_at(when, [this] { step(); });
}

void KeeperProcess::ready(uint32_t router) {
  on_duty_ = node_.page->enter_duty(router, on_duty_);
  if (on_duty_) node_.note_duty();
}

void KeeperProcess::step() {
  NodePage& page = *node_.page;
  const TimeNs now = queue_.now();
  if (fencing_ != 0) return go_on_fencing();
  look_at_ = kNever;
  if (now < page.serve_until() || page.records_taken()) {
    over_since_ = kNever;
    if (now < page.serve_until()) look_at_ = page.serve_until();
    return;
  }
  if (over_since_ == kNever) over_since_ = page.serve_until() == 0 ? now : page.serve_until();
  look_at_ = over_since_ + kStorePatience;
  if (now >= look_at_ && node_.world().options().mutation != Mutation::kKeeperSleeps) begin_fence();
  if (now >= look_at_) look_at_ = now + kStorePatience;
}

void KeeperProcess::begin_fence() {
  node_.world().trace.add(node_.pnn(), "keeper fences", node_.page->serving_epoch());
  fencing_ = node_.page->serving_epoch();
  over_since_ = kNever;
  node_.page->begin_fence(fencing_);
  if (MemoryDatabase* database = node_.database(); database != nullptr) database->close();
  go_on_fencing();
}

void KeeperProcess::go_on_fencing() {
  MemoryDatabase* database = node_.database();
  const bool over = node_.page->serving_epoch() != fencing_;
  if (database != nullptr && database->any_chain_held() && !over) {
    look_at_ = queue_.now() + kHolderCheck;
    return;
  }
  if (database != nullptr && !over) take_records_away();
  node_.page->end_fence(fencing_);
  node_.world().trace.add(node_.pnn(), "keeper has fenced", fencing_);
  end_fence();
  look_at_ = queue_.now();
}

void KeeperProcess::take_records_away() {
  MemoryDatabase& database = *node_.database();
  for (const Bytes& key : database.keys()) {
    Bytes value = *database.fetch(key);
    std::optional<RecordHeader> header = read_record_header(value);
    const bool is_read = header && (header->flags & CTDB_RECORD_RO_HAVE_READONLY) != 0;
    if (!header || (header->dmaster != node_.pnn() && !is_read)) continue;
    if (header->dmaster == node_.pnn()) header->dmaster = CTDB_UNKNOWN_PNN;
    header->flags &= ~CTDB_RECORD_RO_HAVE_READONLY;
    Bytes changed;
    append_record_header(changed, *header);
    value.erase(value.begin(), value.begin() + CTDB_RECORD_HEADER_SIZE);
    changed.insert(changed.end(), value.begin(), value.end());
    database.store(key, changed);
  }
}

void KeeperProcess::end_fence() {
  fencing_ = 0;
  MemoryDatabase* database = node_.database();
  if (database == nullptr) return;
  database->reopen();
  node_.locks.reopened(*database, node_.world().options().chains);
}

}  // namespace ctdb::sim
