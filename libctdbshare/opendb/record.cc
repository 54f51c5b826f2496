// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbshare/opendb/record.h"

#include <algorithm>
#include <utility>

#include "libctdbshare/common/bytes.h"
#include "libctdbshare/opendb/rules.h"

namespace ctdb_share::open_files {
namespace {

constexpr uint32_t kMagic = 0x4E45504F;  // "OPEN"
constexpr uint32_t kVersion = 1;
constexpr size_t kHeaderBytes = 24, kTokenBytes = 36;

std::vector<uint8_t> bytes_of(const Entry& entry) {
  Out out(Entries::kBytes);
  out.put(entry.server);
  out.put(entry.handle);
  for (const uint32_t word : {entry.access, entry.share, entry.name}) out.put(word);
  return out.take();
}

void put(Out& out, const Token& token) {
  out.put(token.name);
  out.put(uint32_t{token.pending});
  out.put(token.server);
  out.put(token.handle);
  out.put_text(token.bytes);
}

// Each takes its part off the front; false: it is not there.
bool take_text(In& in, std::string* text) {
  if (in.left() < 4) return false;
  const auto size = in.get<uint32_t>();
  if (in.left() < size) return false;
  const auto bytes = in.take(size);
  text->assign(bytes.begin(), bytes.end());
  return true;
}

bool take_token(In& in, size_t names, Token* token) {
  if (in.left() < kTokenBytes) return false;
  token->name = in.get<uint32_t>();
  const auto pending = in.get<uint32_t>();
  token->pending = pending == 1;
  token->server = in.get_server();
  token->handle = in.get<uint64_t>();
  return token->name < names && pending <= 1 && take_text(in, &token->bytes);
}

bool wrong(std::string* why, std::string text) {
  *why = "no record of open files: " + std::move(text);
  return false;
}

bool check_entries(const Record& record, std::string* why) {
  std::vector<bool> named(record.names.size());
  for (size_t at = 0; at < record.entries.size(); ++at) {
    const Entry entry = record.entries[at];
    if (entry.name >= named.size() || !possible(entry.access, entry.share))
      return wrong(why, "an entry that cannot be");
    named[entry.name] = true;
  }
  return std::ranges::find(named, false) == named.end() || wrong(why, "a name that nobody has open");
}

}  // namespace

Entry Entries::operator[](size_t at) const {
  In in(bytes().subspan(at * kBytes, kBytes));
  Entry entry;
  entry.server = in.get_server();
  entry.handle = in.get<uint64_t>();
  for (uint32_t* word : {&entry.access, &entry.share, &entry.name}) *word = in.get<uint32_t>();
  return entry;
}

void Entries::push_back(const Entry& entry) {
  const std::vector<uint8_t> bytes = bytes_of(entry);
  bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
}

void Entries::put(size_t at, const Entry& entry) {
  std::ranges::copy(bytes_of(entry), bytes_.begin() + static_cast<ptrdiff_t>(at * kBytes));
}

void Entries::erase(size_t at) {
  const auto begin = bytes_.begin() + static_cast<ptrdiff_t>(at * kBytes);
  bytes_.erase(begin, begin + kBytes);
}

std::vector<uint8_t> encode(const Record& record) {
  if (record.entries.empty()) return {};
  Out out(kHeaderBytes + record.entries.bytes().size());
  for (const uint32_t word : {kMagic, kVersion, record.summary}) out.put(word);
  for (const size_t count : {record.names.size(), record.tokens.size(), record.entries.size()})
    out.put(static_cast<uint32_t>(count));
  for (const std::string& name : record.names) out.put_text(name);
  for (const Token& token : record.tokens) put(out, token);
  out.put(record.entries.bytes());
  return out.take();
}

bool decode(std::span<const uint8_t> bytes, Record* record, std::string* why) {
  *record = {};
  if (bytes.empty()) return true;
  if (bytes.size() < kHeaderBytes) return wrong(why, "it has " + std::to_string(bytes.size()) + " bytes");
  In in(bytes);
  if (in.get<uint32_t>() != kMagic) return wrong(why, "it begins otherwise");
  if (const auto version = in.get<uint32_t>(); version != kVersion)
    return wrong(why, "version " + std::to_string(version) + " is not known here");
  record->summary = in.get<uint32_t>();
  const auto names = in.get<uint32_t>(), tokens = in.get<uint32_t>(), entries = in.get<uint32_t>();
  if ((record->summary & ~kSummaryAll) != 0) return wrong(why, "a summary that cannot be");
  if (entries == 0) return wrong(why, "nobody has it open");
  // One at a time: what a count claims may not be there.
  for (uint32_t i = 0; i < names; ++i) {
    if (!take_text(in, &record->names.emplace_back())) return wrong(why, "a name that cannot be");
  }
  for (uint32_t i = 0; i < tokens; ++i) {
    if (!take_token(in, names, &record->tokens.emplace_back())) return wrong(why, "a token that cannot be");
  }
  if (in.left() != uint64_t{entries} * Entries::kBytes) {
    return wrong(why, std::to_string(entries) + " entries in " + std::to_string(in.left()) + " bytes");
  }
  record->entries = Entries(in.take(in.left()));
  return check_entries(*record, why);
}

}  // namespace ctdb_share::open_files
