// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbshare/common/liveness.h"

#include <signal.h>
#include <sys/random.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <sstream>
#include <string>

namespace ctdb_share {
namespace {

constexpr uint32_t kCheckPidSrvid = 151;
constexpr int kInstanceBits = 16;

struct Process {
  char state = 0;      // 0: there is no such process, or nobody can say
  uint64_t start = 0;  // ticks since the machine was started
};

// proc(5), stat: the name may have spaces and brackets; state is the first field after it, start the 20th.
Process look_at(int32_t pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  std::getline(in, line);
  const size_t name_end = line.rfind(')');
  if (name_end == std::string::npos) return {};
  std::istringstream fields(line.substr(name_end + 1));
  Process process;
  std::string passed;
  fields >> process.state;
  for (int i = 0; i < 18; ++i) fields >> passed;
  if (!(fields >> process.start)) return {};
  return process;
}

}  // namespace

uint64_t random_unique_id() {
  uint64_t value = 0;
  while (getrandom(&value, sizeof value, 0) != sizeof value) {
  }
  return value >> 2 | uint64_t{1} << 62;
}

uint64_t local_unique_id() {
  static uint64_t instances = 0;
  const uint64_t start = look_at(getpid()).start;
  return start == 0 ? 0 : start << kInstanceBits | (instances++ & ((1u << kInstanceBits) - 1));
}

bool local_is_dead(const ServerId& server) {
  if (kill(server.pid, 0) != 0 && errno == ESRCH) return true;
  const Process process = look_at(server.pid);
  if (process.state == 0) return false;
  return process.state == 'Z' || process.state == 'X' || process.start != server.unique >> kInstanceBits;
}

int ask_if_dead(ctdb_client* client, const ServerId& server, int timeout_ms, bool* dead) {
  uint8_t question[12];
  const auto put = [&](size_t at, uint64_t value, size_t size) {
    for (size_t i = 0; i < size; ++i) question[at + i] = static_cast<uint8_t>(value >> (8 * i));
  };
  put(0, static_cast<uint32_t>(server.pid), 4);
  put(4, server.unique, 8);
  const ctdb_control_request request = {server.pnn, kCheckPidSrvid, 0, 0, {question, sizeof question}};
  ctdb_reply reply{};
  const int error = ctdb_control(client, &request, timeout_ms, &reply);
  if (error == 0) *dead = reply.status != 0;
  return error;
}

}  // namespace ctdb_share
