// SPDX-License-Identifier: GPL-3.0-or-later
// ctdb-opendb: open files by commands on standard input, one a line, each answered by one line.
//   ctdb-opendb --setup PATH | --local DIRECTORY  --db NAME [--copies K]
// ACCESS is some of "rwaxds" (read, write, append, execute, delete, the attributes), SHARE some of "rwd", LEVEL some of "rhw", or "-".
//   open FILE NAME ACCESS SHARE [delete=TOKEN] [lease=KEY:LEVEL] [flags=FLAGS] [ms=TIME-OUT]     FLAGS: some of "old" (overwrite, locks, directory)
//     open HANDLE [LEVEL] ("!" behind it: being broken); conflict, pending or breaking PNN PID ACCESS SHARE (of who is in the way)
//   close FILE HANDLE     closed, last, or delete NAME TOKEN
//   rename FILE HANDLE NAME   ok, or pending
//   deleted FILE HANDLE | set FILE HANDLE TOKEN | unset FILE HANDLE    ok
//   list FILE             PNN PID NAME ACCESS SHARE [LEVEL[!]] [on-close] [pending], ... separated by commas
//   answer yes | no       whether leases are given back when that is asked for; no, until this says otherwise
//   told                  KEY LEVEL [forced], ... of breaks that were told since this was asked last, each once; renamed FILE OLD NEW
//   give FILE KEY LEVEL   ok
//   break FILE KEY|- LEVEL MS   ok, or breaking PNN PID ...
//   break-time MS         ok
//   reopen                closes the owner of handles and makes another one
//   messages              how many have come
//   hammer FILE COUNT SEED   so often opens the file at random and closes it: "ACCESS SHARE LEVEL BEGUN ENDED CACHED" for each, separated by commas; between
//                         BEGUN and ENDED (ns, CLOCK_MONOTONIC) it was surely open, and its lease was LEVEL until CACHED. Conflicts are not told
// or an error.
#include <ctdb_local.h>
#include <ctdb_opendb.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <map>
#include <random>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace {

constexpr int kCallTimeoutMs = 120000;
constexpr int kLocalLookMs = 20;

int64_t monotonic_ns() {
  timespec at{};
  clock_gettime(CLOCK_MONOTONIC, &at);
  return int64_t{at.tv_sec} * 1000000000 + at.tv_nsec;
}

using Letters = std::vector<std::pair<char, uint32_t>>;
const Letters kAccess = {{'r', CTDB_OPENDB_READ},   {'w', CTDB_OPENDB_WRITE},
                         {'a', CTDB_OPENDB_APPEND}, {'x', CTDB_OPENDB_EXECUTE},
                         {'d', CTDB_OPENDB_DELETE}, {'s', CTDB_OPENDB_READ_ATTRIBUTES}};
const Letters kShare = {
    {'r', CTDB_OPENDB_SHARE_READ}, {'w', CTDB_OPENDB_SHARE_WRITE}, {'d', CTDB_OPENDB_SHARE_DELETE}};
const Letters kLevel = {
    {'r', CTDB_OPENDB_CACHE_READ}, {'h', CTDB_OPENDB_CACHE_HANDLE}, {'w', CTDB_OPENDB_CACHE_WRITE}};
const Letters kFlags = {
    {'o', CTDB_OPENDB_OVERWRITE}, {'l', CTDB_OPENDB_HAS_LOCKS}, {'d', CTDB_OPENDB_DIRECTORY}};

uint32_t mask_of(const std::string& text, const Letters& letters) {
  uint32_t mask = 0;
  for (const auto& [letter, bit] : letters) mask |= text.find(letter) != std::string::npos ? bit : 0;
  return mask;
}

std::string letters_of(uint32_t mask, const Letters& letters) {
  std::string text;
  for (const auto& [letter, bit] : letters) {
    if ((mask & bit) != 0) text += letter;
  }
  return text.empty() ? "-" : text;
}

std::string masks_of(const ctdb_opendb_holder& holder) {
  return letters_of(holder.access, kAccess) + ' ' + letters_of(holder.share, kShare);
}
std::string level_of(uint32_t lease, int breaking) {
  return letters_of(lease, kLevel) + (breaking == 1 ? "!" : "");
}
std::string who(const ctdb_opendb_holder& holder) {
  return std::to_string(holder.pnn) + ' ' + std::to_string(holder.pid);
}
std::string text_of(ctdb_blob blob) {
  return {static_cast<const char*>(blob.data), blob.size};
}
ctdb_blob blob_of(const std::string& text) {
  return {text.data(), text.size()};
}

using Key = std::array<uint8_t, CTDB_OPENDB_LEASE_KEY_BYTES>;
Key key_of(const std::string& text) {
  Key key{};
  std::copy_n(text.begin(), std::min(text.size(), key.size()), key.begin());
  return key;
}

class Opendb {
 public:
  ~Opendb() {
    ctdb_opendb_close(opendb_);
    ctdb_disconnect(client_);
  }

  std::string open(std::map<std::string, std::string>& given) {
    if (connect(given) != 0) return ctdb_error_text(nullptr);
    database_ = given["--db"];
    copies_ = static_cast<uint32_t>(std::strtoul(given["--copies"].c_str(), nullptr, 10));
    return become_an_owner();
  }

  // Until there is something to read on standard input.
  void serve() {
    const bool local = ctdb_is_local(client_) == 1;
    pollfd fds[] = {{0, POLLIN, 0}, {ctdb_fd(client_), POLLIN, 0}};
    while (fds[0].revents == 0) {
      poll(fds, local ? 1 : 2, local ? kLocalLookMs : -1);
      if (handle_what_came(local) < 0) fds[1].fd = -1;
    }
  }

  std::string obey(const std::string& line) {
    std::istringstream in(line);
    std::string verb, file;
    in >> verb >> file;
    const ctdb_blob key = blob_of(file);
    if (verb == "reopen") return become_an_owner();
    if (verb == "answer") return answers_ = file == "yes", "ok";
    if (verb == "told") return std::exchange(told_, "");
    if (verb == "break-time") return result(ctdb_opendb_set_break_timeout(opendb_, std::stoi(file)));
    if (verb == "messages") return messages();
    if (verb == "list") return list(key);
    if (verb == "hammer") return hammer(key, in);
    if (verb == "open") return open_file(key, in);
    if (verb == "give") return give(key, in);
    if (verb == "break") return break_leases(key, in);
    uint64_t handle = 0;
    std::string token;
    in >> handle >> token;
    if (verb == "close") return close_file(key, handle);
    if (verb == "rename") {
      const int error = ctdb_opendb_rename(opendb_, key, handle, blob_of(token), kCallTimeoutMs);
      return error == CTDB_OPENDB_DELETE_PENDING ? "pending" : result(error);
    }
    if (verb == "deleted") return result(ctdb_opendb_deleted(opendb_, key, handle, kCallTimeoutMs));
    if (verb == "set")
      return result(ctdb_opendb_set_delete(opendb_, key, handle, 1, blob_of(token), kCallTimeoutMs));
    if (verb == "unset")
      return result(ctdb_opendb_set_delete(opendb_, key, handle, 0, {nullptr, 0}, kCallTimeoutMs));
    return "no such command";
  }

 private:
  // Another one than before, if there was one.
  std::string become_an_owner() {
    ctdb_opendb_close(opendb_);
    opendb_ = nullptr;
    const int error =
        ctdb_opendb_open(client_, database_.c_str(), CTDB_ATTACH_COPIES(copies_), kCallTimeoutMs, &opendb_);
    if (error == 0) ctdb_opendb_on_break(opendb_, on_break, this);
    if (error == 0) ctdb_opendb_on_rename(opendb_, on_rename, this);
    return result(error);
  }

  int connect(std::map<std::string, std::string>& given) {
    if (given.contains("--local")) return ctdb_connect_local(given["--local"].c_str(), &client_);
    return ctdb_connect(given["--setup"].c_str(), kCallTimeoutMs, &client_);
  }

  int handle_what_came(bool local) {
    return local ? ctdb_opendb_look_for_breaks(opendb_, kCallTimeoutMs) : ctdb_service(client_, 0);
  }

  static void on_break(ctdb_opendb* opendb, const ctdb_opendb_break* told, void* self) {
    auto& client = *static_cast<Opendb*>(self);
    const std::string key(reinterpret_cast<const char*>(told->lease_key));
    const std::string what =
        key + ' ' + letters_of(told->lease, kLevel) + (told->forced == 1 ? " forced" : "");
    if (client.last_told_[key] != what + std::to_string(told->number))
      client.told_ += (client.told_.empty() ? "" : ", ") + what;
    client.last_told_[key] = what + std::to_string(told->number);
    if (!client.answers_ || told->forced == 1) return;
    client.cached_until_ = std::min(client.cached_until_, monotonic_ns());
    ctdb_opendb_give_back(opendb, told->file, told->lease_key, told->lease, kCallTimeoutMs);
  }

  static void on_rename(ctdb_opendb* /*opendb*/, const ctdb_opendb_renamed* told, void* self) {
    std::string& all = static_cast<Opendb*>(self)->told_;
    all += (all.empty() ? "renamed " : ", renamed ") + text_of(told->file) + ' ' + text_of(told->name) + ' ' +
           text_of(told->new_name);
  }

  std::string result(int error) const {
    if (error == 0) return "ok";
    const std::string more = opendb_ == nullptr ? ctdb_error_text(client_) : ctdb_opendb_error_text(opendb_);
    return std::string(ctdb_strerror(error)) + (more.empty() ? "" : ": ") + more;
  }
  std::string result(int error, const ctdb_opendb_holder& blocker) const {
    static const std::map<int, std::string> kNames = {{CTDB_OPENDB_CONFLICT, "conflict "},
                                                      {CTDB_OPENDB_DELETE_PENDING, "pending "},
                                                      {CTDB_OPENDB_BREAKING, "breaking "}};
    return error > 0 ? kNames.at(error) + who(blocker) + ' ' + masks_of(blocker) : result(error);
  }

  std::string open_file(ctdb_blob file, std::istream& in) {
    std::string name, access, share, token, lease;
    int timeout_ms = kCallTimeoutMs;
    in >> name >> access >> share;
    ctdb_opendb_request request{};
    for (std::string more; in >> more;) {
      const std::string value = more.substr(more.find('=') + 1);
      if (more.starts_with("delete=")) token = value;
      if (more.starts_with("lease=")) lease = value;
      if (more.starts_with("flags=")) request.flags |= mask_of(value, kFlags);
      if (more.starts_with("ms=")) timeout_ms = std::stoi(value);
    }
    const Key key = key_of(lease.substr(0, lease.find(':')));
    request.name = blob_of(name);
    request.access = mask_of(access, kAccess);
    request.share = mask_of(share, kShare);
    if (!token.empty()) request.flags |= CTDB_OPENDB_DELETE_ON_CLOSE;
    request.token = blob_of(token);
    if (!lease.empty()) request.lease_key = key.data();
    if (!lease.empty()) request.lease = mask_of(lease.substr(lease.find(':') + 1), kLevel);
    ctdb_opendb_holder blocker{};
    ctdb_opendb_opened opened{};
    const int error = ctdb_opendb_open_file(opendb_, file, &request, timeout_ms, &opened, &blocker);
    if (error != 0) return result(error, blocker);
    return "open " + std::to_string(opened.handle) +
           (lease.empty() ? "" : ' ' + level_of(opened.lease, opened.breaking));
  }

  std::string close_file(ctdb_blob file, uint64_t handle) {
    ctdb_opendb_closed closed{};
    const int error = ctdb_opendb_close_file(opendb_, file, handle, kCallTimeoutMs, &closed);
    if (error != 0) return result(error);
    if (closed.to_delete == 1) return "delete " + text_of(closed.name) + ' ' + text_of(closed.token);
    return closed.last == 1 ? "last" : "closed";
  }

  std::string give(ctdb_blob file, std::istream& in) {
    std::string key, level;
    in >> key >> level;
    return result(
        ctdb_opendb_give_back(opendb_, file, key_of(key).data(), mask_of(level, kLevel), kCallTimeoutMs));
  }

  std::string break_leases(ctdb_blob file, std::istream& in) {
    std::string own, level;
    int timeout_ms = 0;
    in >> own >> level >> timeout_ms;
    const Key key = key_of(own);
    ctdb_opendb_holder blocker{};
    const int error = ctdb_opendb_break_leases(opendb_, file, own == "-" ? nullptr : key.data(),
                                               mask_of(level, kLevel), timeout_ms, &blocker);
    return result(error, blocker);
  }

  std::string messages() const {
    ctdb_stats stats{};
    ctdb_get_stats(client_, &stats, sizeof stats);
    return std::to_string(stats.messages_in);
  }

  std::string list(ctdb_blob file) {
    std::string all;
    const auto add = [](const ctdb_opendb_holder* holder, void* to) {
      auto& out = *static_cast<std::string*>(to);
      out += (out.empty() ? "" : ", ") + who(*holder) + ' ' + text_of(holder->name) + ' ' +
             masks_of(*holder) + (holder->lease == 0 ? "" : ' ' + level_of(holder->lease, holder->breaking)) +
             (holder->delete_on_close == 1 ? " on-close" : "") +
             (holder->delete_pending == 1 ? " pending" : "");
    };
    const int error = ctdb_opendb_list(opendb_, file, kCallTimeoutMs, add, &all);
    return error < 0 ? result(error) : all;
  }

  // A while with the file open, in which breaks are answered.
  void stay() {
    const bool local = ctdb_is_local(client_) == 1;
    for (int i = 0; i < 3; ++i) {
      usleep(100);  // long enough that one who has it open, too, is seen
      handle_what_came(local);
    }
  }

  std::string hammer(ctdb_blob file, std::istream& in) {
    unsigned count = 0, seed = 0;
    in >> count >> seed;
    std::mt19937 random(seed);
    std::ostringstream out;
    const Key key = key_of("key" + std::to_string(getpid()));
    answers_ = true;
    for (unsigned opened = 0; opened < count;) {
      usleep(static_cast<useconds_t>(random() % 3000));  // now and then somebody is alone
      ctdb_opendb_request request{};
      request.access = random() % 2 == 0 ? CTDB_OPENDB_READ : CTDB_OPENDB_WRITE;
      request.share = random() % 3 == 0 ? static_cast<uint32_t>(random() % 8) : 7;
      if (random() % 2 == 0) request.lease_key = key.data();
      if (request.lease_key != nullptr)
        request.lease = CTDB_OPENDB_CACHE_READ | static_cast<uint32_t>(random() % 8);
      ctdb_opendb_opened file_opened{};
      ctdb_opendb_closed closed{};
      cached_until_ = INT64_MAX;
      int error = ctdb_opendb_open_file(opendb_, file, &request, kCallTimeoutMs, &file_opened, nullptr);
      if (error == CTDB_OPENDB_BREAKING) return "breaking";
      if (error > 0) continue;  // the file is in use
      const int64_t begun = monotonic_ns();
      if (error == 0) stay();
      const int64_t ended = monotonic_ns();
      if (error == 0)
        error = ctdb_opendb_close_file(opendb_, file, file_opened.handle, kCallTimeoutMs, &closed);
      if (error != 0) return result(error);
      out << (opened++ == 0 ? "" : ",") << letters_of(request.access, kAccess) << ' '
          << letters_of(request.share, kShare) << ' ' << letters_of(file_opened.lease, kLevel) << ' ' << begun
          << ' ' << ended << ' ' << std::min(ended, cached_until_);
    }
    return out.str();
  }

  std::string database_;
  uint32_t copies_ = 0;
  ctdb_client* client_ = nullptr;
  ctdb_opendb* opendb_ = nullptr;
  bool answers_ = false;
  std::string told_;
  std::map<std::string, std::string> last_told_;  // by key
  int64_t cached_until_ = INT64_MAX;
};

// Lines of standard input; what is not a whole line yet is kept.
class Lines {
 public:
  // false: the end.
  bool read_more() {
    char some[4096];
    const ssize_t got = read(0, some, sizeof some);
    if (got > 0) left_.append(some, static_cast<size_t>(got));
    return got > 0;
  }
  bool next(std::string* line) {
    const size_t end = left_.find('\n');
    if (end == std::string::npos) return false;
    *line = left_.substr(0, end);
    left_.erase(0, end + 1);
    return true;
  }

 private:
  std::string left_;
};

}  // namespace

int main(int argc, char** argv) {
  std::map<std::string, std::string> given;
  for (int i = 1; i + 1 < argc; i += 2) given[argv[i]] = argv[i + 1];
  Opendb opendb;
  if (const std::string opened = opendb.open(given); opened != "ok") {
    std::cerr << "ctdb-opendb: " << opened << '\n';
    return 1;
  }
  std::cout << "ready" << std::endl;
  Lines lines;
  for (opendb.serve(); lines.read_more(); opendb.serve()) {
    for (std::string line; lines.next(&line);) std::cout << opendb.obey(line) << std::endl;
  }
  return 0;
}
