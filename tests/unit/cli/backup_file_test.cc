// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-cli/backup_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <thread>

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

// In a folder of its own.
class BackupOnDisk : public testing::Test {
 protected:
  void SetUp() override { ASSERT_NE(mkdtemp(folder_), nullptr); }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string path(const std::string& name) const { return std::string(folder_) + "/" + name; }
  size_t files() const {
    return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(folder_), {}));
  }

 private:
  char folder_[32] = "/tmp/ctdb-backup-XXXXXX";
};

TEST_F(BackupOnDisk, ReplacesOnlyFiles) {
  ASSERT_EQ(mkfifo(path("pipe").c_str(), 0600), 0);
  for (const std::string& wrong : {path(""), path("."), path("nowhere/"), path("pipe"), std::string()}) {
    const Result<void> written = write_backup(wrong, sample());
    ASSERT_FALSE(written.has_value()) << wrong;
    EXPECT_EQ(written.error().code, ErrorCode::kInvalid) << written.error().text();
  }
  EXPECT_NE(write_backup(path("."), sample()).error().text().find("is a directory"), std::string::npos);
  EXPECT_TRUE(std::filesystem::is_fifo(path("pipe")));
  EXPECT_EQ(files(), 1u) << "nothing is left behind";
}

TEST_F(BackupOnDisk, ALinkStaysAndWhatItLeadsToIsReplaced) {
  ASSERT_TRUE(write_backup(path("file"), sample(1)).has_value());
  std::filesystem::create_symlink("file", path("link"));
  ASSERT_TRUE(write_backup(path("link"), sample(2)).has_value());
  EXPECT_TRUE(std::filesystem::is_symlink(path("link")));
  EXPECT_EQ(read_backup(path("file"))->records, 2u);
}

TEST_F(BackupOnDisk, IsReadFromAPipe) {
  ASSERT_EQ(mkfifo(path("pipe").c_str(), 0600), 0);
  std::thread writer([this] {
    std::ofstream out(path("pipe"), std::ios::binary);
    const Bytes bytes = encode_backup(sample(100, 5000));
    out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  });
  const Result<Backup> read = read_backup(path("pipe"));
  writer.join();
  ASSERT_TRUE(read.has_value()) << read.error().text();
  EXPECT_EQ(read->records, 100u);
}

}  // namespace
}  // namespace ctdb::cli
