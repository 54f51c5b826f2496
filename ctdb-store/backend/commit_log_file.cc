// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-store/backend/commit_log_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

#include "ctdb-store/backend/durable_file.h"
#include "libctdbipc/base/hash.h"
#include "libctdbipc/base/limits.h"
#include "libctdbipc/base/write_all.h"
#include "libctdbipc/wire/own_codec.h"

namespace ctdb {
namespace {

// Head: magic, version, boot id, start, trusted, check sum of all that; zeros to kHeadBytes. Entry: u32 size and u64 check sum
// of what follows; committed, position, kind, origin, id, payload.
constexpr char kMagic[] = "CTDB commit log\n";  // 16 bytes without the NUL
constexpr uint32_t kVersion = 1;
constexpr size_t kHeadBytes = 128;
constexpr size_t kBootIdBytes = 36;
constexpr size_t kEntryHeadBytes = 12;

std::string boot_id() {
  std::string id;
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::getline(file, id);
  id.resize(kBootIdBytes, ' ');
  return id;
}

struct Head {
  std::string boot;
  LogPosition start;
  bool trusted = true;
};

Bytes encode_head(const Head& head) {
  Bytes bytes;
  Writer w(bytes);
  w.bytes(as_bytes(std::string_view(kMagic, sizeof kMagic - 1)));
  w.u32(kVersion);
  w.bytes(as_bytes(head.boot));
  put_position(w, head.start);
  w.u8(head.trusted ? 1 : 0);
  w.u64(fingerprint(bytes));
  bytes.resize(kHeadBytes);
  return bytes;
}

std::optional<Head> decode_head(ByteView bytes) {
  Reader r(bytes);
  const ByteView magic = r.bytes(sizeof kMagic - 1);
  const uint32_t version = r.u32();
  Head head;
  head.boot = std::string(as_text(r.bytes(kBootIdBytes)));
  head.start = take_position(r);
  head.trusted = r.u8() != 0;
  const size_t checked_bytes = sizeof kMagic - 1 + 4 + kBootIdBytes + 12 + 1;
  const uint64_t check = r.u64();
  if (!r.ok() || as_text(magic) != std::string_view(kMagic, sizeof kMagic - 1) || version != kVersion)
    return std::nullopt;
  if (check != fingerprint(bytes.first(checked_bytes))) return std::nullopt;
  return head;
}

void encode_entry(Bytes& out, const KeptEntry& entry, LogPosition committed) {
  const size_t at = out.size();
  out.resize(at + kEntryHeadBytes);
  Writer w(out);
  put_position(w, committed);
  put_position(w, entry.position);
  w.u8(static_cast<uint8_t>(entry.kind));
  w.u32(entry.origin);
  w.u64(entry.id);
  w.bytes(entry.payload);
  const ByteView body = ByteView(out).subspan(at + kEntryHeadBytes);
  store(out.data() + at, static_cast<uint32_t>(body.size()));
  store(out.data() + at + 4, fingerprint(body));
}

// The entry at the front of `bytes` and its size in the file; 0: none that is whole.
size_t decode_entry(ByteView bytes, KeptEntry& entry, LogPosition& committed) {
  Reader r(bytes);
  const uint32_t size = r.u32();
  const uint64_t check = r.u64();
  const ByteView body = r.bytes(size);
  if (!r.ok() || fingerprint(body) != check) return 0;
  Reader b(body);
  committed = take_position(b);
  entry.position = take_position(b);
  const uint8_t kind = b.u8();
  entry.origin = b.u32();
  entry.id = b.u64();
  if (!b.ok() || kind >= kCommitKinds) return 0;
  entry.kind = static_cast<CommitKind>(kind);
  entry.payload = to_bytes(b.bytes(b.left()));
  return kEntryHeadBytes + size;
}

// All entries that can be believed; returns where they end.
uint64_t read_entries(ByteView file, LogPosition start, CommitLogImage& image, std::vector<uint64_t>& ends) {
  uint64_t at = kHeadBytes;
  LogPosition last = start;
  for (;;) {
    KeptEntry entry;
    LogPosition committed;
    const size_t size = decode_entry(file.subspan(at), entry, committed);
    if (size == 0 || entry.position <= last) return at;
    at += size;
    last = entry.position;
    image.committed = std::max(image.committed, committed);
    image.entries.push_back(std::move(entry));
    ends.push_back(at);
  }
}

// As open() leaves a new file, until the first sync() writes its head.
bool never_synced(const Bytes& bytes) {
  return bytes.size() <= kHeadBytes && std::ranges::all_of(bytes, [](uint8_t byte) { return byte == 0; });
}

struct ReadFile {
  Bytes bytes;
  std::optional<Head> head;
};

Result<ReadFile> read_file(const std::string& path) {
  ReadFile file;
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) {
    if (errno == ENOENT) return file;
    return fail_errno("opening " + path);
  }
  struct stat info;
  if (fstat(fd.get(), &info) != 0) return fail_errno("looking at " + path);
  file.bytes.resize(static_cast<size_t>(info.st_size));
  if (Result<void> read = read_whole(fd.get(), file.bytes, path); !read) return fail(std::move(read.error()));
  if (file.bytes.size() >= kHeadBytes) file.head = decode_head(file.bytes);
  return file;
}

}  // namespace

Result<CommitLogContents> read_commit_log(const std::string& path) {
  Result<ReadFile> file = read_file(path);
  if (!file) return fail(std::move(file.error()));
  CommitLogContents contents;
  if (never_synced(file->bytes)) return contents;
  if (!file->head) {
    Result<std::string> kept = put_file_aside(path);
    if (!kept) return fail(std::move(kept.error()));
    contents.image.trusted = false;
    contents.note = path + " is no log of commits or its head is damaged; it is kept as " + *kept +
                    ", and what this node lacks comes from the other nodes";
    return contents;
  }
  contents.machine_restarted = file->head->boot != boot_id();
  contents.image.start = contents.image.committed = file->head->start;
  contents.image.trusted = file->head->trusted;
  std::vector<uint64_t> ends;
  const uint64_t end = read_entries(file->bytes, file->head->start, contents.image, ends);
  if (end < file->bytes.size()) {
    contents.note =
        path + ": the last " + std::to_string(file->bytes.size() - end) +
        " bytes are no whole entry (written when the machine or the store died); they are dropped";
  }
  return contents;
}

Result<CommitLogFile> CommitLogFile::open(const std::string& path) {
  Result<ReadFile> read = read_file(path);
  if (!read) return fail(std::move(read.error()));
  CommitLogFile file(path);
  file.fd_.reset(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!file.fd_.valid()) return fail_errno("opening " + path);
  uint64_t end = kHeadBytes;
  if (read->head) {
    file.start_ = read->head->start;
    file.trusted_ = read->head->trusted;
    CommitLogImage image;
    std::vector<uint64_t> ends;
    end = read_entries(read->bytes, file.start_, image, ends);
    for (size_t i = 0; i < ends.size(); ++i) file.places_.push_back({image.entries[i].position, ends[i]});
  }
  if (ftruncate(file.fd_.get(), static_cast<off_t>(end)) != 0) return fail_errno("cutting " + path);
  return file;
}

uint64_t CommitLogFile::end_of_file() const {
  return places_.empty() ? kHeadBytes : places_.back().end;
}

void CommitLogFile::append(const KeptEntry& entry, LogPosition committed) {
  encode_entry(pending_, entry, committed);
  pending_places_.push_back({entry.position, end_of_file() + pending_.size()});
}

Result<void> CommitLogFile::cut(LogPosition end) {
  while (!pending_places_.empty() && pending_places_.back().position > end) {
    pending_places_.pop_back();
    pending_.resize(pending_places_.empty() ? 0 : pending_places_.back().end - end_of_file());
  }
  const size_t before = places_.size();
  while (!places_.empty() && places_.back().position > end) places_.pop_back();
  if (places_.size() == before) return {};
  if (ftruncate(fd_.get(), static_cast<off_t>(end_of_file())) != 0) return fail_errno("cutting " + path_);
  return {};
}

Result<void> CommitLogFile::restart(LogPosition start, bool trusted) {
  const std::string name = path_ + ".new";
  UniqueFd fd(::open(name.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!fd.valid()) return fail_errno("making " + name);
  fd_ = std::move(fd);
  replaces_ = true;
  start_ = start;
  trusted_ = trusted;
  head_changed_ = true;
  places_.clear();
  pending_places_.clear();
  pending_.clear();
  return {};
}

void CommitLogFile::trust() {
  head_changed_ = head_changed_ || !trusted_;
  trusted_ = true;
}

Result<void> CommitLogFile::write_head() {
  const Bytes head = encode_head({boot_id(), start_, trusted_});
  if (Result<void> written = write_all_at(fd_.get(), head, 0, path_); !written) return written;
  head_changed_ = false;
  return {};
}

Result<void> CommitLogFile::write_pending() {
  if (head_changed_) {
    if (Result<void> written = write_head(); !written) return written;
  }
  return write_all_at(fd_.get(), pending_, end_of_file(), path_);
}

Result<void> CommitLogFile::sync() {
  Result<void> done = write_pending();
  if (done && fdatasync(fd_.get()) != 0) done = fail_errno("writing " + path_ + " to disk");
  if (done && replaces_) {
    done = take_name(path_ + ".new", path_);
    if (done) replaces_ = false;
  }
  if (done) {
    places_.insert(places_.end(), pending_places_.begin(), pending_places_.end());
  } else {
    // Room that was taken for entries that do not count is given back.
    (void)!ftruncate(fd_.get(), static_cast<off_t>(end_of_file()));
    // What goes over from the old file into the new one counts already: the next sync tries again.
    if (replaces_) return done;
  }
  pending_places_.clear();
  pending_.clear();
  return done;
}

}  // namespace ctdb
