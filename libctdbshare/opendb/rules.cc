// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbshare/opendb/rules.h"

#include <algorithm>
#include <utility>

namespace ctdb_share::open_files {
namespace {

constexpr int kSummaryLeases = 6;

// Bits 0 to 2, as a share mask has them: what it does. 0: it takes no part.
uint32_t does(uint32_t access) {
  return ((access & kReads) != 0 ? kShareRead : 0) | ((access & kWrites) != 0 ? kShareWrite : 0) |
         ((access & kDeletes) != 0 ? kShareDelete : 0);
}

// Behind them, bits 3 to 5: what it forbids.
uint32_t summary_of(uint32_t access, uint32_t share) {
  return does(access) == 0 ? 0 : does(access) | (~share & kShareAll) << 3;
}

template <typename F>
std::optional<Entry> first(const Record& record, F&& is_it) {
  for (size_t at = 0; at < record.entries.size(); ++at) {
    if (const Entry entry = record.entries[at]; is_it(entry)) return entry;
  }
  return std::nullopt;
}

bool is_of(const Token& token, const Entry& entry) {
  return !token.pending && token.server == entry.server && token.handle == entry.handle;
}

// Entries and tokens of the names behind it move up.
void remove_name(Record& record, uint32_t name) {
  record.names.erase(record.names.begin() + name);
  std::erase_if(record.tokens, [&](const Token& token) { return token.name == name; });
  for (Token& token : record.tokens) token.name -= token.name > name ? 1 : 0;
  for (size_t at = 0; at < record.entries.size(); ++at) {
    Entry entry = record.entries[at];
    if (entry.name <= name) continue;
    --entry.name;
    record.entries.put(at, entry);
  }
}

// Entries of the leases behind it move up.
void remove_lease(Record& record, uint32_t lease) {
  record.leases.erase(lease - 1);
  for (size_t at = 0; at < record.entries.size(); ++at) {
    Entry entry = record.entries[at];
    if (entry.lease <= lease) continue;
    --entry.lease;
    record.entries.put(at, entry);
  }
}

// What no entry has any more.
void remove_what_is_nobodys(Record& record) {
  std::vector<bool> named(record.names.size()), leased(record.leases.size() + 1);
  leased[0] = true;
  record.summary = 0;
  for (size_t at = 0; at < record.entries.size(); ++at) {
    const Entry entry = record.entries[at];
    named[entry.name] = leased[entry.lease] = true;
    record.summary |= summary_of(entry.access, entry.share);
  }
  for (size_t name = named.size(); name-- > 0;) {
    if (!named[name]) remove_name(record, static_cast<uint32_t>(name));
  }
  for (size_t lease = leased.size(); lease-- > 0;) {
    if (!leased[lease]) remove_lease(record, static_cast<uint32_t>(lease));
  }
  summarise_leases(record);
}

template <typename F>
bool remove_if(Record& record, F&& is_it) {
  const size_t removed = record.entries.erase_if([&](const Entry& entry) {
    if (!is_it(entry)) return false;
    std::erase_if(record.tokens, [&](const Token& token) { return is_of(token, entry); });
    return true;
  });
  if (removed > 0) remove_what_is_nobodys(record);
  return removed > 0;
}

}  // namespace

bool possible(uint32_t access, uint32_t share) {
  return (access & kNotMapped) == 0 && (share & ~kShareAll) == 0;
}

bool is_stat(uint32_t access) {
  return (access & ~kStat) == 0;
}

bool may_exclude(uint32_t summary, uint32_t access, uint32_t share) {
  const uint32_t mine = summary_of(access, share);
  return (summary & mine >> 3 & kShareAll) != 0 || (summary >> 3 & mine & kShareAll) != 0;
}

bool exclude_each_other(uint32_t access, uint32_t share, uint32_t other_access, uint32_t other_share) {
  return may_exclude(summary_of(access, share), other_access, other_share);
}

void summarise_leases(Record& record) {
  record.summary &= kSummaryOfEntries;
  for (size_t at = 0; at < record.leases.size(); ++at)
    record.summary |= uint32_t{record.leases[at].level} << kSummaryLeases;
}

uint8_t cached(uint32_t summary) {
  return static_cast<uint8_t>(summary >> kSummaryLeases);
}

std::optional<Entry> find(const Record& record, const ServerId& server, uint64_t handle) {
  return first(record, [&](const Entry& entry) { return entry.handle == handle && entry.server == server; });
}

std::optional<uint32_t> find_name(const Record& record, std::string_view name) {
  const auto at = std::ranges::find(record.names, name);
  if (at == record.names.end()) return std::nullopt;
  return static_cast<uint32_t>(at - record.names.begin());
}

std::vector<ServerId> openers_of(const Record& record, uint32_t name) {
  std::vector<ServerId> openers;
  for (size_t at = 0; at < record.entries.size(); ++at) {
    const Entry entry = record.entries[at];
    if (entry.name == name && std::ranges::find(openers, entry.server) == openers.end())
      openers.push_back(entry.server);
  }
  return openers;
}

std::optional<Entry> first_of_name(const Record& record, uint32_t name,
                                   const std::function<bool(const Entry&)>& is_it) {
  return first(record, [&](const Entry& entry) { return entry.name == name && is_it(entry); });
}

Entry add(Record& record, Entry entry, std::string_view name) {
  const std::optional<uint32_t> known = find_name(record, name);
  entry.name = known.value_or(static_cast<uint32_t>(record.names.size()));
  if (!known) record.names.emplace_back(name);
  record.summary |= summary_of(entry.access, entry.share);
  record.entries.push_back(entry);
  return entry;
}

void remove(Record& record, const Entry& gone) {
  (void)remove_if(record, [&](const Entry& entry) { return entry == gone; });
}

uint64_t last_handle(const Record& record, const ServerId& server) {
  uint64_t last = 0;
  for (size_t at = 0; at < record.entries.size(); ++at) {
    if (const Entry entry = record.entries[at]; entry.server == server) last = std::max(last, entry.handle);
  }
  return last;
}

bool remove_dead(Record& record, const ServerId& dead, uint64_t last) {
  return remove_if(record, [&](const Entry& entry) { return entry.server == dead && entry.handle <= last; });
}

void rename(Record& record, uint32_t name, std::string_view new_name) {
  const std::optional<uint32_t> there = find_name(record, new_name);
  if (!there) {
    record.names[name] = new_name;
    return;
  }
  if (*there == name) return;
  for (size_t at = 0; at < record.entries.size(); ++at) {
    Entry entry = record.entries[at];
    if (entry.name != name) continue;
    entry.name = *there;
    record.entries.put(at, entry);
  }
  for (Token& token : record.tokens) token.name = token.name == name ? *there : token.name;
  remove_name(record, name);
}

const Token* pending_token(const Record& record, uint32_t name) {
  const auto at = std::ranges::find_if(
      record.tokens, [&](const Token& token) { return token.pending && token.name == name; });
  return at == record.tokens.end() ? nullptr : &*at;
}

void add_token(Record& record, const Entry& entry, bool pending, std::string_view bytes) {
  if (pending) (void)remove_pending(record, entry.name);
  record.tokens.push_back({entry.name, pending, entry.server, entry.handle, std::string(bytes)});
}

bool remove_pending(Record& record, uint32_t name) {
  const auto is_it = [&](const Token& token) { return token.pending && token.name == name; };
  return std::erase_if(record.tokens, is_it) > 0;
}

bool closes_with_token(const Record& record, const Entry& entry) {
  return std::ranges::any_of(record.tokens, [&](const Token& token) { return is_of(token, entry); });
}

bool let_pend(Record& record, const Entry& entry) {
  const auto own =
      std::ranges::find_if(record.tokens, [&](const Token& token) { return is_of(token, entry); });
  if (own == record.tokens.end()) return false;
  if (pending_token(record, entry.name) != nullptr) {
    record.tokens.erase(own);
  } else {
    own->pending = true;
  }
  return true;
}

}  // namespace ctdb_share::open_files
