// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-store/core/commits/full_copy.h"

#include <cstring>
#include <map>

#include "ctdb-store/core/rules.h"
#include "libctdbipc/base/hash.h"
#include "libctdbipc/base/printable.h"
#include "libctdbipc/base/random.h"
#include "libctdbipc/wire/packet.h"
#include "libctdbipc/wire/try_again.h"

namespace ctdb {
namespace {

constexpr char kSequenceKey[] = "__db_sequence_number__";  // with its NUL

bool is_sequence(ByteView key) {
  return key.size() == sizeof kSequenceKey && std::memcmp(key.data(), kSequenceKey, sizeof kSequenceKey) == 0;
}

uint64_t sequence_in(ByteView data) {
  return data.size() == sizeof(uint64_t) ? load<uint64_t>(data.data()) : 0;
}

uint64_t record_print(const BufferedRecord& record) {
  const uint64_t rsn = load<uint64_t>(record.header.data());
  return Random::mix(fingerprint(record.key) + 3 * fingerprint(record.data) + 7 * rsn);
}

// Of what the contents are said to be.
void leave_out(Database& db, const RecordEntry& entry) {
  db.contents.digest -= entry.digest();
  --db.contents.records;
}

struct Known {
  uint64_t rsn, print;
};

// One record after those before it in the same transaction.
std::string objection_to(const Database& db, const BufferedRecord& record,
                         std::map<std::string, Known>& seen) {
  const uint64_t rsn = load<uint64_t>(record.header.data());
  const uint64_t print = record.data.empty() ? 0 : record_print(record);
  const std::string key(as_text(record.key));
  auto known = seen.find(key);
  if (known == seen.end()) {
    const RecordEntry* entry = db.index.find(record.key, jenkins_hash(record.key));
    if (entry != nullptr) known = seen.emplace(key, Known{entry->rsn, entry->digest()}).first;
  }
  if (known == seen.end()) {
    seen.emplace(key, Known{rsn, print});
    return "";
  }
  const bool older = rsn < known->second.rsn;
  const bool same_rsn_other_data = rsn == known->second.rsn && print != known->second.print;
  known->second = {rsn, print};
  if (!older && !same_rsn_other_data) return "";
  return "record " + argument_from_bytes(record.key) + " has changed since it was read (sequence number " +
         std::to_string(rsn) + " is not a new one)";
}

}  // namespace

RecordEntry* note_record(Database& db, const BufferedRecord& record) {
  const uint32_t hash = jenkins_hash(record.key);
  RecordEntry* entry = db.index.find(record.key, hash);
  if (record.data.empty()) {
    if (entry != nullptr) note_gone(db, *entry);
    return nullptr;
  }
  if (entry != nullptr) leave_out(db, *entry);
  if (is_sequence(record.key)) db.contents.sequence = sequence_in(record.data);
  if (entry == nullptr) entry = &db.index.add(record.key, hash);
  const std::optional<RecordHeader> header = read_record_header(record.header);
  entry->rsn = header->rsn;
  entry->dmaster = header->dmaster;
  entry->flags = header->flags;
  entry->has_data = true;
  entry->in_file = true;
  entry->set_digest(record_print(record));
  db.contents.digest += entry->digest();
  ++db.contents.records;
  return entry;
}

void note_gone(Database& db, RecordEntry& entry) {
  leave_out(db, entry);
  if (is_sequence(entry.key())) db.contents.sequence = 0;
  db.index.remove(entry);
}

DatabaseDigest digest_of(const Database& db) {
  return {db.id, db.contents.digest, db.contents.records, db.contents.sequence};
}

std::string size_objection(const Database& db, CommitKind kind, ByteView payload) {
  if (kind == CommitKind::kWipe || payload.size() <= db.record_limit) return "";
  const std::optional<RecBuffer> buffer = parse_rec_buffer(payload);
  if (!buffer) return "";
  for (const BufferedRecord& record : buffer->records) {
    if (std::string text = why_too_large(db.name, db.record_limit, record.key, record.data.size());
        !text.empty())
      return text;
  }
  return "";
}

void note_put_off(Database& db, const KeptEntry& entry) {
  if (entry.kind == CommitKind::kReplaceBegins) {
    db.put_off.entries.clear();
    db.put_off.origin = entry.origin;
  }
  db.put_off.entries.push_back(entry.position);
}

bool has_put_off(const Database& db, uint32_t origin, uint32_t generation) {
  return !db.put_off.entries.empty() && db.put_off.origin == origin &&
         db.put_off.entries.back().generation == generation;
}

std::string objection(const Database& db, CommitKind kind, ByteView payload, uint32_t origin,
                      uint32_t generation) {
  if (kind == CommitKind::kWipe) return "";
  const std::optional<RecBuffer> buffer = parse_rec_buffer(payload);
  if (!buffer) return "the records of the transaction are malformed";
  if (goes_on(kind) && !has_put_off(db, origin, generation))
    return std::string("another transaction or a recovery came in between, and ") + kTryAgain;
  if (kind != CommitKind::kRecords) return "";
  std::map<std::string, Known> seen;
  std::optional<uint64_t> sequence;
  for (const BufferedRecord& record : buffer->records) {
    if (std::string text = objection_to(db, record, seen); !text.empty()) return text;
    if (is_sequence(record.key)) sequence = sequence_in(record.data);
  }
  if (sequence && *sequence <= db.contents.sequence) {
    return "another transaction was committed meanwhile (sequence number " + std::to_string(*sequence) +
           ", the database is at " + std::to_string(db.contents.sequence) + ")";
  }
  return "";
}

}  // namespace ctdb
