// SPDX-License-Identifier: GPL-2.0-or-later
#include "wireshark/keys.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string>
#include <unordered_map>

#include "libctdbipc/base/hash.h"

namespace ctdbx {
namespace {

enum class KeyForm { kUnknown, kFileId, kClient, kId, kLease };

struct KnownDatabase {
  const char* name;
  KeyForm form;
};
constexpr KnownDatabase kKnown[] = {
    {"g_lock.tdb", KeyForm::kUnknown},
    {"locking.tdb", KeyForm::kFileId},
    {"brlock.tdb", KeyForm::kFileId},
    {"leases.tdb", KeyForm::kLease},
    {"smbXsrv_version_global.tdb", KeyForm::kUnknown},
    {"smbXsrv_client_global.tdb", KeyForm::kClient},
    {"smbXsrv_session_global.tdb", KeyForm::kId},
    {"smbXsrv_tcon_global.tdb", KeyForm::kId},
    {"smbXsrv_open_global.tdb", KeyForm::kId},
    {"notify_index.tdb", KeyForm::kUnknown},
    {"serverid.tdb", KeyForm::kUnknown},
    {"registry.tdb", KeyForm::kUnknown},
    {"secrets.tdb", KeyForm::kUnknown},
    {"passdb.tdb", KeyForm::kUnknown},
    {"group_mapping.tdb", KeyForm::kUnknown},
    {"account_policy.tdb", KeyForm::kUnknown},
    {"share_info.tdb", KeyForm::kUnknown},
    {"idmap2.tdb", KeyForm::kUnknown},
    {"ctdb.tdb", KeyForm::kUnknown},
    {"netlogon_creds_cli.tdb", KeyForm::kUnknown},
    {"autorid.tdb", KeyForm::kUnknown},
    {"printer_list.tdb", KeyForm::kUnknown},
};

struct Known {
  std::string name;
  KeyForm form = KeyForm::kUnknown;
};
using Names = std::unordered_map<uint32_t, Known>;

Names& fixed_names() {
  static Names names = [] {
    Names made;
    for (const KnownDatabase& known : kKnown) made[ctdb::database_id(known.name)] = {known.name, known.form};
    return made;
  }();
  return names;
}
Names& learned_names() {
  static Names names;
  return names;
}
constexpr size_t kLearnedMax = 10000;  // a capture of garbage shall not fill the memory

const Known* find_known(uint32_t db_id) {
  for (Names* names : {&fixed_names(), &learned_names()}) {
    auto found = names->find(db_id);
    if (found != names->end()) return &found->second;
  }
  return nullptr;
}

uint64_t little(const uint8_t* at) {
  uint64_t value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

// Hexadecimal digits of as much as fits.
void put_hex(const uint8_t* bytes, size_t size, char* out, size_t out_size) {
  constexpr char kDigits[] = "0123456789abcdef";
  size_t at = 0;
  for (size_t i = 0; i < size && at + 3 <= out_size; ++i) {
    out[at++] = kDigits[bytes[i] >> 4];
    out[at++] = kDigits[bytes[i] & 15];
  }
  out[at] = '\0';
}

// Letters, with one NUL at the end at most.
bool is_text(const uint8_t* key, size_t size) {
  if (size > 1 && key[size - 1] == 0) --size;
  return size > 0 && std::all_of(key, key + size, [](uint8_t c) { return c >= 0x20 && c < 0x7f; });
}

void put_guid(const uint8_t* g, char* out, size_t out_size) {
  std::snprintf(out, out_size, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", g[3],
                g[2], g[1], g[0], g[5], g[4], g[7], g[6], g[8], g[9], g[10], g[11], g[12], g[13], g[14],
                g[15]);
}

bool describe_known(KeyForm form, const uint8_t* key, size_t size, char* out, size_t out_size) {
  char guid[40], lease[40];
  if (form == KeyForm::kFileId && size == 24) {
    std::snprintf(
        out, out_size, "file dev 0x%llx inode %llu ext %llu", static_cast<unsigned long long>(little(key)),
        static_cast<unsigned long long>(little(key + 8)), static_cast<unsigned long long>(little(key + 16)));
    return true;
  }
  if (form == KeyForm::kClient && size == 16) {
    put_guid(key, guid, sizeof guid);
    std::snprintf(out, out_size, "client %s", guid);
    return true;
  }
  if (form == KeyForm::kLease && size == 32) {
    put_guid(key, guid, sizeof guid);
    put_hex(key + 16, 16, lease, sizeof lease);
    std::snprintf(out, out_size, "client %s lease %s", guid, lease);
    return true;
  }
  if (form == KeyForm::kId && size == 4) {
    std::snprintf(out, out_size, "id 0x%02x%02x%02x%02x", key[0], key[1], key[2], key[3]);
    return true;
  }
  return false;
}

}  // namespace

const char* database_name(uint32_t db_id) {
  const Known* known = find_known(db_id);
  return known != nullptr ? known->name.c_str() : nullptr;
}

void learn_database(const uint8_t* name, size_t size) {
  while (size > 0 && name[size - 1] == 0) --size;
  if (size == 0 || size > 255 || !is_text(name, size) || learned_names().size() >= kLearnedMax) return;
  std::string text(reinterpret_cast<const char*>(name), size);
  const uint32_t id = ctdb::database_id(text);
  learned_names().try_emplace(id, Known{std::move(text), KeyForm::kUnknown});
}

void forget_learned_databases() {
  learned_names().clear();
}

void describe_key(uint32_t db_id, const uint8_t* key, size_t size, char* out, size_t out_size) {
  const Known* known = find_known(db_id);
  if (known != nullptr && describe_known(known->form, key, size, out, out_size)) return;
  if (is_text(key, size)) {
    std::snprintf(out, out_size, "%.*s", static_cast<int>(std::min<size_t>(size, 200)),
                  reinterpret_cast<const char*>(key));
    return;
  }
  put_hex(key, size, out, out_size);
}

}  // namespace ctdbx
