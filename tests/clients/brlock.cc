// SPDX-License-Identifier: GPL-3.0-or-later
// ctdb-brlock: byte-range locks by commands on standard input, one a line, each answered by one line.
//   ctdb-brlock --setup PATH | --local DIRECTORY  --db NAME [--copies K]
// Ranges are CONTEXT HANDLE read|write windows|posix START SIZE.
//   lock FILE RANGE | wait MS FILE RANGE | unlock FILE RANGE | test FILE RANGE | io FILE RANGE | close FILE CONTEXT HANDLE
//     ok, conflict PNN PID START SIZE (of what is in the way), or an error
//   list FILE             held PNN PID START SIZE, ... waiting PNN PID START SIZE, ..., separated by commas
//   reopen                closes the owner of locks and makes another one
//   messages              how many have come
//   hammer FILE COUNT SEED BYTES   so often a lock at random among BYTES, and back: "START SIZE read|write BEGUN ENDED" for each, separated
//                         by commas; between these times (ns, CLOCK_MONOTONIC) it was surely held
#include <ctdb_brlock.h>
#include <ctdb_local.h>
#include <time.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <map>
#include <random>
#include <sstream>
#include <string>

namespace {

constexpr int kCallTimeoutMs = 120000;

int64_t monotonic_ns() {
  timespec at{};
  clock_gettime(CLOCK_MONOTONIC, &at);
  return int64_t{at.tv_sec} * 1000000000 + at.tv_nsec;
}

class Brlock {
 public:
  ~Brlock() {
    ctdb_brlock_close(brlock_);
    ctdb_disconnect(client_);
  }

  std::string open(std::map<std::string, std::string>& given) {
    if (connect(given) != 0) return ctdb_error_text(nullptr);
    database_ = given["--db"];
    copies_ = static_cast<uint32_t>(std::strtoul(given["--copies"].c_str(), nullptr, 10));
    return become_an_owner();
  }

  std::string obey(const std::string& line) {
    std::istringstream in(line);
    std::string verb, file;
    int wait_ms = 0;
    in >> verb;
    if (verb == "wait") in >> wait_ms;
    in >> file;
    const ctdb_blob key = {file.data(), file.size()};
    if (verb == "reopen") return become_an_owner();
    if (verb == "messages") return messages();
    if (verb == "list") return list(key);
    if (verb == "hammer") return hammer(key, in);
    const ctdb_brlock_range range = range_of(in);
    if (verb == "close")
      return result(ctdb_brlock_close_handle(brlock_, key, range.context, range.handle, -1));
    if (verb == "wait") return result(ctdb_brlock_lock_wait(brlock_, key, &range, wait_ms, &blocker_));
    if (verb == "lock") return result(ctdb_brlock_lock(brlock_, key, &range, kCallTimeoutMs, &blocker_));
    if (verb == "unlock") return result(ctdb_brlock_unlock(brlock_, key, &range, kCallTimeoutMs));
    if (verb == "test") return result(ctdb_brlock_test(brlock_, key, &range, kCallTimeoutMs, &blocker_));
    if (verb == "io") return result(ctdb_brlock_test_io(brlock_, key, &range, kCallTimeoutMs, &blocker_));
    return "no such command";
  }

 private:
  // Another one than before, if there was one.
  std::string become_an_owner() {
    ctdb_brlock_close(brlock_);
    brlock_ = nullptr;
    const int error =
        ctdb_brlock_open(client_, database_.c_str(), CTDB_ATTACH_COPIES(copies_), kCallTimeoutMs, &brlock_);
    return error == 0 ? "ok" : text(error);
  }

  int connect(std::map<std::string, std::string>& given) {
    if (given.contains("--local")) return ctdb_connect_local(given["--local"].c_str(), &client_);
    return ctdb_connect(given["--setup"].c_str(), kCallTimeoutMs, &client_);
  }

  static ctdb_brlock_range range_of(std::istream& in) {
    ctdb_brlock_range range{};
    std::string type, flavour;
    in >> range.context >> range.handle >> type >> flavour >> range.start >> range.size;
    range.type = type == "write" ? CTDB_BRLOCK_WRITE : CTDB_BRLOCK_READ;
    range.flavour = flavour == "posix" ? CTDB_BRLOCK_POSIX : CTDB_BRLOCK_WINDOWS;
    return range;
  }

  static std::string of(const ctdb_brlock_holder& holder) {
    std::ostringstream out;
    out << holder.pnn << ' ' << holder.pid << ' ' << holder.range.start << ' ' << holder.range.size;
    return out.str();
  }

  std::string text(int error) const {
    const std::string more = brlock_ == nullptr ? ctdb_error_text(client_) : ctdb_brlock_error_text(brlock_);
    return std::string(ctdb_strerror(error)) + (more.empty() ? "" : ": ") + more;
  }
  std::string result(int error) const {
    if (error == CTDB_BRLOCK_CONFLICT) return "conflict " + of(blocker_);
    return error == 0 ? "ok" : text(error);
  }

  std::string messages() const {
    ctdb_stats stats{};
    ctdb_get_stats(client_, &stats, sizeof stats);
    return std::to_string(stats.messages_in);
  }

  std::string list(ctdb_blob file) {
    std::string all;
    const auto add = [](const ctdb_brlock_holder* holder, void* to) {
      auto& out = *static_cast<std::string*>(to);
      out +=
          (out.empty() ? "" : ", ") + std::string(holder->waiting == 1 ? "waiting " : "held ") + of(*holder);
    };
    const int error = ctdb_brlock_list(brlock_, file, kCallTimeoutMs, add, &all);
    return error < 0 ? text(error) : all;
  }

  std::string hammer(ctdb_blob file, std::istream& in) {
    unsigned count = 0, seed = 0;
    uint64_t bytes = 0;
    in >> count >> seed >> bytes;
    std::mt19937 random(seed);
    std::ostringstream out;
    for (unsigned i = 0; i < count; ++i) {
      const uint64_t start = random() % bytes, size = 1 + random() % (bytes - start);
      const int type = random() % 3 == 0 ? CTDB_BRLOCK_READ : CTDB_BRLOCK_WRITE;
      const ctdb_brlock_range range = {1, 1, start, size, type, CTDB_BRLOCK_WINDOWS};
      int error = ctdb_brlock_lock_wait(brlock_, file, &range, kCallTimeoutMs, &blocker_);
      const int64_t begun = monotonic_ns();
      usleep(300);  // long enough that one who has it too is seen
      const int io = error != 0 ? 0 : ctdb_brlock_test_io(brlock_, file, &range, kCallTimeoutMs, &blocker_);
      const int64_t ended = monotonic_ns();
      if (error == 0) error = ctdb_brlock_unlock(brlock_, file, &range, kCallTimeoutMs);
      if (error != 0 || io != 0) return result(error != 0 ? error : io);
      out << (i == 0 ? "" : ",") << start << ' ' << size << ' '
          << (type == CTDB_BRLOCK_READ ? "read " : "write ") << begun << ' ' << ended;
    }
    return out.str();
  }

  std::string database_;
  uint32_t copies_ = 0;
  ctdb_client* client_ = nullptr;
  ctdb_brlock* brlock_ = nullptr;
  ctdb_brlock_holder blocker_{};
};

}  // namespace

int main(int argc, char** argv) {
  std::map<std::string, std::string> given;
  for (int i = 1; i + 1 < argc; i += 2) given[argv[i]] = argv[i + 1];
  Brlock brlock;
  if (const std::string opened = brlock.open(given); opened != "ok") {
    std::cerr << "ctdb-brlock: " << opened << '\n';
    return 1;
  }
  std::cout << "ready" << std::endl;
  for (std::string line; std::getline(std::cin, line);) std::cout << brlock.obey(line) << std::endl;
  return 0;
}
