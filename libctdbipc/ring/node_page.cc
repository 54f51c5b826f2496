// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbipc/ring/node_page.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <new>

#include "libctdbipc/base/bytes.h"
#include "libctdbipc/base/hash.h"

namespace ctdb {
namespace {

constexpr uint64_t kMagic = 0x3145474150445443ull;  // "CTDPAGE1"

static_assert(sizeof(NodePageWords) <= NodePage::kBytes);
// tests/cluster/cluster.py reads them.
static_assert(offsetof(NodePageWords, keeper_pid) == 128 && offsetof(NodePageWords, serve_until) == 192);
static_assert(sizeof(pthread_mutex_t) <= sizeof(NodePageWords::keeper_lock));
static_assert(std::atomic<uint64_t>::is_always_lock_free && std::atomic<uint32_t>::is_always_lock_free);

// Another number after every start of the machine, never 0.
uint64_t boot_number() {
  char text[64] = {};
  UniqueFd fd(open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC));
  const ssize_t got = fd.valid() ? read(fd.get(), text, sizeof text) : 0;
  const ByteView id(reinterpret_cast<const uint8_t*>(text), got > 0 ? static_cast<size_t>(got) : 0);
  return (uint64_t{jenkins_hash(id)} << 32) | jenkins_hash(id.subspan(id.size() / 2)) | 1;
}

pthread_mutex_t* mutex_of(NodePageWords* words) {
  return reinterpret_cast<pthread_mutex_t*>(words->keeper_lock);
}

bool init_mutex(pthread_mutex_t* mutex) {
  pthread_mutexattr_t kind;
  if (pthread_mutexattr_init(&kind) != 0) return false;
  const bool made = pthread_mutexattr_setpshared(&kind, PTHREAD_PROCESS_SHARED) == 0 &&
                    pthread_mutexattr_setrobust(&kind, PTHREAD_MUTEX_ROBUST) == 0 &&
                    pthread_mutex_init(mutex, &kind) == 0;
  pthread_mutexattr_destroy(&kind);
  return made;
}

tl::unexpected<Error> unusable(const char* what) {
  return fail(ErrorCode::kInvalid, std::string("the node page is unusable: ") + what +
                                       " (stop the node, remove ctdb-node.page in its run directory)");
}

// Whole from the start: it takes its name when its size is right.
Result<void> make_file(const std::string& path) {
  const std::string fresh = path + "." + std::to_string(getpid());
  // The group too, if the umask lets it: the daemons may be of several users.
  UniqueFd fd(open(fresh.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0664));
  if (!fd.valid()) return fail_errno("making " + fresh);
  // Allocated, not only sized: on a full disk a store to a hole would be a SIGBUS.
  errno = posix_fallocate(fd.get(), 0, NodePage::kBytes);
  const bool made = errno == 0 && (link(fresh.c_str(), path.c_str()) == 0 || errno == EEXIST);
  Result<void> result = made ? Result<void>() : fail_errno("making " + path);
  unlink(fresh.c_str());
  return result;
}

}  // namespace

Result<std::unique_ptr<NodePage>> NodePage::map(int fd, int protection) {
  struct stat status;
  if (fstat(fd, &status) != 0) return fail_errno("looking at the node page");
  if (!S_ISREG(status.st_mode) || status.st_size != kBytes) return unusable("it has the wrong size");
  void* at = mmap(nullptr, kBytes, protection, MAP_SHARED, fd, 0);
  if (at == MAP_FAILED) return fail_errno("mapping the node page");
  auto page = std::unique_ptr<NodePage>(new NodePage(static_cast<NodePageWords*>(at)));
  const uint64_t magic = page->words_->magic.load(std::memory_order_acquire);
  if (magic != 0 && magic != kMagic) return unusable("it is another file, or of another version");
  return page;
}

Result<std::unique_ptr<NodePage>> NodePage::open(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!fd.valid() && errno == ENOENT) {
    if (Result<void> made = make_file(path); !made) return fail(std::move(made.error()));
    fd.reset(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  }
  if (!fd.valid()) return fail_errno("opening " + path);
  if (flock(fd.get(), LOCK_EX) != 0) return fail_errno("locking " + path);
  Result<std::unique_ptr<NodePage>> page = map(fd.get(), PROT_READ | PROT_WRITE);
  if (!page) return page;
  Result<void> valid = (*page)->make_valid_for(boot_number());
  flock(fd.get(), LOCK_UN);  // closing is not enough: the mapping keeps the open file
  if (!valid) return fail(std::move(valid.error()));
  return page;
}

// Nobody of an earlier start is left to hold the lock or to read. The caller has the file locked.
Result<void> NodePage::make_valid_for(uint64_t boot) {
  if (words_->magic.load(std::memory_order_acquire) == kMagic && words_->boot.load() == boot) return {};
  words_->magic.store(0, std::memory_order_release);
  std::memset(words_->keeper_lock, 0, sizeof words_->keeper_lock);
  words_->keeper_pid.store(0);
  words_->duty_router.store(0);
  words_->serve_until.store(0);
  words_->serving_epoch.store(0);
  words_->fence_begun.store(0);
  words_->fence_done.store(0);
  words_->store_beat.store(0);
  words_->prepared.store(0);
  if (!init_mutex(mutex_of(words_)))
    return fail(ErrorCode::kSystem, "the node page's lock cannot be made: no robust mutexes here");
  words_->boot.store(boot);
  words_->magic.store(kMagic, std::memory_order_release);  // last; pairs with the acquire in map()
  return {};
}

Result<std::unique_ptr<NodePage>> NodePage::in_memory() {
  void* at = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) return fail_errno("mapping a node page");
  auto page = std::unique_ptr<NodePage>(new NodePage(static_cast<NodePageWords*>(at)));
  if (Result<void> valid = page->make_valid_for(1); !valid) return fail(std::move(valid.error()));
  return page;
}

Result<std::unique_ptr<NodePage>> NodePage::map_reader(int fd) {
  return map(fd, PROT_READ);
}

Result<UniqueFd> NodePage::reader_fd(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return fail_errno("opening " + path);
  return fd;
}

NodePage::~NodePage() {
  if (has_lock_) release_keeper_lock();  // the C library has it in a list of this thread
  munmap(words_, kBytes);
}

void NodePage::set_serving(bool on, uint64_t known_fence) {
  const uint64_t epoch = words_->serving_epoch.load(std::memory_order_relaxed);
  const bool odd = epoch % 2 == 1;
  // An epoch that the keeper has ended does not go on.
  const bool ended = known_fence == epoch;
  if (on ? odd && !ended : !odd) return;
  words_->serving_epoch.store(epoch + (on && odd ? 2 : 1), std::memory_order_seq_cst);
}

bool NodePage::take_keeper_lock() {
  const int result = pthread_mutex_trylock(mutex_of(words_));
  if (result == EOWNERDEAD) pthread_mutex_consistent(mutex_of(words_));
  if (result != 0 && result != EOWNERDEAD) return false;
  words_->keeper_pid.store(static_cast<uint32_t>(getpid()), std::memory_order_relaxed);
  has_lock_ = true;
  return true;
}

bool NodePage::enter_duty(uint32_t router, bool on_duty) {
  if (!on_duty && words_->duty_router.load() != router)
    words_->serve_until.store(0, std::memory_order_seq_cst);
  words_->duty_router.store(router);
  return on_duty || take_keeper_lock();
}

void NodePage::release_keeper_lock() {
  words_->keeper_pid.store(0, std::memory_order_relaxed);
  has_lock_ = false;
  pthread_mutex_unlock(mutex_of(words_));
}

}  // namespace ctdb
