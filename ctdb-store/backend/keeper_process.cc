// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-store/backend/keeper_process.h"

#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <new>
#include <vector>

#include "ctdb-store/backend/process_start.h"
#include "ctdb-store/backend/tdb_file.h"
#include "libctdbipc/ring/boot_time.h"
#include "libctdbipc/runtime/log.h"
#include "libctdbipc/runtime/setup_socket.h"

namespace ctdb {
namespace {

// What a store that runs needs to see the end of its lease, and more.
constexpr TimeNs kStorePatience = 50 * kMillisecond;
constexpr TimeNs kChildCheckFirst = 2 * kMillisecond;
constexpr TimeNs kChildCheckMax = 50 * kMillisecond;
// A file that cannot be fenced is tried again, less and less often.
constexpr TimeNs kRetryFirst = 50 * kMillisecond;
constexpr TimeNs kRetryMax = 5 * kSecond;
constexpr int kBacklog = 16;
// Recoveryd connects, and is gone again. Beyond that the oldest that has not said it is the store is sent away.
constexpr size_t kStrangersMax = 16;
// A connection that waits and cannot be taken would wake it for ever.
constexpr TimeNs kRest = 10 * kMillisecond;
constexpr int kStoreSocket = 3;
// Recoveryd, of the same group, rings; only a store of this user is taken for one.
constexpr mode_t kSocketMode = 0660;

bool of_this_user(int socket) {
  const Result<PeerCredentials> peer = peer_credentials(socket);
  return peer && (peer->uid == 0 || peer->uid == geteuid());
}

// 0: there is no such file.
ino_t inode_of(const std::string& path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0 ? info.st_ino : 0;
}

// One a file, in memory that children share.
class SharedFlags {
 public:
  SharedFlags() {
    void* memory = mmap(nullptr, kFlags, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory != MAP_FAILED) flags_ = new (memory) std::atomic<bool>[kFlags];
  }
  // nullptr: there is none for it.
  std::atomic<bool>* cleared(size_t number) {
    if (flags_ == nullptr || number >= kFlags) return nullptr;
    flags_[number] = false;
    return &flags_[number];
  }

 private:
  static constexpr size_t kFlags = 4096;
  std::atomic<bool>* flags_ = nullptr;
};

class Keeper {
 public:
  Keeper(const KeeperOptions& options, NodePage& page, int store) : options_(options), page_(page) {
    connections_.push_back({UniqueFd(store), true});
  }
  bool listen();
  [[noreturn]] void run();
  // The node serves anew: what is in the files is the store's to say.
  bool fence_is_over() const {
    return page_.serving_epoch() != fencing_ && boot_time() < page_.serve_until();
  }

 private:
  struct Connection {
    UniqueFd socket;
    bool is_store = false;
  };
  struct Fence {  // of one file
    std::string path;
    pid_t child = 0;                        // 0: to be started (again)
    std::atomic<bool>* has_lock = nullptr;  // the child has, or had: shared with it
    ino_t inode = 0;                        // of the file the child works on
    TimeNs retry_at = 0;
    TimeNs retry_after = 0;  // 0: it has not failed
  };

  void wait(TimeNs until);
  void accept_all();
  void add_stranger(UniqueFd socket);
  bool read_all(Connection& connection);
  void take(Connection& connection, SetupMessage& message);
  bool store_connected() const;
  TimeNs step(TimeNs now);
  void begin_fence(uint64_t epoch);
  TimeNs go_on_fencing(TimeNs now);
  void start_child(Fence& fence);
  void watch_child(Fence& fence, TimeNs now);

  const KeeperOptions& options_;
  NodePage& page_;
  UniqueFd listener_;
  UniqueFd timer_;
  TimeNs rests_until_ = 0;  // no connection is accepted before: there was no descriptor
  std::vector<Connection> connections_;
  std::map<uint32_t, UniqueFd> wires_;  // by node
  bool on_duty_ = false;
  TimeNs over_since_ = kNever;  // the lease has ended and files still say dmaster = self
  uint64_t fencing_ = 0;        // epoch that is being ended; 0: none
  SharedFlags flags_;
  std::vector<Fence> fences_;  // files that are not done
  TimeNs child_check_ = 0;
};

bool Keeper::listen() {
  Result<UniqueFd> listener = listen_unix(options_.socket_path, SOCK_SEQPACKET, kSocketMode, kBacklog);
  if (!listener) {
    log_warning("no second keeper: " + listener.error().text());
    return false;
  }
  listener_ = std::move(*listener);
  // Of the boot-time clock: after a suspension of the machine the lease is over at once.
  timer_.reset(timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK));
  return timer_.valid();
}

void Keeper::wait(TimeNs until) {
  const bool rests = boot_time() < rests_until_;
  if (rests) until = std::min(until, rests_until_);
  itimerspec when{};
  if (until != kNever) {
    when.it_value.tv_sec = until / kSecond;
    when.it_value.tv_nsec = std::max<TimeNs>(1, until % kSecond);
  }
  timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &when, nullptr);
  std::vector<pollfd> polled{{rests ? -1 : listener_.get(), POLLIN, 0}, {timer_.get(), POLLIN, 0}};
  for (const Connection& connection : connections_) polled.push_back({connection.socket.get(), POLLIN, 0});
  if (poll(polled.data(), polled.size(), -1) < 0) return;
  for (size_t i = connections_.size(); i-- > 0;) {
    if (polled[i + 2].revents != 0 && !read_all(connections_[i]))
      connections_.erase(connections_.begin() + static_cast<std::ptrdiff_t>(i));
  }
  if (polled[0].revents != 0) accept_all();
}

void Keeper::accept_all() {
  for (;;) {
    UniqueFd socket(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (socket.valid()) {
      add_stranger(std::move(socket));
    } else if (errno != ECONNABORTED && errno != EINTR) {
      if (errno != EAGAIN) rests_until_ = boot_time() + kRest;
      return;
    }
  }
}

// Whoever may open the socket must not take the descriptors that the store's wires need.
void Keeper::add_stranger(UniqueFd socket) {
  const auto strangers = std::ranges::count(connections_, false, &Connection::is_store);
  if (static_cast<size_t>(strangers) >= kStrangersMax)
    connections_.erase(std::ranges::find(connections_, false, &Connection::is_store));
  connections_.push_back({std::move(socket), false});
}

// false: it has ended.
bool Keeper::read_all(Connection& connection) {
  for (;;) {
    Result<std::optional<SetupMessage>> message = receive_setup(connection.socket.get());
    if (!message) return false;
    if (!*message) return true;
    take(connection, **message);
  }
}

void Keeper::take(Connection& connection, SetupMessage& message) {
  switch (message.kind) {
    case SetupKind::kRequest:
      connection.is_store = message.role == DaemonRole::kStore && of_this_user(connection.socket.get());
      return;
    case SetupKind::kKeeperWire:
      if (connection.is_store) wires_[message.endpoint] = std::move(message.descriptor);
      return;
    case SetupKind::kKeeperReady:
      if (!connection.is_store) return;
      on_duty_ = page_.enter_duty(message.generation, on_duty_);
      if (!on_duty_) log_error("the keeper's lock is held by another process: no client is served");
      return;
    default:
      return;
  }
}

bool Keeper::store_connected() const {
  return std::ranges::any_of(connections_, &Connection::is_store);
}

// ---- the lease ----

// Returns when it is to be called again at the latest.
TimeNs Keeper::step(TimeNs now) {
  if (fencing_ != 0) return go_on_fencing(now);
  const TimeNs lease = page_.serve_until();
  if (now < lease) {
    over_since_ = kNever;
    return lease;
  }
  if (page_.records_taken()) {
    over_since_ = kNever;
    if (!store_connected()) _exit(0);  // the kernel lets go of lock and wires
    return kNever;                     // recoveryd rings when there is a lease again
  }
  // After a pause of the whole machine the patience is over at once.
  if (over_since_ == kNever) over_since_ = lease == 0 ? now : lease;
  if (now < over_since_ + kStorePatience) return over_since_ + kStorePatience;
  begin_fence(page_.serving_epoch());
  return go_on_fencing(now);
}

// A file in a process of its own each: a client that keeps a chain of one does not delay the others.
void Keeper::begin_fence(uint64_t epoch) {
  log_warning("the lease has ended and ctdb-store does not act: the keeper takes the records away");
  fencing_ = epoch;
  over_since_ = kNever;
  page_.begin_fence(epoch);
  child_check_ = kChildCheckFirst;
  for (const std::string& name : volatile_names(options_.volatile_directory, options_.pnn)) {
    fences_.push_back({volatile_path(options_.volatile_directory, options_.pnn, name)});
    fences_.back().has_lock = flags_.cleared(fences_.size() - 1);
  }
}

TimeNs Keeper::go_on_fencing(TimeNs now) {
  for (Fence& fence : fences_) {
    if (fence.child == 0 && fence_is_over()) fence.path.clear();
    if (fence.child == 0 && !fence.path.empty() && now >= fence.retry_at) start_child(fence);
    if (fence.child > 0) watch_child(fence, now);
  }
  std::erase_if(fences_, [](const Fence& fence) { return fence.path.empty(); });
  if (!fences_.empty()) {
    child_check_ = std::min(2 * child_check_, kChildCheckMax);
    TimeNs next = kNever;
    for (const Fence& fence : fences_)
      next =
          std::min(next, fence.child > 0 ? now + child_check_ : std::max(fence.retry_at, now + kMillisecond));
    return next;
  }
  page_.end_fence(fencing_);
  log_notice(fence_is_over() ? "the node serves anew: the keeper has left what clients had locked as it was"
                             : "the keeper has taken the records of this node away");
  fencing_ = 0;
  return now;
}

void Keeper::watch_child(Fence& fence, TimeNs now) {
  // A store that starts anew cuts a file it cannot empty in place. Who waits for a lock in there is never woken.
  if (inode_of(fence.path) != fence.inode) kill(fence.child, SIGKILL);
  // Who waits for the lock of the whole file keeps all clients out of it, for one that keeps a chain. It says that it has the
  // lock before it looks whether the epoch is still the old one, so that it is never ended in the middle of a write.
  if (fence_is_over() && fence.has_lock != nullptr && !*fence.has_lock) kill(fence.child, SIGKILL);
  int status = 0;
  if (waitpid(fence.child, &status, WNOHANG) == 0) return;
  fence.child = 0;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return fence.path.clear();
  if (!WIFEXITED(status))
    return;  // killed: there is another file now, or the next look finds that it is over
  fence.retry_after = std::clamp(2 * fence.retry_after, kRetryFirst, kRetryMax);
  fence.retry_at = now + fence.retry_after;
}

void Keeper::start_child(Fence& fence) {
  const pid_t self = getpid();
  fence.inode = inode_of(fence.path);
  fence.child = fork();
  if (fence.child < 0) {
    fence.child = 0;
    fence.retry_at = boot_time() + kRetryFirst;
    return;
  }
  if (fence.child != 0) return;
  // Wires must end with the keeper, whatever its children wait for.
  close_range(3, ~0u, 0);
  settle_in(self, "ctdb-fence");
  const bool done = fence_file(fence.path, options_.tdb_flags, options_.pnn, page_, fencing_,
                               fence.retry_after != 0, fence.has_lock);
  _exit(done ? 0 : 1);
}

void Keeper::run() {
  for (;;) {
    const TimeNs next = step(boot_time());
    if (next <= boot_time()) continue;
    wait(next);
  }
}

}  // namespace

void run_keeper(const KeeperOptions& options, NodePage& page, int store) {
  become_helper("ctdb-keeper", store, kStoreSocket);
  prctl(PR_SET_NAME, "ctdb-keeper");
  ignore_signals();
  Keeper keeper(options, page, kStoreSocket);
  if (!keeper.listen()) _exit(0);
  keeper.run();
}

}  // namespace ctdb
