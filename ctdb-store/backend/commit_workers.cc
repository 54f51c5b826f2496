// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-store/backend/commit_workers.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "ctdb-store/backend/commit_worker_process.h"
#include "ctdb-store/backend/database_writer.h"
#include "libctdbipc/runtime/log.h"
#include "libctdbipc/wire/own_codec.h"

namespace ctdb {
namespace {

constexpr TimeNs kRestartDelay = kSecond;
// Of the contents of databases: what more than this waits for the process is not given to it yet.
constexpr size_t kQueuedBytesMax = 1u << 20;

}  // namespace

// One process and its socket.
class CommitWorkers::Worker : public PacketStream::Owner {
 public:
  using Run = std::function<void(int socket, pid_t parent)>;
  // on_restarted: there is another process, before it has orders.
  Worker(EventLoop& loop, const char* name, Run run, Done done, std::function<void()> on_restarted)
      : loop_(loop),
        name_(name),
        run_(std::move(run)),
        done_(std::move(done)),
        on_restarted_(std::move(on_restarted)) {}
  ~Worker() override {
    loop_.cancel(restart_timer_);
    loop_.cancel(fail_timer_);
    stream_.reset();  // it ends
    reap();
  }

  Result<void> start() {
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) return fail_errno("socketpair");
    UniqueFd ours(fds[0]), theirs(fds[1]);
    const pid_t self = getpid();
    pid_ = fork();
    if (pid_ < 0) return fail_errno(std::string("fork of ") + name_);
    if (pid_ == 0) run_(theirs.get(), self);
    if (fcntl(ours.get(), F_SETFL, O_NONBLOCK) != 0) return fail_errno("fcntl");
    stream_ = std::make_unique<PacketStream>(loop_, std::make_unique<PlainStream>(std::move(ours)), *this);
    if (Result<void> started = stream_->start(false); !started) return started;
    stream_->accept_all();
    return {};
  }

  // ticket 0: no answer is expected.
  void order(ByteView packet, uint64_t ticket) {
    if (stream_ != nullptr && stream_->open()) {
      if (ticket != 0) waiting_.push_back(ticket);
      stream_->add(Lane::kData, packet);
      stream_->flush();
    } else if (ticket != 0) {
      failed_.push_back(ticket);
      fail_later();
    }
  }

  size_t queued_bytes() const { return stream_ == nullptr || !stream_->open() ? 0 : stream_->queued_bytes(); }

 private:
  void on_connected(PacketStream&) override {}
  void on_connection_packet(PacketStream&, MutableBytes packet) override {
    Reader r(own_payload(packet));
    const uint64_t ticket = r.u64();
    const std::string error(as_text(r.counted_bytes()));
    if (!r.ok() || waiting_.empty() || waiting_.front() != ticket) return;
    waiting_.pop_front();
    done_(ticket, error);
  }
  void on_broken(PacketStream&, const std::string& why) override {
    log_error(std::string(name_) + " has ended: " + why + "; starting another");
    stream_->close();
    failed_.insert(failed_.end(), waiting_.begin(), waiting_.end());
    waiting_.clear();
    fail_later();
    if (restart_timer_ == 0) restart_timer_ = loop_.at(loop_.now() + kRestartDelay, [this] { restart(); });
  }
  void restart() {
    restart_timer_ = 0;
    reap();
    stream_.reset();
    if (Result<void> started = start(); started) return on_restarted_();
    restart_timer_ = loop_.at(loop_.now() + kRestartDelay, [this] { restart(); });
  }
  // Never from inside the call that gave the order.
  void fail_later() {
    if (fail_timer_ == 0) fail_timer_ = loop_.at(loop_.now(), [this] { fail_all(); });
  }
  void fail_all() {
    fail_timer_ = 0;
    for (const uint64_t ticket : std::exchange(failed_, {})) done_(ticket, std::string(name_) + " has ended");
  }
  void reap() {
    if (pid_ > 0) waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }

  EventLoop& loop_;
  const char* name_;
  Run run_;
  Done done_;
  std::function<void()> on_restarted_;
  pid_t pid_ = 0;
  std::unique_ptr<PacketStream> stream_;
  std::deque<uint64_t> waiting_;
  std::vector<uint64_t> failed_;
  EventLoop::TimerId restart_timer_ = 0, fail_timer_ = 0;
};

CommitWorkers::CommitWorkers(Done done) : done_(std::move(done)) {}
CommitWorkers::~CommitWorkers() = default;

Result<std::unique_ptr<CommitWorkers>> CommitWorkers::start(EventLoop& loop, const std::string& log_path,
                                                            Done done) {
  auto workers = std::unique_ptr<CommitWorkers>(new CommitWorkers(std::move(done)));
  Result<CommitLogContents> contents = read_commit_log(log_path);
  if (!contents) return fail(std::move(contents.error()));
  workers->contents_ = std::move(*contents);
  const auto run_log = [log_path](int socket, pid_t parent) { run_log_worker(socket, parent, log_path); };
  const auto run_databases = [](int socket, pid_t parent) { run_database_worker(socket, parent); };
  CommitWorkers* self = workers.get();
  if (!self->contents_.image.entries.empty())
    self->log_end_ = self->synced_to_ = self->contents_.image.entries.back().position;
  const auto log_done = [self](uint64_t ticket, const std::string& error) {
    self->synced(error);
    self->done_(ticket, error);
  };
  // It may have written more than it lived to say, and the store was told that this failed.
  const auto cut_log = [self] { self->log_cut(self->synced_to_); };
  workers->log_ = std::make_unique<Worker>(loop, "the writer of the commit log", run_log, log_done, cut_log);
  const auto database_done = [self](uint64_t ticket, const std::string& error) {
    self->database_done(ticket, error);
  };
  workers->databases_ = std::make_unique<Worker>(loop, "the writer of full-copy databases", run_databases,
                                                 database_done, [] {});
  for (Worker* worker : {workers->log_.get(), workers->databases_.get()}) {
    if (Result<void> started = worker->start(); !started) return fail(std::move(started.error()));
  }
  return workers;
}

void CommitWorkers::synced(const std::string& error) {
  if (error.empty()) synced_to_ = syncing_to_;
}

void CommitWorkers::database_done(uint64_t ticket, const std::string& error) {
  if (ticket == checkpoint_ticket_) {
    if (!error.empty()) changed_.merge(copied_);
    copied_.clear();
  }
  done_(ticket, error);
}

void CommitWorkers::log_append(const KeptEntry& entry, LogPosition committed) {
  log_end_ = entry.position;
  payload_.clear();
  Writer w(payload_);
  put_position(w, committed);
  put_position(w, entry.position);
  w.u8(static_cast<uint8_t>(entry.kind));
  w.u32(entry.origin);
  w.u64(entry.id);
  w.counted_bytes(entry.payload);
  build_order(packet_, CommitOrder::kLogAppend, payload_);
  log_->order(packet_, 0);
}

void CommitWorkers::log_cut(LogPosition end) {
  log_end_ = std::min(log_end_, end);
  // The process may not live to do it: then the next one does.
  synced_to_ = std::min(synced_to_, end);
  payload_.clear();
  Writer w(payload_);
  put_position(w, end);
  build_order(packet_, CommitOrder::kLogCut, payload_);
  log_->order(packet_, 0);
}

void CommitWorkers::log_restart(LogPosition start, bool trusted) {
  log_end_ = start;
  payload_.clear();
  Writer w(payload_);
  put_position(w, start);
  w.u8(trusted ? 1 : 0);
  build_order(packet_, CommitOrder::kLogRestart, payload_);
  log_->order(packet_, 0);
}

void CommitWorkers::log_trust() {
  build_order(packet_, CommitOrder::kLogTrust, {});
  log_->order(packet_, 0);
}

void CommitWorkers::log_sync(uint64_t ticket) {
  syncing_to_ = log_end_;
  payload_.clear();
  Writer(payload_).u64(ticket);
  build_order(packet_, CommitOrder::kLogSync, payload_);
  log_->order(packet_, ticket);
}

void CommitWorkers::database_apply(uint64_t ticket, const RecordFile& file, CommitKind kind,
                                   ByteView payload) {
  if (is_persistent_file(file.open_flags())) changed_.insert(file.path());
  payload_.clear();
  Writer w(payload_);
  w.u64(ticket);
  w.i32(file.open_flags());
  w.counted_bytes(as_bytes(file.path()));
  w.u8(static_cast<uint8_t>(kind));
  w.counted_bytes(payload);
  build_order(packet_, CommitOrder::kApply, payload_);
  databases_->order(packet_, ticket);
}

void CommitWorkers::database_replace(const RecordFile& file, ByteView records, bool first) {
  payload_.clear();
  Writer w(payload_);
  w.counted_bytes(as_bytes(file.path()));
  w.u8(first ? 1 : 0);
  w.counted_bytes(records);
  build_order(packet_, CommitOrder::kReplace, payload_);
  databases_->order(packet_, 0);
}

void CommitWorkers::database_replaced(uint64_t ticket, const RecordFile& file, size_t parts) {
  payload_.clear();
  Writer w(payload_);
  w.u64(ticket);
  w.i32(file.open_flags());
  w.counted_bytes(as_bytes(file.path()));
  w.u64(parts);
  build_order(packet_, CommitOrder::kReplaced, payload_);
  databases_->order(packet_, ticket);
}

bool CommitWorkers::database_busy() const {
  return databases_->queued_bytes() > kQueuedBytesMax;
}

void CommitWorkers::database_checkpoint(uint64_t ticket) {
  checkpoint_ticket_ = ticket;
  copied_.merge(std::exchange(changed_, {}));
  payload_.clear();
  Writer w(payload_);
  w.u64(ticket);
  w.u32(static_cast<uint32_t>(copied_.size()));
  for (const std::string& path : copied_) w.counted_bytes(as_bytes(path));
  build_order(packet_, CommitOrder::kCheckpoint, payload_);
  databases_->order(packet_, ticket);
}

}  // namespace ctdb
