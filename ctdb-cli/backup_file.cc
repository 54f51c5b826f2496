// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-cli/backup_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <filesystem>

#include "libctdbipc/base/unique_fd.h"
#include "libctdbipc/base/write_all.h"
#include "libctdbipc/wire/reader.h"
#include "libctdbipc/wire/rec_buffer.h"

namespace ctdb::cli {
namespace {

constexpr uint64_t kVersion = 3;
constexpr size_t kNameBytes = kBackupNameBytesMax + 1;
// Of a rec_buffer: database and number of records; their size follows.
constexpr size_t kBufferHead = 8;
// The classic tool pushes each as one message.
constexpr size_t kBufferBytes = 100000;
constexpr size_t kReadBytes = 1u << 16;

Result<Backup> malformed(const std::string& what) {
  return fail(ErrorCode::kInvalid, "not a backup of a database that this program can read: " + what);
}

}  // namespace

void Backup::add(uint32_t db_id, ByteView key, ByteView value) {
  if (buffers.empty() || buffers.back().size() + key.size() + value.size() > kBufferBytes)
    buffers.push_back(begin_rec_buffer(db_id));
  add_to_rec_buffer(buffers.back(), key, value);
  ++records;
}

Bytes encode_backup(const Backup& backup) {
  Bytes bytes;
  Writer w(bytes);
  w.u64(kVersion);
  w.i64(backup.time_s);
  w.u64(backup.flags);
  w.u64(backup.buffers.size());
  w.u64(backup.records);
  const std::string name = backup.name.substr(0, kBackupNameBytesMax);
  w.bytes(as_bytes(name));
  w.zeros(kNameBytes - name.size());
  for (const Bytes& buffer : backup.buffers) {
    w.bytes(ByteView(buffer).first(kBufferHead));
    w.u64(buffer.size() - kBufferHead);
    w.bytes(ByteView(buffer).subspan(kBufferHead));
  }
  return bytes;
}

Result<Backup> decode_backup(ByteView bytes) {
  Reader r(bytes);
  Backup backup;
  const uint64_t version = r.u64();
  if (!r.ok() || version != kVersion)
    return malformed("it does not begin with version " + std::to_string(kVersion) +
                     " in this machine's byte order");
  backup.time_s = r.i64();
  backup.flags = static_cast<uint8_t>(r.u64());
  const uint64_t buffers = r.u64();
  const uint64_t records = r.u64();
  const std::string_view name = as_text(r.bytes(kNameBytes));
  if (!r.ok()) return malformed("it ends within its head");
  backup.name = name.substr(0, name.find('\0'));
  if (backup.name.empty()) return malformed("it does not name its database");
  for (uint64_t i = 0; i < buffers; ++i) {
    const size_t at = bytes.size() - r.left();
    Bytes buffer = to_bytes(r.bytes(kBufferHead));
    const uint64_t size = r.u64();
    const ByteView elements = size > r.left() ? ByteView() : r.bytes(size);
    buffer.insert(buffer.end(), elements.begin(), elements.end());
    const std::optional<RecBuffer> parsed = parse_rec_buffer(buffer);
    if (!parsed) return malformed("its records are damaged at byte " + std::to_string(at));
    backup.records += parsed->records.size();
    backup.buffers.push_back(std::move(buffer));
  }
  if (r.left() > 0) return malformed("there is more behind its records");
  if (backup.records != records)
    return malformed("it should have " + std::to_string(records) + " records and has " +
                     std::to_string(backup.records));
  return backup;
}

Result<void> may_be_backup(const std::string& path) {
  if (path.empty()) return fail(ErrorCode::kInvalid, "the name of the file is empty");
  struct stat info {};
  const bool there = ::stat(path.c_str(), &info) == 0;
  if ((there && S_ISDIR(info.st_mode)) || path.ends_with('/'))
    return fail(ErrorCode::kInvalid,
                path + " is a directory: name the file in it that the backup shall become");
  if (there && !S_ISREG(info.st_mode))
    return fail(ErrorCode::kInvalid, path + " is a device, pipe or socket, which no backup replaces");
  return {};
}

Result<void> write_backup(const std::string& named, const Backup& backup) {
  if (Result<void> good = may_be_backup(named); !good) return good;
  std::error_code nothing_there;
  const std::string target = std::filesystem::canonical(named, nothing_there);
  const std::string path = nothing_there ? named : target;
  const std::string fresh = path + ".new";
  UniqueFd file(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!file.valid()) return fail_errno("creating " + fresh);
  Result<void> written = write_all_at(file.get(), encode_backup(backup), 0, fresh);
  if (written && ::fsync(file.get()) != 0) written = fail_errno("writing " + fresh);
  if (written && std::rename(fresh.c_str(), path.c_str()) != 0) written = fail_errno("renaming " + fresh);
  if (!written) ::unlink(fresh.c_str());
  return written;
}

Result<Backup> read_backup(const std::string& path) {
  UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid() && errno == ENOENT)
    return fail(
        ErrorCode::kNotFound,
        "there is no file " + path + " ('db backup DB FILE' makes one, 'db restore FILE [DB]' reads it)");
  if (!file.valid()) return fail_errno("opening " + path);
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) return fail_errno("reading " + path);
  // One byte more than there is, to see the end; a pipe does not say how much it has.
  Bytes bytes(static_cast<size_t>(info.st_size) + 1);
  size_t got = 0;
  for (;;) {
    if (got == bytes.size()) bytes.resize(2 * got + kReadBytes);
    const ssize_t part = ::read(file.get(), bytes.data() + got, bytes.size() - got);
    if (part < 0 && errno == EINTR) continue;
    if (part < 0) return fail_errno("reading " + path);
    if (part == 0) break;
    got += static_cast<size_t>(part);
  }
  bytes.resize(got);
  Result<Backup> backup = decode_backup(bytes);
  if (!backup) return fail(ErrorCode::kInvalid, path + ": " + backup.error().text());
  return backup;
}

}  // namespace ctdb::cli
