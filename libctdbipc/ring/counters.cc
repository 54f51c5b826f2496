// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbipc/ring/counters.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <new>

#include "libctdbipc/base/bytes.h"
#include "libctdbipc/base/process_name.h"
#include "libctdbipc/base/unique_fd.h"

namespace ctdb {
namespace {

constexpr uint64_t kMagic = 0x3152544e55434354ull;  // "TCCUNTR1"
constexpr uint32_t kVersion = 1;
constexpr size_t kCounters = static_cast<size_t>(Counter::count);
constexpr size_t kStatusBytes = 1024;
constexpr size_t kErrorsMax = 32;
constexpr size_t kErrorBytes = 200;

struct ErrorSlot {
  std::atomic<uint64_t> count;  // 0 = free; stored last when a slot is taken
  std::atomic<int64_t> first_ns;
  std::atomic<int64_t> last_ns;
  char text[kErrorBytes];
};

struct Head {
  uint64_t magic;
  uint32_t version;
  uint32_t counters;
  uint32_t pid;
  uint32_t pid_namespace;
  int64_t start_ns;
  char status[kStatusBytes];
};

// The file, as it is mapped. Readers see each u64 whole; texts may be seen half changed, which only people
// read.
struct Image {
  Head head;
  std::atomic<uint64_t> values[kCounters];
  ErrorSlot errors[kErrorsMax];
};

// Of a file with so many rows.
constexpr size_t bytes_with(size_t rows) {
  return sizeof(Head) + rows * sizeof(uint64_t) + kErrorsMax * sizeof(ErrorSlot);
}
static_assert(sizeof(Image) == bytes_with(kCounters));
constexpr size_t kRowsMax = 4096;  // no release has more

struct Row {
  const char* name;
  const char* help;
};
constexpr Row kRows[] = {
#define CTDB_COUNTER(name, help) {#name, help},
#include "libctdbipc/ring/counters.def"
};
static_assert(std::size(kRows) == kCounters);

int64_t realtime_ns() {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec * 1000000000ll + now.tv_nsec;
}

void copy_text(char* to, size_t size, std::string_view text) {
  const size_t length = std::min(size - 1, text.size());
  std::memcpy(to, text.data(), length);
  to[length] = '\0';
}

class MappedCounters : public Counters {
 public:
  MappedCounters(Image* image, UniqueFd file, std::string path, std::string hidden)
      : image_(image), file_(std::move(file)), path_(std::move(path)), hidden_(std::move(hidden)) {}
  ~MappedCounters() override {
    munmap(image_, sizeof(Image));
    if (!hidden_.empty()) unlink(hidden_.c_str());
  }

  // A reader sees the old file or the new one, never one that is half made.
  Result<void> show() override {
    if (hidden_.empty()) return {};
    if (rename(hidden_.c_str(), path_.c_str()) != 0) return fail_errno("creating counters file " + path_);
    hidden_.clear();
    return {};
  }

  // Only this process writes, so load and store suffice: no locked instruction on the packet path.
  void add(Counter counter, uint64_t by) override {
    std::atomic<uint64_t>& value = image_->values[static_cast<size_t>(counter)];
    value.store(value.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
  }
  void set(Counter counter, uint64_t value) override {
    image_->values[static_cast<size_t>(counter)].store(value, std::memory_order_relaxed);
  }
  uint64_t get(Counter counter) const override {
    return image_->values[static_cast<size_t>(counter)].load(std::memory_order_relaxed);
  }
  void set_status(std::string_view text) override { copy_text(image_->head.status, kStatusBytes, text); }

  void error(std::string_view text, int64_t when_ns) override {
    text = text.substr(0, kErrorBytes - 1);
    for (size_t i = 0; i < kErrorsMax; ++i) {
      ErrorSlot& slot = image_->errors[i];
      const bool last = i + 1 == kErrorsMax;
      const uint64_t count = slot.count.load(std::memory_order_relaxed);
      if (count == 0) {
        copy_text(slot.text, kErrorBytes, last ? "other errors" : text);
        slot.first_ns.store(when_ns, std::memory_order_relaxed);
      } else if (!last && text != slot.text) {
        continue;
      }
      slot.last_ns.store(when_ns, std::memory_order_relaxed);
      slot.count.store(count + 1, std::memory_order_release);  // pairs with the acquire in read_counters
      return;
    }
  }

 private:
  Image* image_;
  const UniqueFd file_;  // locked as long as this process lives
  const std::string path_;
  std::string hidden_;  // the file's name until it is shown
};

// A lock of the process, which its children do not have and which it loses by its death alone (and by closing any other descriptor of
// this file, which it has no reason to have): so it tells readers in other pid namespaces that it lives. Where the file system has no
// locks nobody there can tell.
bool lock_whole(int fd, int command, struct flock& lock) {
  lock = {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  return fcntl(fd, command, &lock) == 0;
}

void* map_new_file(const std::string& path, UniqueFd& fd) {
  fd = UniqueFd(open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!fd.valid()) return MAP_FAILED;
  struct flock lock;
  lock_whole(fd.get(), F_SETLK, lock);
  // Allocated, not only sized: on a full disk a store to a hole would be a SIGBUS.
  if ((errno = posix_fallocate(fd.get(), 0, sizeof(Image))) != 0) return MAP_FAILED;
  return mmap(nullptr, sizeof(Image), PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
}

}  // namespace

Result<std::unique_ptr<Counters>> Counters::create(const std::string& path) {
  Result<std::unique_ptr<Counters>> counters = create_hidden(path);
  if (!counters) return counters;
  if (Result<void> shown = (*counters)->show(); !shown) return fail(std::move(shown.error()));
  return counters;
}

Result<std::unique_ptr<Counters>> Counters::create_hidden(const std::string& path) {
  // Not one that another starting daemon has mapped.
  const std::string fresh = path.empty() ? "" : path + "." + std::to_string(getpid()) + ".new";
  UniqueFd file;
  void* at = path.empty()
                 ? mmap(nullptr, sizeof(Image), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
                 : map_new_file(fresh, file);
  if (at == MAP_FAILED) return fail_errno("creating counters file " + path);
  auto* image = new (at) Image{};
  auto counters = std::unique_ptr<Counters>(new MappedCounters(image, std::move(file), path, fresh));
  image->head.version = kVersion;
  image->head.counters = kCounters;
  image->head.pid = static_cast<uint32_t>(getpid());
  image->head.pid_namespace = own_pid_namespace();
  image->head.start_ns = realtime_ns();
  image->head.magic = kMagic;
  return counters;
}

Result<CountersSnapshot> read_counters(const std::string& path) {
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) {
    if (errno == ENOENT)
      return fail(ErrorCode::kNotFound, "no counters file " + path + " (the daemon never ran here)");
    return fail_errno("opening counters file " + path);
  }
  // read() and not mmap: the file could be cut short under a mapping.
  Bytes copy(bytes_with(kRowsMax));
  const ssize_t got = pread(fd.get(), copy.data(), copy.size(), 0);
  const auto* head = reinterpret_cast<const Head*>(copy.data());
  if (got < static_cast<ssize_t>(sizeof(Head)) || head->magic != kMagic || head->version != kVersion ||
      head->counters > kRowsMax || got != static_cast<ssize_t>(bytes_with(head->counters))) {
    return fail(ErrorCode::kInvalid,
                path + " is not a counters file of this version (remove it or restart the daemon)");
  }
  const uint8_t* const rows = copy.data() + sizeof(Head);
  CountersSnapshot snapshot;
  snapshot.pid = head->pid;
  snapshot.start_ns = head->start_ns;
  snapshot.pid_namespace = head->pid_namespace;
  struct flock lock;
  snapshot.held = lock_whole(fd.get(), F_GETLK, lock) && lock.l_type != F_UNLCK;
  snapshot.status.assign(head->status, strnlen(head->status, kStatusBytes));
  for (size_t i = 0; i < std::min<size_t>(head->counters, kCounters); ++i)
    snapshot.values.push_back(load<uint64_t>(rows + i * sizeof(uint64_t)));
  const auto* slots = reinterpret_cast<const ErrorSlot*>(rows + head->counters * sizeof(uint64_t));
  for (size_t i = 0; i < kErrorsMax; ++i) {
    const ErrorSlot& slot = slots[i];
    const uint64_t count = slot.count.load(std::memory_order_acquire);
    if (count == 0) break;
    snapshot.errors.push_back({std::string(slot.text, strnlen(slot.text, kErrorBytes)), count,
                               slot.first_ns.load(), slot.last_ns.load()});
  }
  return snapshot;
}

const char* counter_name(Counter counter) {
  return kRows[static_cast<size_t>(counter)].name;
}
const char* counter_help(Counter counter) {
  return kRows[static_cast<size_t>(counter)].help;
}

}  // namespace ctdb
