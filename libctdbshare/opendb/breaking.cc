// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbshare/opendb/breaking.h"

#include <algorithm>
#include <exception>

#include "libctdbshare/opendb/leases.h"
#include "libctdbshare/opendb/messages.h"

namespace ctdb_share::open_files {
namespace {

// To whom a break is told.
struct Telling {
  BreakMessage message;
  std::vector<ServerId> to;
};

class Waiting {
 public:
  Waiting(ctdb_opendb& opendb, ctdb_blob file) : opendb_(opendb), file_(file), key_(text_of(file)) {}
  ~Waiting() { leave(); }
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;

  int attempt_once(const Deadline& deadline, const Attempt& attempt, Verdict* verdict) {
    opendb_.woken = false;
    const int error = change(opendb_, file_, deadline, [&](Record& record) {
      telling_.clear();
      return edit(record, !deadline.over(), attempt, verdict);
    });
    if (error != 0) return error;
    for (const Telling& telling : telling_) send(telling);
    tell_again_ = false;
    return 0;
  }

  // Until there may be something new. 0, or an error.
  int sleep(const Deadline& deadline) {
    if (opendb_.local) {
      if (const int error = look_for_breaks(opendb_, deadline); error != 0) return error;
    }
    const int error = pause_.sleep(opendb_, deadline);
    tell_again_ = !opendb_.woken;  // the message may be lost
    return error;
  }

 private:
  Edit edit(Record& record, bool will_wait, const Attempt& attempt, Verdict* verdict) {
    const auto now = std::chrono::steady_clock::now();
    bool forced = false;
    do {
      *verdict = attempt(record);
    } while (verdict->result == CTDB_OPENDB_BREAKING && force_one(record, *verdict, now, &forced));
    bool changed = forced || verdict->changed;
    if (verdict->result == CTDB_OPENDB_BREAKING) {
      for (const size_t lease : verdict->leases) changed |= ask_for(record, lease, verdict->allowed, now);
      changed |= will_wait && queue(record);
    } else {
      changed |= std::erase(record.waiters, opendb_.self) > 0;
      queued_ = false;
    }
    if (!changed) return Edit::kNothing;
    return forced ? Edit::kGivenBack : Edit::kStore;
  }

  // A lease whose holder has had his time.
  bool force_one(Record& record, const Verdict& verdict, SeenBreaks::Time now, bool* forced) {
    for (const size_t at : verdict.leases) {
      const Lease lease = record.leases[at];
      if (lease.breaking == 0 || !opendb_.seen.too_long(key_, lease, now)) continue;
      force(record, at);
      tell(record, at, true);
      *forced = true;
      return true;
    }
    return false;
  }

  bool ask_for(Record& record, size_t at, uint8_t allowed, SeenBreaks::Time now) {
    const Lease before = record.leases[at];
    const bool begins = require(record, at, allowed);
    if (begins || tell_again_) tell(record, at, false);
    opendb_.seen.saw(key_, record.leases[at], now);
    return record.leases[at] != before;
  }

  void tell(const Record& record, size_t at, bool forced) {
    const Lease lease = record.leases[at];
    telling_.push_back(
        {{lease.key, forced ? lease.level : lease.requested, forced, lease.number, bytes_of(file_)},
         holders_of(record, at)});
  }

  bool queue(Record& record) {
    queued_ = !opendb_.local;
    if (!queued_ || std::ranges::find(record.waiters, opendb_.self) != record.waiters.end()) return false;
    record.waiters.push_back(opendb_.self);
    return true;
  }

  void send(const Telling& telling) {
    // One that is lost is told again in a second.
    for (const ServerId& server : telling.to) ctdb_share::send(opendb_, server, encode(telling.message));
  }

  // In vain, if the record is away: then we are woken once for nothing.
  void leave() noexcept {
    if (!queued_) return;
    try {
      (void)change(opendb_, file_, Deadline(0), [&](Record& record) {
        return std::erase(record.waiters, opendb_.self) > 0 ? Edit::kStore : Edit::kNothing;
      });
    } catch (const std::exception&) {
      return;
    }
  }

  ctdb_opendb& opendb_;
  const ctdb_blob file_;
  const std::string key_;
  std::vector<Telling> telling_;
  bool queued_ = false, tell_again_ = true;
  Pause pause_;
};

void tell_program(ctdb_opendb& opendb, const BreakMessage& message) {
  if (opendb.on_break == nullptr) return;
  const ctdb_opendb_break told = {{message.file.data(), message.file.size()},
                                  message.key.data(),
                                  message.level,
                                  message.number,
                                  message.forced ? 1 : 0};
  opendb.on_break(&opendb, &told, opendb.on_break_data);
}

void tell_program(ctdb_opendb& opendb, const RenameMessage& message) {
  if (opendb.on_rename == nullptr) return;
  const auto blob = [](std::span<const uint8_t> bytes) { return ctdb_blob{bytes.data(), bytes.size()}; };
  const ctdb_opendb_renamed told = {blob(message.file), blob(message.name), blob(message.new_name)};
  opendb.on_rename(&opendb, &told, opendb.on_rename_data);
}

// Of one file. *own: whether this owner has leases there at all.
int look_at_file(ctdb_opendb& opendb, ctdb_blob file, const Deadline& deadline, bool* own) {
  Record record;
  if (const int error = look(opendb, file, deadline, &record); error != 0) return error;
  for (size_t at = 0; at < record.leases.size(); ++at) {
    const std::vector<ServerId> holders = holders_of(record, at);
    if (std::ranges::find(holders, opendb.self) == holders.end()) continue;
    *own = true;
    const Lease lease = record.leases[at];
    if (lease.breaking == 1)
      tell_program(opendb, {lease.key, lease.requested, false, lease.number, bytes_of(file)});
  }
  return 0;
}

}  // namespace

int attempt_until(ctdb_opendb& opendb, ctdb_blob file, const Deadline& deadline, const Attempt& attempt,
                  Blocker* blocker) {
  Waiting waiting(opendb, file);
  bool blocked = false;
  for (;;) {
    Verdict verdict;
    int error = waiting.attempt_once(deadline, attempt, &verdict);
    // The time was over while the record was away; what was in the way is known.
    if (error == CTDB_ERR_TIMEOUT && blocked) return CTDB_OPENDB_BREAKING;
    if (error != 0 || verdict.result == 0) return error;
    *blocker = verdict.blocker;
    bool dropped = false;
    error = drop_if_dead(opendb, file, deadline, *blocker, &dropped);
    if (error == 0 && dropped) continue;
    if (error == 0 && (verdict.result != CTDB_OPENDB_BREAKING || deadline.over())) return verdict.result;
    blocked = true;
    if (error == 0) error = waiting.sleep(deadline);
    if (error != 0) return error;
  }
}

int look_for_breaks(ctdb_opendb& opendb, const Deadline& deadline) {
  const std::set<std::string> files = opendb.leased;  // the program may open others when it is told
  for (const std::string& file : files) {
    bool own = false;
    if (const int error = look_at_file(opendb, blob_of(file), deadline, &own); error != 0) return error;
    if (!own) opendb.leased.erase(file);
  }
  return 0;
}

void on_message(ctdb_client* /*client*/, uint64_t /*srvid*/, ctdb_blob data, void* private_data) {
  auto& opendb = *static_cast<ctdb_opendb*>(private_data);
  if (data.size == 0) opendb.woken = true;
  if (const auto message = decode_break(bytes_of(data))) return tell_program(opendb, *message);
  if (const auto message = decode_rename(bytes_of(data))) tell_program(opendb, *message);
}

}  // namespace ctdb_share::open_files
