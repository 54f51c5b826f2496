// SPDX-License-Identifier: GPL-2.0-or-later
// Names of databases by their ids, and what the keys of Samba's databases mean.
#ifndef WIRESHARK_KEYS_H_
#define WIRESHARK_KEYS_H_

#include <cstddef>
#include <cstdint>

namespace ctdbx {

// Name of the database with this id: one of Samba's, or one that was learned; nullptr: neither.
const char* database_name(uint32_t db_id);
// A database of this name (not NUL-terminated) was mentioned: its id follows from it.
void learn_database(const uint8_t* name, size_t size);
void forget_learned_databases();

// Writes what the key says into `out` (always NUL-terminated, cut off when too long).
void describe_key(uint32_t db_id, const uint8_t* key, size_t size, char* out, size_t out_size);

}  // namespace ctdbx

#endif  // WIRESHARK_KEYS_H_
