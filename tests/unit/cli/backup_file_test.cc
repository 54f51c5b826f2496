// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-cli/backup_file.h"

#include <gtest/gtest.h>

#include "libctdbipc/wire/packet.h"
#include "libctdbipc/wire/rec_buffer.h"

namespace ctdb::cli {
namespace {

Bytes value_of(std::string_view data) {
  Bytes value;
  append_record_header(value, {7, 1, 0});
  value.insert(value.end(), data.begin(), data.end());
  return value;
}

Backup sample(size_t records = 3, size_t bytes = 5) {
  Backup backup;
  backup.name = "test.tdb";
  backup.flags = CTDB_DB_PERSISTENT;
  backup.time_s = 1700000000;
  for (size_t i = 0; i < records; ++i)
    backup.add(77, as_bytes("key" + std::to_string(i)), value_of(std::string(bytes, 'v')));
  return backup;
}

TEST(BackupFile, ReadsWhatItWrote) {
  const Backup backup = sample(100, 5000);
  EXPECT_GT(backup.buffers.size(), 3u) << "in messages of a bounded size";
  const Result<Backup> read = decode_backup(encode_backup(backup));
  ASSERT_TRUE(read.has_value()) << read.error().text();
  EXPECT_EQ(read->name, "test.tdb");
  EXPECT_EQ(read->flags, CTDB_DB_PERSISTENT);
  EXPECT_EQ(read->time_s, 1700000000);
  EXPECT_EQ(read->records, 100u);
  EXPECT_EQ(read->buffers, backup.buffers);
  EXPECT_EQ(decode_backup(encode_backup(sample(0)))->records, 0u);
}

TEST(BackupFile, NothingCutOffIsTaken) {
  const Bytes whole = encode_backup(sample());
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(decode_backup(ByteView(whole).first(size)).has_value()) << size;
  }
  Bytes longer = whole;
  longer.push_back(0);
  EXPECT_FALSE(decode_backup(longer).has_value());
}

TEST(BackupFile, OtherVersionsAndNumbersThatLieAreRefused) {
  for (const size_t at : {size_t{0}, size_t{24}, size_t{32}, size_t{104}}) {
    for (const uint8_t byte : {uint8_t{0x09}, uint8_t{0xFF}}) {
      Bytes wrong = encode_backup(sample());
      for (size_t i = 0; i < 7; ++i) wrong[at + i] = byte;
      const Result<Backup> read = decode_backup(wrong);
      ASSERT_FALSE(read.has_value()) << at;
      EXPECT_NE(read.error().text().find("not a backup of a database"), std::string::npos);
    }
  }
}

}  // namespace
}  // namespace ctdb::cli
