// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-recoveryd/mutex_helper.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace ctdb {
namespace {

constexpr int kPatience = 200;         // looks at whether it has died of SIGTERM
constexpr useconds_t kLookUs = 5'000;  // and the time between them
constexpr int kCannotStart = 127;

[[noreturn]] void become(const std::vector<std::string>& command, int output, pid_t parent) {
  setpgid(0, 0);
  // It is to end on SIGTERM, whatever this process thinks of that.
  signal(SIGTERM, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent) _exit(0);
  const int null = open("/dev/null", O_RDONLY);
  dup2(null, 0);
  dup2(output, 1);
  std::vector<char*> words;
  words.reserve(command.size() + 1);
  for (const std::string& word : command) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  execv(words[0], words.data());
  dprintf(2, "%s cannot be started: %s\n", words[0], std::strerror(errno));
  _exit(kCannotStart);
}

}  // namespace

Result<void> MutexHelper::start() {
  end();
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return fail_errno("making a pipe for " + command_[0]);
  UniqueFd write_end(ends[1]);
  output_.reset(ends[0]);
  fcntl(output_.get(), F_SETFL, O_NONBLOCK);
  spoken_ = holds_ = false;
  const pid_t self = getpid();
  const pid_t child = fork();
  if (child < 0) return fail_errno("starting " + command_[0]);
  if (child == 0) become(command_, write_end.get(), self);
  pid_ = child;
  setpgid(child, child);  // as the child does itself: whoever comes first
  process_.reset(static_cast<int>(syscall(SYS_pidfd_open, child, 0)));  // glibc's own does not link with C++
  if (process_.valid()) return {};
  const int error = errno;
  end();
  return fail(Error{ErrorCode::kSystem, error, "watching " + command_[0]});
}

bool MutexHelper::has_ended() const {
  pollfd end{process_.get(), POLLIN, 0};
  return poll(&end, 1, 0) > 0;
}

MutexHelper::News MutexHelper::first_word(char word) {
  spoken_ = true;
  holds_ = word == '0';
  switch (word) {
    case '0':
      return {LockState::kHeld, ""};
    case '1':
      return {LockState::kElsewhere, "another node has the cluster lock"};
    case '2':
      return {LockState::kElsewhere, "the cluster lock was not given in time"};
    case '3':
      return {LockState::kFailed, command_[0] + " says that it failed"};
    default:
      return {LockState::kFailed, command_[0] + " says something else than 0, 1, 2 or 3"};
  }
}

std::optional<MutexHelper::News> MutexHelper::on_readable() {
  const bool ended = has_ended();  // before it is read: what it said is heard first
  char words[256];
  const ssize_t got = read(output_.get(), words, sizeof words);
  if (got > 0 && !spoken_) return first_word(words[0]);
  const bool closed = got == 0;
  if (!ended && !closed) return std::nullopt;
  const bool held = holds_;
  const bool spoke = spoken_;
  end();
  if (held) return News{LockState::kLost, "the cluster lock is lost: " + command_[0] + " has ended"};
  if (spoke) return std::nullopt;
  return News{LockState::kFailed, command_[0] + " ended without a word"};
}

void MutexHelper::end() {
  output_.reset();
  process_.reset();
  holds_ = false;
  if (pid_ <= 0) return;
  kill(-pid_, SIGTERM);
  int looks = 0;
  // Until there is no child in that group any more. waitpid() has no deadline; this process has nothing else to do.
  for (pid_t gone = waitpid(-pid_, nullptr, WNOHANG); gone >= 0; gone = waitpid(-pid_, nullptr, WNOHANG)) {
    if (gone > 0) continue;
    if (++looks == kPatience) kill(-pid_, SIGKILL);
    usleep(kLookUs);  // between two looks
  }
  pid_ = 0;
}

}  // namespace ctdb
