// SPDX-License-Identifier: LGPL-3.0-or-later
// Who may open a file beside whom, and when it is deleted: the rules in ctdb_opendb.h. Pure.
#ifndef LIBCTDBSHARE_OPENDB_RULES_H_
#define LIBCTDBSHARE_OPENDB_RULES_H_

#include <functional>
#include <optional>
#include <string_view>

#include "libctdbshare/opendb/record.h"

namespace ctdb_share::open_files {

// Bits of an access mask, by what they mean to share modes.
inline constexpr uint32_t kReads = 0x1 | 0x20;  // data, execute
inline constexpr uint32_t kWrites = 0x2 | 0x4;  // data, append
inline constexpr uint32_t kDeletes = 0x10000;
inline constexpr uint32_t kStat = 0x80 | 0x100 | 0x100000;      // attributes, synchronise
inline constexpr uint32_t kNotMapped = 0xF0000000 | 0x2000000;  // generic rights, "maximum allowed"
// Of a share mask.
inline constexpr uint32_t kShareRead = 1, kShareWrite = 2, kShareDelete = 4, kShareAll = 7;

// Of all entries of a record that take part: whether one reads, writes, deletes; whether one keeps others from it. Bits 0 to 5. Behind
// them what is cached by any lease.
inline constexpr uint32_t kSummaryAll = 0x1FF;
inline constexpr uint32_t kSummaryOfEntries = 0x3F;

// Masks that an open can have.
bool possible(uint32_t access, uint32_t share);

// Only attributes: nobody is asked, nobody is kept out.
bool is_stat(uint32_t access);

// Whether two opens exclude each other. Opens that neither read, write nor delete exclude nobody.
bool exclude_each_other(uint32_t access, uint32_t share, uint32_t other_access, uint32_t other_share);
// Whether any of the entries may exclude such an open, by the summary alone.
bool may_exclude(uint32_t summary, uint32_t access, uint32_t share);
// Of a record whose leases have changed.
void summarise_leases(Record& record);
uint8_t cached(uint32_t summary);

std::optional<Entry> find(const Record& record, const ServerId& server, uint64_t handle);
// Whose entries have it, each once.
std::vector<ServerId> openers_of(const Record& record, uint32_t name);
std::optional<uint32_t> find_name(const Record& record, std::string_view name);
// The first entry of that name for which `is_it`.
std::optional<Entry> first_of_name(const Record& record, uint32_t name,
                                   const std::function<bool(const Entry&)>& is_it);

// Returns the entry as it is in the record: with its name. Its lease is in the record.
Entry add(Record& record, Entry entry, std::string_view name);
// A name that is nobody's then goes with its tokens, and so does a lease.
void remove(Record& record, const Entry& gone);
// Handles of a server are counted: what it opened after the last one is kept, as of one who was cut off and has come back. false: nothing
// was removed.
uint64_t last_handle(const Record& record, const ServerId& server);
bool remove_dead(Record& record, const ServerId& dead, uint64_t last);

// All that is open as `name` is open as `new_name` then, with those that are already.
void rename(Record& record, uint32_t name, std::string_view new_name);

// The token by which that name's file will be deleted; NULL: it will not.
const Token* pending_token(const Record& record, uint32_t name);
// Beside the entry, or in the place of what is pending.
void add_token(Record& record, const Entry& entry, bool pending, std::string_view bytes);
bool remove_pending(Record& record, uint32_t name);  // false: nothing is
// Whether it was opened with a token of its own, for when it is closed.
bool closes_with_token(const Record& record, const Entry& entry);
// A handle is closed: the token it was opened with is pending, unless there is one already. false: it has none.
bool let_pend(Record& record, const Entry& entry);

}  // namespace ctdb_share::open_files

#endif  // LIBCTDBSHARE_OPENDB_RULES_H_
