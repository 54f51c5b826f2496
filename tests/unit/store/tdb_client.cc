// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/unit/store/tdb_client.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

namespace ctdb {
namespace {

// Programs of one build stand side by side.
std::string program() {
  return (std::filesystem::read_symlink("/proc/self/exe").parent_path() / "tdb_client_process").string();
}

}  // namespace

TdbClient::TdbClient(const std::string& path, int tdb_flags) {
  int in[2], out[2];
  if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0) return;
  const std::string name = program();
  const std::string flags = std::to_string(tdb_flags);
  pid_ = fork();
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(in[0], 0);
    dup2(out[1], 1);
    execl(name.c_str(), name.c_str(), path.c_str(), flags.c_str(), nullptr);
    _exit(127);
  }
  close(in[0]);
  close(out[1]);
  to_ = fdopen(in[1], "w");
  from_ = fdopen(out[0], "r");
  opened_ = answer() == "ok";
}

TdbClient::~TdbClient() {
  fclose(to_);  // it leaves at the end of its input
  if (pid_ > 0) waitpid(pid_, nullptr, 0);
  fclose(from_);
}

void TdbClient::start(const std::string& line) {
  std::fputs((line + "\n").c_str(), to_);
  std::fflush(to_);
}

std::string TdbClient::answer() {
  std::string text;
  for (int c; (c = std::fgetc(from_)) != '\n';) {
    if (c == EOF) return "dead";
    text += static_cast<char>(c);
  }
  return text;
}

std::string TdbClient::ask(const std::string& line) {
  start(line);
  return answer();
}

void TdbClient::kill_it() {
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

std::string hex(const std::string& text) {
  std::string out;
  for (const char c : text) {
    char digits[3];
    std::snprintf(digits, sizeof digits, "%02x", static_cast<unsigned char>(c));
    out += digits;
  }
  return out;
}

}  // namespace ctdb
