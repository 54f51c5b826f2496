// SPDX-License-Identifier: GPL-3.0-or-later
// The lock process, and what it is made of: the register's file, and helpers, ours and Debian's.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "ctdb-recoveryd/lock_messages.h"
#include "ctdb-recoveryd/mutex_helper.h"
#include "ctdb-recoveryd/register_file.h"
#include "ctdb-recoveryd/state_slot.h"

namespace ctdb {
namespace {

class LockFiles : public ::testing::Test {
 protected:
  LockFiles() {
    char pattern[] = "/tmp/ctdb-lock-XXXXXX";
    directory = mkdtemp(pattern);
    path = directory + "/file";
  }
  ~LockFiles() override { std::filesystem::remove_all(directory); }
  std::string directory, path;
};

// ---- the register ----

using Slots = RegisterFile::Slots;

Slots slots_of(RegisterFile& file, std::string_view own = "") {
  Result<Slots> slots = file.access(as_bytes(own));
  EXPECT_TRUE(slots) << slots.error().text();
  return slots ? *slots : Slots();
}

Slots expected(std::initializer_list<std::pair<uint32_t, const char*>> slots) {
  Slots all;
  for (const auto& [pnn, text] : slots) all.emplace_back(pnn, to_bytes(as_bytes(text)));
  return all;
}

TEST_F(LockFiles, ARegisterHasWhatEveryNodeWroteLast) {
  RegisterFile one(path, 1), five(path, 5);
  EXPECT_EQ(slots_of(one), Slots());
  EXPECT_EQ(slots_of(five, "five"), expected({{5, "five"}}));
  EXPECT_EQ(slots_of(one, "one"), expected({{1, "one"}, {5, "five"}}));
  EXPECT_EQ(slots_of(five, "more"), expected({{1, "one"}, {5, "more"}}));
  EXPECT_EQ(slots_of(five), expected({{1, "one"}, {5, "more"}}));
}

TEST_F(LockFiles, AWriteThatWasCutOffLeavesTheOneBefore) {
  RegisterFile zero(path, 0);
  slots_of(zero, "first");   // sequence 1: the second half
  slots_of(zero, "second");  // the first half
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(20);
  file.put('x');
  file.close();
  EXPECT_EQ(slots_of(zero), expected({{0, "first"}}));
  EXPECT_EQ(slots_of(zero, "third"), expected({{0, "third"}}));
}

TEST_F(LockFiles, ADamagedSlotIsNamedAndNothingIsBelieved) {
  RegisterFile zero(path, 0), one(path, 1);
  slots_of(one, "one");
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(StateSlot::kPairBytes + StateSlot::kBytes + 20));
  file.put('x');
  file.close();
  const Result<Slots> slots = zero.access(as_bytes("zero"));
  ASSERT_FALSE(slots);
  EXPECT_NE(slots.error().text().find("the slot of node 1 in " + path + " is damaged"), std::string::npos);
}

TEST_F(LockFiles, ADirectoryThatIsNotThereIsAnError) {
  RegisterFile file(directory + "/none/register", 0);
  ASSERT_FALSE(file.access({}));
}

// ---- helpers ----

std::string beside(const char* program) {
  return (std::filesystem::read_symlink("/proc/self/exe").parent_path() / program).string();
}

std::string own_helper() {
  return beside("ctdb-mutex-fcntl");
}

MutexHelper::News next_news(MutexHelper& helper) {
  while (helper.running()) {
    pollfd watched[] = {{helper.output(), POLLIN, 0}, {helper.process(), POLLIN, 0}};
    poll(watched, 2, -1);
    if (std::optional<MutexHelper::News> news = helper.on_readable()) return *news;
  }
  return {LockState::kFailed, "it does not run"};
}

LockState taken_by(MutexHelper& helper) {
  EXPECT_TRUE(helper.start());
  return next_news(helper).state;
}

TEST_F(LockFiles, OurHelperAndDebiansExcludeEachOther) {
  const std::string debians = "/usr/libexec/ctdb/ctdb_mutex_fcntl_helper";
  ASSERT_TRUE(std::filesystem::exists(debians)) << "install-deps installs it with the package ctdb";
  for (const auto& [first, second] : {std::pair(own_helper(), debians), std::pair(debians, own_helper())}) {
    MutexHelper one({first, path}), other({second, path});
    EXPECT_EQ(taken_by(one), LockState::kHeld) << first;
    EXPECT_TRUE(one.holds());
    EXPECT_EQ(taken_by(other), LockState::kElsewhere) << second;
    one.end();
    EXPECT_EQ(taken_by(other), LockState::kHeld) << second;
  }
}

TEST_F(LockFiles, AHelperThatEndsHasLostTheMutex) {
  MutexHelper helper({own_helper(), path});
  ASSERT_EQ(taken_by(helper), LockState::kHeld);
  std::filesystem::remove(path);  // it looks every second
  const MutexHelper::News news = next_news(helper);
  EXPECT_EQ(news.state, LockState::kLost);
  EXPECT_NE(news.why.find("has ended"), std::string::npos);
}

TEST_F(LockFiles, WhatAHelperSaysAndWhatItMayNotSay) {
  const std::pair<const char*, LockState> words[] = {
      {"0", LockState::kHeld},   {"1", LockState::kElsewhere}, {"2", LockState::kElsewhere},
      {"3", LockState::kFailed}, {"x", LockState::kFailed},    {"", LockState::kFailed}};
  for (const auto& [word, state] : words) {
    MutexHelper helper({"/bin/sh", "-c", std::string("printf '%s' '") + word + "'; exec sleep 1"});
    EXPECT_EQ(taken_by(helper), state) << word;
  }
  MutexHelper missing({directory + "/no-such-program"});
  EXPECT_EQ(taken_by(missing), LockState::kFailed);
}

TEST_F(LockFiles, AHelperThatIgnoresSigtermIsKilled) {
  MutexHelper helper({"/bin/sh", "-c", "trap '' TERM; printf 0; while :; do sleep 1; done"});
  ASSERT_EQ(taken_by(helper), LockState::kHeld);
  helper.end();
  EXPECT_FALSE(helper.running());
}

TEST_F(LockFiles, TheEndOfAHelperIsSeenAlthoughItsChildKeepsThePipe) {
  // The child outlives the script, which ends at once.
  MutexHelper helper({"/bin/sh", "-c", "sleep 100 & echo $! >" + path + "; printf 0"});
  ASSERT_EQ(taken_by(helper), LockState::kHeld);
  const MutexHelper::News news = next_news(helper);
  EXPECT_EQ(news.state, LockState::kLost);
  EXPECT_NE(news.why.find("has ended"), std::string::npos);
  pid_t child = 0;
  std::ifstream(path) >> child;
  ASSERT_GT(child, 0);
  EXPECT_EQ(kill(child, 0), -1) << "it might have the mutex, and nobody could end it any more";
}

TEST_F(LockFiles, AnOptionIsNoFileToLock) {
  std::filesystem::current_path(directory);
  for (const auto& [option, status] : {std::pair("--help", 0), std::pair("--version", 2)}) {
    EXPECT_EQ(WEXITSTATUS(system(("timeout 5 " + own_helper() + " " + option + " >/dev/null 2>&1").c_str())),
              status);
    EXPECT_FALSE(std::filesystem::exists(option));
  }
  std::filesystem::current_path("/");
}

// ---- the process ----

class LockProgram : public LockFiles {
 protected:
  void start(const std::string& helper_script) {
    int ends[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    socket.reset(ends[0]);
    const UniqueFd theirs(ends[1]);
    const std::string program = beside("ctdb-lock");
    pid = fork();
    if (pid != 0) return;
    dup2(theirs.get(), 0);
    execl(program.c_str(), program.c_str(), "0", path.c_str(), "/bin/sh", "-c", helper_script.c_str(),
          nullptr);
    _exit(127);
  }
  void say(LockMessageKind kind, std::string_view rest = "") {
    EXPECT_TRUE(send_lock_message(socket.get(), {kind, 1, to_bytes(as_bytes(rest))}));
  }
  // What it says of the mutex, and nothing when it has said nothing for so long.
  std::optional<LockState> state(int within_ms = 10000) {
    pollfd watched{socket.get(), POLLIN, 0};
    if (poll(&watched, 1, within_ms) != 1) return std::nullopt;
    const std::optional<LockMessage> message = receive_lock_message(socket.get());
    if (!message || message->kind != LockMessageKind::kState) return std::nullopt;
    return static_cast<LockState>(message->rest.at(0));
  }
  void wait_for_its_end() {
    socket.reset();
    waitpid(pid, nullptr, 0);
  }
  UniqueFd socket;
  pid_t pid = 0;
};

TEST_F(LockProgram, WhatADeadRecoverydHadAskedForIsNotWritten) {
  // A helper that holds the mutex until it is killed.
  start("trap '' TERM; printf 0; while :; do sleep 1; done");
  say(LockMessageKind::kWant);
  ASSERT_EQ(state(), LockState::kHeld);
  say(LockMessageKind::kLetGo);  // takes a second, as the helper ignores SIGTERM
  say(LockMessageKind::kAccess, "of the past");
  wait_for_its_end();
  RegisterFile file(path, 0);
  EXPECT_EQ(slots_of(file), Slots()) << "the next life may have written there meanwhile";
}

TEST_F(LockProgram, LetsGoWhenRecoverydSaysNothingAlthoughTheHelperTalks) {
  // More often than the silence after which the mutex is lost.
  start("printf 0; while :; do echo; sleep 0.2; done");
  say(LockMessageKind::kWant);
  ASSERT_EQ(state(), LockState::kHeld);
  EXPECT_EQ(state(), LockState::kLost);
  wait_for_its_end();
}

TEST_F(LockProgram, KeepsTheMutexWhileRecoverydSpeaks) {
  // A helper that holds the mutex, longer than this test takes.
  start("printf 0; exec sleep 100");
  say(LockMessageKind::kWant);
  ASSERT_EQ(state(), LockState::kHeld);
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(state(400), std::nullopt);
    say(static_cast<LockMessageKind>(0));
  }
  wait_for_its_end();
}

}  // namespace
}  // namespace ctdb
