// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-recoveryd/lock_link.h"

#include <signal.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <sstream>

namespace ctdb {
namespace {

// Beside this program, where it was built or installed.
std::string beside(const char* name) {
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  return (self.parent_path() / name).string();
}

std::vector<std::string> helper_of(const std::string& cluster_lock) {
  if (cluster_lock[0] != '!') return {beside("ctdb-mutex-fcntl"), cluster_lock};
  std::istringstream words(cluster_lock.substr(1));
  std::vector<std::string> command;
  for (std::string word; words >> word;) command.push_back(word);
  return command;
}

}  // namespace

LockLink::~LockLink() {
  if (socket_.valid()) loop_.unwatch(socket_.get());
}

Result<void> LockLink::start() {
  if (pid_ > 0) waitpid(pid_, nullptr, WNOHANG);
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
    return fail_errno("making a socket for ctdb-lock");
  UniqueFd ours(ends[0]);
  const UniqueFd theirs(ends[1]);
  std::vector<std::string> command = {beside("ctdb-lock"), std::to_string(config_.pnn),
                                      config_.lock_register};
  for (std::string& word : helper_of(config_.cluster_lock)) command.push_back(std::move(word));
  std::vector<char*> words;
  words.reserve(command.size() + 1);
  for (std::string& word : command) words.push_back(word.data());
  words.push_back(nullptr);
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, theirs.get(), 0);
  const int error = posix_spawn(&pid_, words[0], &files, nullptr, words.data(), environ);
  posix_spawn_file_actions_destroy(&files);
  if (error != 0) return fail(Error{ErrorCode::kSystem, error, "starting " + command[0]});
  Result<void> watched = loop_.watch(ours.get(), EPOLLIN | EPOLLRDHUP, [this](uint32_t) { on_readable(); });
  if (!watched) return watched;
  socket_ = std::move(ours);
  return {};
}

void LockLink::want(bool wanted) {
  wanted_ = wanted;
  if (!wanted && !socket_.valid()) return;
  if (wanted) ++wish_;
  send({wanted ? LockMessageKind::kWant : LockMessageKind::kLetGo, wish_, {}});
}

void LockLink::access(uint64_t ticket, ByteView slot) {
  send({LockMessageKind::kAccess, ticket, to_bytes(slot)});
}

// It reads nothing while its file system hangs; then there is nothing to tell it either.
void LockLink::send(const LockMessage& message) {
  std::string fault;
  if (!socket_.valid()) {
    if (Result<void> started = start(); !started) fault = started.error().text();
  }
  if (fault.empty() && send_lock_message(socket_.get(), message, MSG_DONTWAIT)) return;
  if (fault.empty()) fault = "ctdb-lock does not listen";
  loop_.at(loop_.now(), [this, fault] { gone(fault); });
}

void LockLink::on_readable() {
  std::optional<LockMessage> message = receive_lock_message(socket_.get(), MSG_DONTWAIT);
  if (!message) return gone("ctdb-lock has died");
  handle(*message);
}

void LockLink::handle(const LockMessage& message) {
  Reader r(message.rest);
  switch (message.kind) {
    case LockMessageKind::kState: {
      const auto state = static_cast<LockState>(r.u8());
      if (message.number == wish_ && wanted_)
        listener_.on_lock(state, std::string(as_text(r.bytes(r.left()))));
      return;
    }
    case LockMessageKind::kSlot: {
      if (message.number != answer_.ticket) answer_ = {message.number, "", {}};
      const uint32_t pnn = r.u32();
      answer_.slots.push_back({pnn, to_bytes(r.bytes(r.left()))});
      return;
    }
    case LockMessageKind::kAnswer: {
      if (message.number != answer_.ticket) answer_ = {message.number, "", {}};
      answer_.fault = std::string(as_text(message.rest));
      const RegisterAnswer answer = std::move(answer_);
      answer_ = {};
      return listener_.on_register(answer);
    }
    default:
      return;
  }
}

void LockLink::gone(const std::string& why) {
  if (socket_.valid()) {
    loop_.unwatch(socket_.get());
    socket_.reset();
  }
  answer_ = {};
  if (wanted_) listener_.on_lock(LockState::kLost, "the cluster lock is not held: " + why);
}

}  // namespace ctdb
