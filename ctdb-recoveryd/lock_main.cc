// SPDX-License-Identifier: GPL-3.0-or-later
// ctdb-lock: what recoveryd has done for it because it may hang: running the helper of the cluster lock, reading and writing
// the register. recoveryd starts it; its standard input is their socket (lock_messages.h).
//
// usage: ctdb-lock PNN REGISTER HELPER [ARGUMENT...]
//
// It lets go of the lock when recoveryd is gone, and when that holds it and says nothing: a leader that hangs must not keep
// others from leading. (It has then lost its leases as well: they depend on the register.)
#include <poll.h>
#include <signal.h>
#include <time.h>

#include <algorithm>
#include <cstdlib>

#include "ctdb-recoveryd/lock_messages.h"
#include "ctdb-recoveryd/mutex_helper.h"
#include "ctdb-recoveryd/register_file.h"
#include "libctdbipc/base/time.h"

namespace ctdb {
namespace {

constexpr int kSocket = 0;
constexpr TimeNs kSilence = 1200 * kMillisecond;

TimeNs now() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * kSecond + time.tv_nsec;
}

// What a dead one had asked for is not written any more: the next life may have written newer words already.
bool recoveryd_lives() {
  pollfd socket{kSocket, POLLRDHUP, 0};
  return poll(&socket, 1, 0) == 0;
}

// As poll() wants it, rounded up.
int milliseconds_until(TimeNs when) {
  if (when == kNever) return -1;
  return static_cast<int>(std::max<TimeNs>(0, (when - now() + kMillisecond - 1) / kMillisecond));
}

class LockProcess {
 public:
  LockProcess(uint32_t pnn, std::string register_path, std::vector<std::string> helper)
      : register_(std::move(register_path), pnn), helper_(std::move(helper)) {}

  void run() {
    while (turn()) {
    }
  }

 private:
  // false: recoveryd is gone.
  bool turn() {
    const bool helps = helper_.running();
    pollfd watched[] = {{kSocket, POLLIN, 0},
                        {helps ? helper_.output() : -1, POLLIN, 0},
                        {helps ? helper_.process() : -1, POLLIN, 0}};
    const TimeNs silence_ends = helper_.holds() ? heard_ + kSilence : kNever;
    if (poll(watched, 3, milliseconds_until(silence_ends)) < 0) return errno == EINTR;
    // A helper that talks on and on is no word of recoveryd's.
    if (watched[0].revents == 0 && now() >= silence_ends) return lose("recoveryd says nothing");
    if ((watched[1].revents | watched[2].revents) != 0) {
      if (std::optional<MutexHelper::News> news = helper_.on_readable(); news && !tell(*news)) return false;
    }
    if (watched[0].revents == 0) return true;
    const std::optional<LockMessage> message = receive_lock_message(kSocket);
    if (!message || !handle(*message)) return false;
    heard_ = now();
    return true;
  }

  bool lose(const std::string& why) {
    helper_.end();
    return tell({LockState::kLost, "the cluster lock was let go: " + why});
  }

  bool tell(const MutexHelper::News& news) {
    if (news.state != LockState::kHeld) helper_.end();
    heard_ = now();
    LockMessage message{LockMessageKind::kState, wish_, {}};
    Writer w(message.rest);
    w.u8(static_cast<uint8_t>(news.state));
    w.bytes(as_bytes(news.why));
    return send_lock_message(kSocket, message);
  }

  bool handle(const LockMessage& message) {
    switch (message.kind) {
      case LockMessageKind::kWant: {
        wish_ = message.number;
        Result<void> started = helper_.start();
        return started ? true : tell({LockState::kFailed, started.error().text()});
      }
      case LockMessageKind::kLetGo:
        helper_.end();
        return true;
      case LockMessageKind::kAccess:
        return access(message);
      default:
        return true;
    }
  }

  bool access(const LockMessage& message) {
    const Result<RegisterFile::Slots> slots = register_.access(message.rest, recoveryd_lives);
    LockMessage answer{LockMessageKind::kAnswer, message.number, {}};
    if (!slots) {
      answer.rest = to_bytes(as_bytes(slots.error().text()));
      return send_lock_message(kSocket, answer);
    }
    for (const auto& [pnn, bytes] : *slots) {
      LockMessage slot{LockMessageKind::kSlot, message.number, {}};
      Writer w(slot.rest);
      w.u32(pnn);
      w.bytes(bytes);
      if (!send_lock_message(kSocket, slot)) return false;
    }
    return send_lock_message(kSocket, answer);
  }

  RegisterFile register_;
  MutexHelper helper_;
  uint64_t wish_ = 0;
  TimeNs heard_ = 0;  // recoveryd spoke last, or was spoken to
};

}  // namespace
}  // namespace ctdb

int main(int argc, char** argv) {
  if (argc < 4) {
    fprintf(stderr, "usage: ctdb-lock PNN REGISTER HELPER [ARGUMENT...]; ctdb-recoveryd starts it\n");
    return 2;
  }
  // Signals for the whole process group (Ctrl-C) are recoveryd's affair: its end is told by the socket.
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGPIPE}) signal(number, SIG_IGN);
  ctdb::LockProcess process(static_cast<uint32_t>(strtoul(argv[1], nullptr, 10)), argv[2],
                            std::vector<std::string>(argv + 3, argv + argc));
  process.run();
  return 0;
}
