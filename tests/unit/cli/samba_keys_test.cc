// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-cli/samba_keys.h"

#include <gtest/gtest.h>

namespace ctdb::cli {
namespace {

Bytes file_id(uint64_t device, uint64_t inode, uint64_t extra) {
  Bytes key(24);
  store(key.data(), device);
  store(key.data() + 8, inode);
  store(key.data() + 16, extra);
  return key;
}

TEST(SambaKeys, AreReadable) {
  EXPECT_EQ(readable_key("locking.tdb", file_id(2049, 131074, 0)), "file 2049:131074");
  EXPECT_EQ(readable_key("brlock.tdb", file_id(1, 2, 3)), "file 1:2:3");
  EXPECT_EQ(readable_key("smbXsrv_session_global.tdb", Bytes{0x12, 0x34, 0, 0xff}), "0x123400ff");
  EXPECT_EQ(readable_key("smbXsrv_client_global.tdb",
                         Bytes{0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66, 8, 9, 10, 11, 12, 13, 14, 15}),
            "client 00112233-4455-6677-0809-0a0b0c0d0e0f");
  const char text[] = "transaction_db_0x7132c184";
  EXPECT_EQ(readable_key("g_lock.tdb", {reinterpret_cast<const uint8_t*>(text), sizeof text}), text);
}

TEST(SambaKeys, OfOtherFormsStayWhatTheyAre) {
  EXPECT_EQ(readable_key("locking.tdb", as_bytes("short")), "short");
  EXPECT_EQ(readable_key("other.tdb", Bytes{1, 2}), "hex:0102");
  EXPECT_EQ(readable_key("g_lock.tdb", Bytes{0}), "hex:00");
  EXPECT_EQ(readable_key("", {}), readable_key("x.tdb", {}));
}

}  // namespace
}  // namespace ctdb::cli
