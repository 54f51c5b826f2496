// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-store/core/database.h"

#include <algorithm>

#include "ctdb-store/core/commits/full_copy.h"
#include "libctdbipc/base/database_rules.h"
#include "libctdbipc/base/hash.h"
#include "libctdbipc/base/limits.h"
#include "libctdbipc/wire/packet.h"

namespace ctdb {
RecordEntry& Database::entry(ByteView key) {
  return entry(key, jenkins_hash(key));
}

RecordEntry& Database::entry(ByteView key, uint32_t hash) {
  if (RecordEntry* known = index.find(key, hash); known != nullptr) return *known;
  return index.add(key, hash);
}

Database* Databases::find(uint32_t id) const {
  if (last_found_ != nullptr && last_found_->id == id) return last_found_;
  for (const std::unique_ptr<Database>& database : databases_) {
    if (database->id == id) return last_found_ = database.get();
  }
  return nullptr;
}

Result<Database*> Databases::attach(std::string_view name, uint8_t flags, bool keep, bool& is_new) {
  is_new = false;
  if (!is_database_name(name)) return fail(ErrorCode::kInvalid, kNoDatabaseName);
  const uint32_t id = database_id(name);
  if (Database* known = find(id); known != nullptr) {
    constexpr uint8_t kKind = CTDB_DB_PERSISTENT | CTDB_DB_REPLICATED;
    if (known->name == name && (known->flags & flags & kKind) == (flags & kKind)) return known;
    if (known->name == name)
      return fail(ErrorCode::kRefused, known->name + " is attached as a database of another kind");
    return fail(ErrorCode::kRefused,
                std::string(name) + ": its id is taken by " + known->name + ", choose another name");
  }
  if (taking_up_ && !keep)
    return fail(ErrorCode::kRefused, "ctdb-store has not got the files yet that it left when it ended");
  if (databases_.size() >= kDatabasesMax) return fail(ErrorCode::kLimit, "too many databases");
  auto database = std::make_unique<Database>();
  database->name = name;
  database->id = id;
  database->flags = flags;
  if (!database->full_copy()) database->copies = copies_of(copies_, name);
  database->record_limit = record_limit_of(record_limits_, name);
  Result<std::unique_ptr<RecordFile>> file = files_.open(database->name, flags, keep);
  if (!file) return fail(std::move(file.error()));
  database->file = std::move(*file);
  if (Result<void> indexed = index_file(*database); !indexed) return fail(std::move(indexed.error()));
  is_new = true;
  databases_.push_back(std::move(database));
  return databases_.back().get();
}

void Databases::discard_past(
    const std::function<void(const std::string& name, ByteView key, ByteView value)>& visit) {
  for (const std::string& name : files_.existing())
    files_.discard(name, [&](ByteView key, ByteView value) { visit(name, key, value); });
  // Others may have attached it anew meanwhile: what clients still have here is of the past now.
  for (const std::string& name : files_.detached()) files_.discard(name, [](ByteView, ByteView) {});
}

// Only a file that was taken up again has records. Values too short for a header are of no use to anybody: they get
// an entry like an empty record that nobody owns, and the next owner overwrites them.
Result<void> Databases::index_file(Database& database) {
  if (database.full_copy()) return index_full_copy(database);
  if (Result<void> noted = database.leftovers.take_up(*database.file); !noted) return noted;
  return database.file->for_each([&](ByteView key, ByteView value) {
    if (database.leftovers.has(*database.file, key)) return true;
    RecordEntry& entry = database.entry(key);
    entry.in_file = true;
    if (const std::optional<RecordHeader> header = read_record_header(value)) {
      entry.rsn = header->rsn;
      entry.dmaster = header->dmaster;
      entry.flags = header->flags;
      entry.has_data = entry.had_data = value.size() > CTDB_RECORD_HEADER_SIZE;
    }
    return true;
  });
}

Result<void> Databases::index_full_copy(Database& database) {
  return database.file->for_each([&](ByteView key, ByteView value) {
    if (value.size() < CTDB_RECORD_HEADER_SIZE) return true;
    note_record(database,
                {key, value.first(CTDB_RECORD_HEADER_SIZE), value.subspan(CTDB_RECORD_HEADER_SIZE)});
    return true;
  });
}

Result<void> Databases::detach(Database& database) {
  const std::string name = database.name;
  last_found_ = nullptr;
  std::erase_if(databases_,
                [&](const std::unique_ptr<Database>& candidate) { return candidate.get() == &database; });
  return files_.detach(name);
}

// What fails here fails again, and is told, when somebody attaches the database.
void Databases::discard_detached(const std::vector<std::string>& more) {
  for (const std::string& name : more) (void)files_.detach(name);
  for (const std::string& name : files_.detached()) (void)files_.detach(name);
}

}  // namespace ctdb
