// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-store/backend/memory_disk.h"

#include <algorithm>
#include <utility>

#include "libctdbipc/wire/rec_buffer.h"

namespace ctdb {
namespace {

constexpr char kFull[] = "no space left";
constexpr char kLost[] = "the contents were lost";

}  // namespace

std::optional<MemoryDisk::Answer> MemoryDisk::carry_out(bool lie) {
  lie_ = lie;
  while (!orders_.empty()) {
    const Order order = std::move(orders_.front());
    orders_.pop_front();
    std::string error = order.work();
    if (order.ticket != 0) return Answer{order.ticket, std::move(error)};
  }
  return std::nullopt;
}

void MemoryDisk::crash() {
  orders_.clear();
  parts_.clear();
  make_same(synced_, written_);
  failed_.clear();
}

void MemoryDisk::order(uint64_t ticket, std::function<std::string()> work) {
  orders_.push_back({ticket, std::move(work)});
  if (ticket != 0) on_order();
}

// Only what differs is copied: a log is synced once for every few entries.
void MemoryDisk::make_same(const CommitLogImage& from, CommitLogImage& to) {
  to.start = from.start;
  to.committed = from.committed;
  to.trusted = from.trusted;
  const auto differing = static_cast<std::ptrdiff_t>(same_);
  to.entries.erase(to.entries.begin() + differing, to.entries.end());
  to.entries.insert(to.entries.end(), from.entries.begin() + differing, from.entries.end());
  same_ = from.entries.size();
}

void MemoryDisk::log_append(const KeptEntry& entry, LogPosition committed) {
  order(0, [this, entry, committed] {
    if (!failed_.empty()) return failed_;
    written_.entries.push_back(entry);
    written_.committed = std::max(written_.committed, committed);
    return std::string();
  });
}

void MemoryDisk::log_cut(LogPosition end) {
  order(0, [this, end] {
    failed_.clear();
    // They stand in the order of their positions.
    while (!written_.entries.empty() && written_.entries.back().position > end) written_.entries.pop_back();
    same_ = std::min(same_, written_.entries.size());
    return std::string();
  });
}

void MemoryDisk::log_restart(LogPosition start, bool trusted) {
  order(0, [this, start, trusted] {
    failed_.clear();
    written_ = {start, start, trusted, {}};
    same_ = 0;
    return std::string();
  });
}

void MemoryDisk::log_trust() {
  order(0, [this] {
    written_.trusted = true;
    return std::string();
  });
}

void MemoryDisk::log_sync(uint64_t ticket) {
  order(ticket, [this] {
    if (full()) failed_ = kFull;
    if (!failed_.empty()) {
      make_same(synced_, written_);
      return failed_;
    }
    if (!lie_) make_same(written_, synced_);
    return std::string();
  });
}

MemoryDatabase* MemoryDisk::database(const RecordFile& file) {
  const std::string path = file.path();
  return files_.database(path.substr(path.find(':') + 1));
}

void MemoryDisk::write(MemoryDatabase& database, ByteView payload) {
  const std::optional<RecBuffer> buffer = parse_rec_buffer(payload);
  if (!buffer) return;
  for (const BufferedRecord& record : buffer->records) {
    if (record.data.empty()) {
      database.remove(record.key);
      continue;
    }
    Bytes value(record.header.begin(), record.header.end());
    value.insert(value.end(), record.data.begin(), record.data.end());
    database.store(record.key, value);
  }
}

void MemoryDisk::database_apply(uint64_t ticket, const RecordFile& file, CommitKind kind, ByteView payload) {
  database_bytes_ += payload.size();
  order(ticket, [this, database = database(file), kind, bytes = to_bytes(payload)] {
    if (full()) return std::string(kFull);
    if (kind != CommitKind::kRecords) database->clear();
    if (kind != CommitKind::kWipe) write(*database, bytes);
    return std::string();
  });
}

void MemoryDisk::database_replace(const RecordFile& file, ByteView records, bool first) {
  database_bytes_ += records.size();
  order(0, [this, path = file.path(), bytes = to_bytes(records), first] {
    if (first) parts_[path].clear();
    parts_[path].push_back(bytes);
    return std::string();
  });
}

void MemoryDisk::database_replaced(uint64_t ticket, const RecordFile& file, size_t parts_wanted) {
  order(ticket, [this, database = database(file), path = file.path(), parts_wanted] {
    const std::vector<Bytes> parts = std::exchange(parts_[path], {});
    if (full()) return std::string(kFull);
    if (parts.size() != parts_wanted) return std::string(kLost);
    database->clear();
    for (const Bytes& part : parts) write(*database, part);
    return std::string();
  });
}

void MemoryDisk::database_checkpoint(uint64_t ticket) {
  ++checkpoints_;
  order(ticket, [] { return std::string(); });
}

}  // namespace ctdb
