// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-store/core/commits/commits.h"

#include <algorithm>
#include <utility>

namespace ctdb {

Commits::Commits(StoreContext& context, CommitDisk& disk)
    : ctx_(context),
      member_(context, disk, *this),
      coordinator_(context, member_.log(), *this),
      submissions_(context, *this, context.options.first_transaction_id) {}

void Commits::open(const std::vector<MemberLog>& logs, bool majority, TimeNs now) {
  close();
  if (!majority) return;
  coordinator_pnn_ = choose_coordinator(logs);
  member_.at(now);
  member_.open(coordinator_pnn_);
  if (coordinator_pnn_ == ctx_.self) coordinator_.start(logs);
  submissions_.open(coordinator_pnn_);
}

void Commits::close() {
  coordinator_pnn_ = CTDB_UNKNOWN_PNN;
  to_self_.clear();
  member_.close();
  coordinator_.stop();
  submissions_.close();
}

void Commits::send(uint32_t node, Operation operation, ByteView payload) {
  if (node != ctx_.self) return ctx_.send_own(node, operation, payload);
  to_self_.push_back({operation, to_bytes(payload)});
}

bool Commits::packet(uint32_t from, Operation operation, ByteView payload, TimeNs now) {
  const auto deliver = [&](auto message, auto&& serve) {
    if (message) serve(*message);
    return message.has_value();
  };
  member_.at(now);
  switch (operation) {
    case Operation::COMMIT_SUBMIT:
      return deliver(CommitSubmit::decode(payload),
                     [&](const CommitSubmit& m) { coordinator_.submit(from, m); });
    case Operation::COMMIT_RESULT:
      return deliver(CommitResult::decode(payload),
                     [&](const CommitResult& m) { submissions_.result(from, m); });
    case Operation::COMMIT_APPEND:
      return deliver(CommitAppend::decode(payload), [&](const CommitAppend& m) { member_.append(from, m); });
    case Operation::COMMIT_APPENDED:
      return deliver(CommitAppended::decode(payload),
                     [&](const CommitAppended& m) { coordinator_.appended(from, m, now); });
    case Operation::COMMIT_APPLY:
      return deliver(CommitApply::decode(payload), [&](const CommitApply& m) { member_.apply(from, m); });
    case Operation::COMMIT_APPLIED:
      return deliver(CommitApplied::decode(payload),
                     [&](const CommitApplied& m) { coordinator_.applied(from, m); });
    case Operation::DATABASE_WANTED:
      return deliver(DatabaseWanted::decode(payload),
                     [&](const DatabaseWanted& m) { member_.wanted(from, m); });
    case Operation::DATABASE_CONTENT:
      return deliver(DatabaseContent::decode(payload),
                     [&](const DatabaseContent& m) { member_.content(from, m); });
    default:
      return false;
  }
}

void Commits::on_disk_done(uint64_t ticket, const std::string& error, TimeNs now) {
  member_.at(now);
  (void)member_.on_disk_done(ticket, error, now);  // false: of something that was given up
}

void Commits::advance(TimeNs now) {
  if (advancing_) return;
  advancing_ = true;
  while (!to_self_.empty()) {
    const ToSelf message = std::move(to_self_.front());
    to_self_.pop_front();
    packet(ctx_.self, message.operation, message.payload, now);
  }
  advancing_ = false;
}

void Commits::tick(TimeNs now) {
  member_.tick(now);
  coordinator_.tick(now);
  submissions_.tick(now);
}

TimeNs Commits::next_deadline() const {
  return std::min({member_.next_deadline(), coordinator_.next_deadline(), submissions_.next_deadline()});
}

}  // namespace ctdb
