// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbshare/opendb/record.h"

#include <algorithm>
#include <utility>

#include "libctdbshare/opendb/leases.h"
#include "libctdbshare/opendb/rules.h"

namespace ctdb_share::open_files {
namespace {

constexpr uint32_t kMagic = 0x4E45504F;  // "OPEN"
constexpr uint32_t kVersion = 1;
constexpr size_t kHeaderBytes = 32, kTokenBytes = 36, kWaiterBytes = 16;

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

// What is in the record one at a time: what a count claims may not be there.
bool take_names_and_tokens(In& in, uint32_t names, uint32_t tokens, Record* record, std::string* why) {
  for (uint32_t i = 0; i < names; ++i) {
    if (!take_text(in, &record->names.emplace_back())) return wrong(why, "a name that cannot be");
  }
  for (uint32_t i = 0; i < tokens; ++i) {
    if (!take_token(in, names, &record->tokens.emplace_back())) return wrong(why, "a token that cannot be");
  }
  return true;
}

bool take_the_rest(In& in, uint64_t leases, uint64_t waiters, uint64_t entries, Record* record,
                   std::string* why) {
  if (in.left() != leases * Lease::kBytes + waiters * kWaiterBytes + entries * Entry::kBytes) {
    return wrong(why, std::to_string(leases) + " leases, " + std::to_string(waiters) + " waiters and " +
                          std::to_string(entries) + " entries in " + std::to_string(in.left()) + " bytes");
  }
  record->leases = Packed<Lease>(in.take(leases * Lease::kBytes));
  for (uint64_t i = 0; i < waiters; ++i) record->waiters.push_back(in.get_server());
  record->entries = Packed<Entry>(in.take(in.left()));
  return true;
}

bool all(const std::vector<bool>& used) {
  return std::ranges::find(used, false) == used.end();
}

bool check(const Record& record, std::string* why) {
  std::vector<bool> named(record.names.size()), leased(record.leases.size());
  for (size_t at = 0; at < leased.size(); ++at) {
    if (!possible(record.leases[at])) return wrong(why, "a lease that cannot be");
  }
  for (size_t at = 0; at < record.entries.size(); ++at) {
    const Entry entry = record.entries[at];
    if (entry.name >= named.size() || entry.lease > leased.size() || !possible(entry.access, entry.share))
      return wrong(why, "an entry that cannot be");
    named[entry.name] = true;
    if (entry.lease != 0) leased[entry.lease - 1] = true;
  }
  if (!all(named)) return wrong(why, "a name that nobody has open");
  return all(leased) || wrong(why, "a lease that nobody has");
}

}  // namespace

void Entry::pack(Out& out) const {
  out.put(server);
  out.put(handle);
  for (const uint32_t word : {access, share, name, lease}) out.put(word);
}

Entry Entry::unpack(In& in) {
  Entry entry;
  entry.server = in.get_server();
  entry.handle = in.get<uint64_t>();
  for (uint32_t* word : {&entry.access, &entry.share, &entry.name, &entry.lease}) *word = in.get<uint32_t>();
  return entry;
}

void Lease::pack(Out& out) const {
  out.put(std::span<const uint8_t>(key));
  for (const uint8_t byte : {level, breaking, requested, required}) out.put(byte);
  out.put(number);
}

Lease Lease::unpack(In& in) {
  Lease lease;
  std::ranges::copy(in.take(lease.key.size()), lease.key.begin());
  lease.level = in.get<uint8_t>();
  lease.breaking = in.get<uint8_t>();
  lease.requested = in.get<uint8_t>();
  lease.required = in.get<uint8_t>();
  lease.number = in.get<uint32_t>();
  return lease;
}

std::vector<uint8_t> encode(const Record& record) {
  if (record.entries.empty()) return {};
  Out out(kHeaderBytes + record.leases.bytes().size() + record.entries.bytes().size());
  for (const uint32_t word : {kMagic, kVersion, record.summary}) out.put(word);
  for (const size_t count : {record.names.size(), record.tokens.size(), record.leases.size(),
                             record.waiters.size(), record.entries.size()})
    out.put(static_cast<uint32_t>(count));
  for (const std::string& name : record.names) out.put_text(name);
  for (const Token& token : record.tokens) put(out, token);
  out.put(record.leases.bytes());
  for (const ServerId& waiter : record.waiters) out.put(waiter);
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
  if ((record->summary & ~kSummaryAll) != 0) return wrong(why, "a summary that cannot be");
  std::array<uint32_t, 5> counts{};
  for (uint32_t& count : counts) count = in.get<uint32_t>();
  const auto& [names, tokens, leases, waiters, entries] = counts;
  if (entries == 0) return wrong(why, "nobody has it open");
  return take_names_and_tokens(in, names, tokens, record, why) &&
         take_the_rest(in, leases, waiters, entries, record, why) && check(*record, why);
}

}  // namespace ctdb_share::open_files
