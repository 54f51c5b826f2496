// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-recoveryd/state_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <optional>

#include "libctdbipc/base/hash.h"
#include "libctdbipc/wire/reader.h"

namespace ctdb {
namespace {

constexpr uint32_t kMagic = 0x31465352;  // "RSF1"
constexpr size_t kSlotBytes = 8192;      // whole sectors and pages: the slots do not share any
constexpr size_t kSlots = 2;

struct Slot {
  uint64_t sequence = 0;
  Bytes payload;
};

Bytes encode(const Slot& slot) {
  Bytes out;
  Writer w(out);
  w.u32(kMagic);
  w.u32(static_cast<uint32_t>(slot.payload.size()));
  w.u64(slot.sequence);
  w.bytes(slot.payload);
  w.u32(jenkins_hash(out));
  return out;
}

std::optional<Slot> decode(ByteView bytes) {
  Reader r(bytes);
  Slot slot;
  const uint32_t magic = r.u32();
  const uint32_t size = r.u32();
  slot.sequence = r.u64();
  slot.payload = to_bytes(r.bytes(size));
  const size_t hashed = bytes.size() - r.left();
  const uint32_t sum = r.u32();
  if (!r.ok() || magic != kMagic || sum != jenkins_hash(bytes.first(hashed))) return std::nullopt;
  return slot;
}

Result<void> write_at(int fd, ByteView bytes, size_t offset, const std::string& path) {
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t wrote =
        pwrite(fd, bytes.data() + done, bytes.size() - done, static_cast<off_t>(offset + done));
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return fail_errno("writing " + path);
    done += static_cast<size_t>(wrote);
  }
  return {};
}

Result<void> sync_directory(const std::string& directory) {
  UniqueFd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid() || fsync(fd.get()) != 0) return fail_errno("syncing " + directory);
  return {};
}

}  // namespace

Result<StateFile> StateFile::open(const std::string& directory, const std::string& name) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return fail(Error{ErrorCode::kSystem, error.value(), "making the directory " + directory});
  StateFile file(directory + "/" + name);
  if (Result<void> opened = file.open_or_create(directory); !opened) return fail(std::move(opened.error()));
  Result<bool> whole = file.load();
  if (!whole) return fail(std::move(whole.error()));
  if (*whole) return file;
  file.damaged_ = true;
  const std::string aside = file.path_ + ".damaged";
  if (std::rename(file.path_.c_str(), aside.c_str()) != 0)
    return fail_errno("renaming " + file.path_ + " to " + aside);
  if (Result<void> opened = file.open_or_create(directory); !opened) return fail(std::move(opened.error()));
  return file;
}

Result<void> StateFile::open_or_create(const std::string& directory) {
  fd_.reset(::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd_.valid()) return fail_errno("opening " + path_);
  struct stat status {};
  if (fstat(fd_.get(), &status) != 0) return fail_errno("looking at " + path_);
  if (status.st_size != 0) return {};
  if (Result<void> written = write_at(fd_.get(), Bytes(kSlots * kSlotBytes), 0, path_); !written)
    return written;
  if (fsync(fd_.get()) != 0) return fail_errno("syncing " + path_);
  return sync_directory(directory);
}

// false: there is something, but no whole slot.
Result<bool> StateFile::load() {
  Bytes bytes(kSlots * kSlotBytes);
  const ssize_t got = pread(fd_.get(), bytes.data(), bytes.size(), 0);
  if (got < 0) return fail_errno("reading " + path_);
  bytes.resize(static_cast<size_t>(got));
  bool found = false;
  for (size_t at = 0; at < bytes.size(); at += kSlotBytes) {
    std::optional<Slot> slot = decode(ByteView(bytes).subspan(at, std::min(kSlotBytes, bytes.size() - at)));
    if (!slot || (found && slot->sequence < sequence_)) continue;
    found = true;
    sequence_ = slot->sequence;
    contents_ = std::move(slot->payload);
  }
  const auto blank = [](uint8_t byte) { return byte == 0; };
  return found || std::all_of(bytes.begin(), bytes.end(), blank);
}

Result<void> StateFile::replace(ByteView bytes) {
  if (bytes.size() > kPayloadBytesMax)
    return fail(ErrorCode::kLimit, "more state than " + path_ + " can hold");
  const Slot slot{sequence_ + 1, to_bytes(bytes)};
  if (Result<void> written = write_at(fd_.get(), encode(slot), slot.sequence % kSlots * kSlotBytes, path_);
      !written) {
    return written;
  }
  if (fdatasync(fd_.get()) != 0) return fail_errno("syncing " + path_);
  sequence_ = slot.sequence;
  contents_ = slot.payload;
  return {};
}

}  // namespace ctdb
