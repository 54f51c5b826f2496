// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbipc/runtime/flight_recorder.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cerrno>
#include <cstring>

#include "libctdbipc/base/unique_fd.h"

namespace ctdb {

struct FlightEntry {
  std::atomic<uint64_t> number;
  int64_t wall_ns;
  uint32_t peer;
  uint32_t client;
  uint32_t whole_size;
  uint8_t link;
  uint8_t outgoing;
  uint16_t kept;
  uint8_t bytes[kFlightBytes];
};
static_assert(sizeof(FlightEntry) == 128);

struct FlightImage {
  uint64_t magic;  // stored last
  uint32_t packets;
  uint32_t entry_bytes;
  uint32_t pnn;
  uint32_t padding;
  std::atomic<uint64_t> last;  // number of the newest entry
  uint8_t reserved[96];
  FlightEntry entries[];
};
static_assert(sizeof(FlightImage) == 128);

namespace {

constexpr uint64_t kMagic = 0x3154474C46445443ull;  // "CTDFLGT1"
constexpr mode_t kMode = 0600;

size_t image_bytes(uint32_t packets) {
  return sizeof(FlightImage) + size_t{packets} * sizeof(FlightEntry);
}

FlightImage* map_image(int fd, size_t size, int protection) {
  void* at = mmap(nullptr, size, protection, MAP_SHARED, fd, 0);
  return at == MAP_FAILED ? nullptr : static_cast<FlightImage*>(at);
}

bool is_good(const FlightImage& image, size_t size) {
  return image.magic == kMagic && image.entry_bytes == sizeof(FlightEntry) && image.packets > 0 &&
         image.packets <= kFlightPacketsMax && size == image_bytes(image.packets);
}

// The file of an earlier life, or nullptr.
FlightImage* take_up(const std::string& path, uint32_t packets) {
  const UniqueFd fd(open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  struct stat status;
  if (!fd.valid() || fstat(fd.get(), &status) != 0) return nullptr;
  const size_t size = image_bytes(packets);
  if (static_cast<size_t>(status.st_size) != size) return nullptr;
  FlightImage* image = map_image(fd.get(), size, PROT_READ | PROT_WRITE);
  if (image == nullptr || (is_good(*image, size) && image->packets == packets)) return image;
  munmap(image, size);
  return nullptr;
}

// Under another name until it is whole.
Result<FlightImage*> make_image(const std::string& path, uint32_t packets) {
  const std::string fresh = path + ".new";
  const size_t size = image_bytes(packets);
  const UniqueFd fd(open(fresh.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, kMode));
  if (!fd.valid()) return fail_errno("making " + fresh);
  // Allocated, not only sized: on a full disk a store to a hole would be a SIGBUS.
  if ((errno = posix_fallocate(fd.get(), 0, static_cast<off_t>(size))) != 0)
    return fail_errno("making " + fresh);
  FlightImage* image = map_image(fd.get(), size, PROT_READ | PROT_WRITE);
  if (image == nullptr) return fail_errno("mapping " + fresh);
  image->packets = packets;
  image->entry_bytes = sizeof(FlightEntry);
  image->magic = kMagic;
  if (rename(fresh.c_str(), path.c_str()) == 0) return image;
  Result<FlightImage*> problem = fail_errno("making " + path);
  munmap(image, size);
  return problem;
}

// false: it changes, was never written, or is nonsense.
bool copy_entry(const FlightEntry& entry, uint64_t& number, FlightRecord& record) {
  number = entry.number.load(std::memory_order_acquire);  // pairs with the release in record()
  CapturedPacket& packet = record.packet;
  packet.wall_ns = entry.wall_ns;
  packet.number = entry.peer;
  packet.client = entry.client;
  packet.whole_size = entry.whole_size;
  packet.link = static_cast<CaptureLink>(entry.link);
  packet.outgoing = entry.outgoing != 0;
  const size_t kept = std::min<size_t>(entry.kept, kFlightBytes);
  record.kept.assign(entry.bytes, entry.bytes + kept);
  std::atomic_thread_fence(std::memory_order_acquire);
  const bool stayed = number != 0 && entry.number.load(std::memory_order_relaxed) == number;
  return stayed && packet.link < CaptureLink::kCount && kept <= packet.whole_size;
}

}  // namespace

Result<std::unique_ptr<FlightRecorder>> FlightRecorder::open(const std::string& path, uint32_t packets,
                                                             uint32_t pnn) {
  packets = std::bit_ceil(packets);
  FlightImage* image = take_up(path, packets);
  if (image == nullptr) {
    Result<FlightImage*> made = make_image(path, packets);
    if (!made) return fail(std::move(made.error()));
    image = *made;
  }
  image->pnn = pnn;
  return std::unique_ptr<FlightRecorder>(new FlightRecorder(image, packets));
}

Result<void> FlightRecorder::remove(const std::string& path) {
  if (unlink(path.c_str()) == 0 || errno == ENOENT) return {};
  return fail_errno("removing " + path);
}

FlightRecorder::~FlightRecorder() {
  munmap(image_, image_bytes(packets_));
}

void FlightRecorder::record(const CapturedPacket& seen) {
  const uint64_t number = image_->last.load(std::memory_order_relaxed) + 1;
  image_->last.store(number, std::memory_order_relaxed);
  FlightEntry& entry = image_->entries[number & (packets_ - 1)];
  entry.number.store(0, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_release);  // pairs with the acquire fence in copy_entry()
  const size_t kept = std::min(seen.bytes.size(), kFlightBytes);
  entry.wall_ns = seen.wall_ns;
  entry.peer = seen.number;
  entry.client = seen.client;
  entry.whole_size = static_cast<uint32_t>(seen.bytes.size());
  entry.link = static_cast<uint8_t>(seen.link);
  entry.outgoing = seen.outgoing ? 1 : 0;
  entry.kept = static_cast<uint16_t>(kept);
  std::memcpy(entry.bytes, seen.bytes.data(), kept);
  entry.number.store(number, std::memory_order_release);
}

Result<Flight> read_flight(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat status;
  if (!fd.valid() || fstat(fd.get(), &status) != 0) return fail_errno("opening " + path);
  const auto unusable = [&] {
    return fail(ErrorCode::kInvalid, path + " is of another version, or damaged");
  };
  const auto size = static_cast<size_t>(status.st_size);
  if (!S_ISREG(status.st_mode) || size < sizeof(FlightImage)) return unusable();
  FlightImage* image = map_image(fd.get(), size, PROT_READ);
  if (image == nullptr) return fail_errno("mapping " + path);
  std::vector<std::pair<uint64_t, FlightRecord>> found;
  const bool good = is_good(*image, size);
  Flight flight;
  flight.pnn = image->pnn;
  for (uint32_t i = 0; good && i < image->packets; ++i) {
    uint64_t number = 0;
    FlightRecord record;
    if (copy_entry(image->entries[i], number, record)) found.emplace_back(number, std::move(record));
  }
  munmap(image, size);
  if (!good) return unusable();
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  flight.records.reserve(found.size());
  for (auto& [number, record] : found) flight.records.push_back(std::move(record));
  return flight;
}

}  // namespace ctdb
