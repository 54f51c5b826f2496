// SPDX-License-Identifier: GPL-3.0-or-later
// The hash against the vectors of wire-protocol §6.3 (keys) and §6.4 (database names), literally.
#include "libctdbipc/base/hash.h"

#include <gtest/gtest.h>

#include <string>

namespace ctdb {
namespace {

using namespace std::string_literals;

std::string counting_bytes(size_t count) {
  std::string bytes;
  for (size_t i = 0; i < count; ++i) bytes.push_back(static_cast<char>(i));
  return bytes;
}

struct KeyVector {
  std::string key;
  uint32_t hash;
  uint32_t mod2, mod3, mod4;
};

TEST(Hash, GivesTheKnownValueForEachKnownKey) {
  const KeyVector vectors[] = {
      {""s, 0xdeadbeef, 1, 2, 3},
      {"\0"s, 0x8ba9414b, 1, 1, 3},
      {"a"s, 0x58d68708, 0, 1, 0},
      {"k1"s, 0xeb04426d, 1, 0, 1},
      {"k1\0"s, 0xa3a6b262, 0, 2, 2},
      {"abc"s, 0x0e397631, 1, 1, 1},
      {"abcd"s, 0xb5f4889c, 0, 0, 0},
      {"hello world"s, 0x4aa94e65, 1, 2, 1},
      {"hello world\0"s, 0x14973b58, 0, 0, 0},
      {"0123456789ab"s, 0x1065e50a, 0, 2, 2},
      {"0123456789abc"s, 0x7351ce56, 0, 2, 2},
      {"transaction_db_0x3880c3f1\0"s, 0x8596ca73, 1, 0, 3},
      {"__db_sequence_number__\0"s, 0xd64d294d, 1, 1, 1},
      {counting_bytes(24), 0x9c0add53, 1, 2, 3},
      {counting_bytes(32), 0x21362cfe, 0, 1, 2},
  };
  for (const KeyVector& vector : vectors) {
    const uint32_t hash = jenkins_hash(as_bytes(vector.key));
    EXPECT_EQ(hash, vector.hash) << vector.key;
    EXPECT_EQ(hash % 2, vector.mod2) << vector.key;
    EXPECT_EQ(hash % 3, vector.mod3) << vector.key;
    EXPECT_EQ(hash % 4, vector.mod4) << vector.key;
  }
}

TEST(Hash, GivesTheKnownIdForEachKnownDatabase) {
  const std::pair<const char*, uint32_t> vectors[] = {
      {"g_lock.tdb", 0x4d2a432b},
      {"registry.tdb", 0x6cf2837d},
      {"locking.tdb", 0x7a19d84d},
      {"secrets.tdb", 0x7132c184},
      {"brlock.tdb", 0x4e66c2b2},
      {"passdb.tdb", 0x3ef19640},
      {"leases.tdb", 0x06916e77},
      {"group_mapping.tdb", 0xa1413774},
      {"smbXsrv_version_global.tdb", 0x521b7544},
      {"account_policy.tdb", 0x2ca251cf},
      {"smbXsrv_client_global.tdb", 0x477d2e20},
      {"share_info.tdb", 0xc3078fba},
      {"smbXsrv_session_global.tdb", 0x6b06a26d},
      {"idmap2.tdb", 0x866c598f},
      {"smbXsrv_tcon_global.tdb", 0x68c12c2c},
      {"ctdb.tdb", 0x6645c6c4},
      {"smbXsrv_open_global.tdb", 0x66f71b8c},
      {"netlogon_creds_cli.tdb", 0x2d608c16},
      {"notify_index.tdb", 0xaf029e9d},
      {"autorid.tdb", 0x1313cc83},
      {"serverid.tdb", 0x9ec2a880},
      {"printer_list.tdb", 0x5bcfcbd7},
      {"vol.tdb", 0x900f773e},
      {"pers.tdb", 0x3880c3f1},
      {"repl.tdb", 0xa870bacf},
      {"test.tdb", 0xc445c6ab},
  };
  for (const auto& [name, id] : vectors) EXPECT_EQ(database_id(name), id) << name;
}

// Under the address sanitizer this proves that no length reads past its end.
TEST(Hash, ReadsNoByteBeyondTheKey) {
  for (size_t size = 0; size < 64; ++size) {
    const Bytes key(size, 0x5a);
    const Bytes longer(size + 1, 0x5a);
    EXPECT_NE(jenkins_hash(key), jenkins_hash(longer));
  }
}

}  // namespace
}  // namespace ctdb
