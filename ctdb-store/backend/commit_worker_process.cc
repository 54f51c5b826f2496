// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-store/backend/commit_worker_process.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "ctdb-store/backend/commit_log_file.h"
#include "ctdb-store/backend/commit_orders.h"
#include "ctdb-store/backend/database_writer.h"
#include "ctdb-store/backend/process_start.h"
#include "libctdbipc/base/limits.h"
#include "libctdbipc/runtime/log.h"
#include "libctdbipc/wire/frame_reader.h"
#include "libctdbipc/wire/own_codec.h"

namespace ctdb {
namespace {

constexpr int kSocket = 3;

void answer(uint64_t ticket, const std::string& error) {
  Bytes payload;
  Writer w(payload);
  w.u64(ticket);
  w.counted_bytes(as_bytes(error));
  Bytes packet;
  build_order(packet, CommitOrder::kDone, payload);
  size_t done = 0;
  while (done < packet.size()) {
    const ssize_t put = ::send(kSocket, packet.data() + done, packet.size() - done, MSG_NOSIGNAL);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) _exit(0);  // the store is gone
    done += static_cast<size_t>(put);
  }
}

void answer(uint64_t ticket, const Result<void>& result) {
  answer(ticket, result ? "" : result.error().text());
}

// Reads orders for ever.
template <typename Serve>
[[noreturn]] void serve_orders(Serve serve) {
  FrameReader reader(FrameReader::Policy::kLink, kPacketBytesMax + kHelloBytesMax);
  for (;;) {
    const MutableBytes room = reader.room();
    const ssize_t got = ::read(kSocket, room.data(), room.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) _exit(0);
    reader.received(static_cast<size_t>(got));
    MutableBytes packet;
    FrameReader::Next next;
    while ((next = reader.next(packet)) == FrameReader::Next::kPacket) {
      Reader payload(own_payload(packet));
      serve(static_cast<CommitOrder>(read_header(packet).operation), payload);
    }
    if (next == FrameReader::Next::kFault) _exit(1);
  }
}

class LogWorker {
 public:
  explicit LogWorker(std::string path) : path_(std::move(path)) { open(); }

  void serve(CommitOrder order, Reader& r) {
    switch (order) {
      case CommitOrder::kLogAppend:
        return append(r);
      case CommitOrder::kLogCut:
        return cut(take_position(r));
      case CommitOrder::kLogRestart: {
        const LogPosition start = take_position(r);
        return restart(start, r.u8() != 0);
      }
      case CommitOrder::kLogTrust:
        if (file_) file_->trust();
        return;
      case CommitOrder::kLogSync:
        return sync(r.u64());
      default:
        return;
    }
  }

 private:
  void open() {
    Result<CommitLogFile> opened = CommitLogFile::open(path_);
    if (opened) {
      file_.emplace(std::move(*opened));
    } else {
      failed_ = opened.error().text();
    }
  }
  void append(Reader& r) {
    const LogPosition committed = take_position(r);
    KeptEntry entry;
    entry.position = take_position(r);
    entry.kind = static_cast<CommitKind>(r.u8());
    entry.origin = r.u32();
    entry.id = r.u64();
    entry.payload = to_bytes(r.counted_bytes());
    if (file_ && failed_.empty()) file_->append(entry, committed);
  }
  void cut(LogPosition end) {
    if (!file_) open();
    if (!file_) return;
    const Result<void> done = file_->cut(end);
    failed_ = done ? "" : done.error().text();
  }
  void restart(LogPosition start, bool trusted) {
    if (!file_) open();
    if (!file_) return;
    const Result<void> done = file_->restart(start, trusted);
    failed_ = done ? "" : done.error().text();
  }
  void sync(uint64_t ticket) {
    if (!failed_.empty()) return answer(ticket, failed_);
    const Result<void> done = file_->sync();
    if (!done) failed_ = done.error().text();
    answer(ticket, done);
  }

  std::string path_;
  std::optional<CommitLogFile> file_;
  std::string failed_;  // since then nothing is appended; a cut or a restart ends it
};

class DatabaseWorker {
 public:
  void serve(CommitOrder order, Reader& r) {
    switch (order) {
      case CommitOrder::kApply:
        return apply(r);
      case CommitOrder::kReplace: {
        const std::string path(as_text(r.counted_bytes()));
        const bool first = r.u8() != 0;
        return writer_.keep_part(path, r.counted_bytes(), first);
      }
      case CommitOrder::kReplaced: {
        const uint64_t ticket = r.u64();
        const int flags = r.i32();
        const std::string path(as_text(r.counted_bytes()));
        return answer(ticket, writer_.replace(path, flags, r.u64()));
      }
      case CommitOrder::kCheckpoint: {
        const uint64_t ticket = r.u64();
        for (uint32_t left = r.u32(); left > 0 && r.ok(); --left)
          writer_.note_changed(std::string(as_text(r.counted_bytes())));
        return answer(ticket, writer_.checkpoint());
      }
      default:
        return;
    }
  }

 private:
  void apply(Reader& r) {
    const uint64_t ticket = r.u64();
    const int flags = r.i32();
    const std::string path(as_text(r.counted_bytes()));
    const auto kind = static_cast<CommitKind>(r.u8());
    answer(ticket, writer_.apply(path, flags, kind, r.counted_bytes()));
  }

  DatabaseWriter writer_;
};

}  // namespace

void run_log_worker(int socket, pid_t parent, const std::string& log_path) {
  become_helper("ctdb-commit-log", socket, kSocket);
  settle_in(parent, "ctdb-commit-log");
  LogWorker worker(log_path);
  serve_orders([&](CommitOrder order, Reader& r) { worker.serve(order, r); });
}

void run_database_worker(int socket, pid_t parent) {
  become_helper("ctdb-commit-db", socket, kSocket);
  settle_in(parent, "ctdb-commit-db");
  DatabaseWorker worker;
  serve_orders([&](CommitOrder order, Reader& r) { worker.serve(order, r); });
}

}  // namespace ctdb
