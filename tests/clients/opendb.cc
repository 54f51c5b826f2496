// SPDX-License-Identifier: GPL-3.0-or-later
// ctdb-opendb: open files by commands on standard input, one a line, each answered by one line.
//   ctdb-opendb --setup PATH | --local DIRECTORY  --db NAME [--copies K]
// ACCESS is some of "rwaxds" (read, write, append, execute, delete, the attributes), SHARE some of "rwd", or "-".
//   open FILE NAME ACCESS SHARE [delete=TOKEN]   open HANDLE, conflict PNN PID ACCESS SHARE or pending PNN PID ACCESS SHARE (of who is in the way)
//   close FILE HANDLE     closed, last, or delete NAME TOKEN
//   deleted FILE HANDLE | set FILE HANDLE TOKEN | unset FILE HANDLE    ok
//   list FILE             PNN PID NAME ACCESS SHARE [on-close] [pending], ... separated by commas
//   reopen                closes the owner of handles and makes another one
//   hammer FILE COUNT SEED   so often opens the file at random and closes it: "ACCESS SHARE BEGUN ENDED" for each, separated by commas; between
//                         these times (ns, CLOCK_MONOTONIC) it was surely open. Conflicts are not told
// or an error.
#include <ctdb_local.h>
#include <ctdb_opendb.h>
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

const std::pair<char, uint32_t> kAccess[] = {{'r', CTDB_OPENDB_READ},   {'w', CTDB_OPENDB_WRITE},
                                             {'a', CTDB_OPENDB_APPEND}, {'x', CTDB_OPENDB_EXECUTE},
                                             {'d', CTDB_OPENDB_DELETE}, {'s', CTDB_OPENDB_READ_ATTRIBUTES}};
const std::pair<char, uint32_t> kShare[] = {
    {'r', CTDB_OPENDB_SHARE_READ}, {'w', CTDB_OPENDB_SHARE_WRITE}, {'d', CTDB_OPENDB_SHARE_DELETE}};

template <typename Letters>
uint32_t mask_of(const std::string& text, const Letters& letters) {
  uint32_t mask = 0;
  for (const auto& [letter, bit] : letters) mask |= text.find(letter) != std::string::npos ? bit : 0;
  return mask;
}

template <typename Letters>
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
std::string who(const ctdb_opendb_holder& holder) {
  return std::to_string(holder.pnn) + ' ' + std::to_string(holder.pid);
}
std::string text_of(ctdb_blob blob) {
  return {static_cast<const char*>(blob.data), blob.size};
}
ctdb_blob blob_of(const std::string& text) {
  return {text.data(), text.size()};
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

  std::string obey(const std::string& line) {
    std::istringstream in(line);
    std::string verb, file;
    in >> verb >> file;
    const ctdb_blob key = blob_of(file);
    if (verb == "reopen") return become_an_owner();
    if (verb == "list") return list(key);
    if (verb == "hammer") return hammer(key, in);
    if (verb == "open") return open_file(key, in);
    uint64_t handle = 0;
    std::string token;
    in >> handle >> token;
    if (verb == "close") return close_file(key, handle);
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
    return result(
        ctdb_opendb_open(client_, database_.c_str(), CTDB_ATTACH_COPIES(copies_), kCallTimeoutMs, &opendb_));
  }

  int connect(std::map<std::string, std::string>& given) {
    if (given.contains("--local")) return ctdb_connect_local(given["--local"].c_str(), &client_);
    return ctdb_connect(given["--setup"].c_str(), kCallTimeoutMs, &client_);
  }

  std::string result(int error) const {
    if (error == 0) return "ok";
    const std::string more = opendb_ == nullptr ? ctdb_error_text(client_) : ctdb_opendb_error_text(opendb_);
    return std::string(ctdb_strerror(error)) + (more.empty() ? "" : ": ") + more;
  }

  std::string open_file(ctdb_blob file, std::istream& in) {
    std::string name, access, share, more;
    in >> name >> access >> share >> more;
    ctdb_opendb_request request{};
    request.name = blob_of(name);
    request.access = mask_of(access, kAccess);
    request.share = mask_of(share, kShare);
    const std::string token = more.starts_with("delete=") ? more.substr(7) : "";
    if (!token.empty()) request.flags = CTDB_OPENDB_DELETE_ON_CLOSE;
    request.token = blob_of(token);
    ctdb_opendb_holder blocker{};
    uint64_t handle = 0;
    const int error = ctdb_opendb_open_file(opendb_, file, &request, kCallTimeoutMs, &handle, &blocker);
    if (error < 0) return result(error);
    if (error == 0) return "open " + std::to_string(handle);
    return std::string(error == CTDB_OPENDB_CONFLICT ? "conflict " : "pending ") + who(blocker) + ' ' +
           masks_of(blocker);
  }

  std::string close_file(ctdb_blob file, uint64_t handle) {
    ctdb_opendb_closed closed{};
    const int error = ctdb_opendb_close_file(opendb_, file, handle, kCallTimeoutMs, &closed);
    if (error != 0) return result(error);
    if (closed.to_delete == 1) return "delete " + text_of(closed.name) + ' ' + text_of(closed.token);
    return closed.last == 1 ? "last" : "closed";
  }

  std::string list(ctdb_blob file) {
    std::string all;
    const auto add = [](const ctdb_opendb_holder* holder, void* to) {
      auto& out = *static_cast<std::string*>(to);
      out += (out.empty() ? "" : ", ") + who(*holder) + ' ' + text_of(holder->name) + ' ' +
             masks_of(*holder) + (holder->delete_on_close == 1 ? " on-close" : "") +
             (holder->delete_pending == 1 ? " pending" : "");
    };
    const int error = ctdb_opendb_list(opendb_, file, kCallTimeoutMs, add, &all);
    return error < 0 ? result(error) : all;
  }

  std::string hammer(ctdb_blob file, std::istream& in) {
    unsigned count = 0, seed = 0;
    in >> count >> seed;
    std::mt19937 random(seed);
    std::ostringstream out;
    for (unsigned opened = 0; opened < count;) {
      ctdb_opendb_request request{};
      request.access = random() % 2 == 0 ? CTDB_OPENDB_READ : CTDB_OPENDB_WRITE;
      request.share = static_cast<uint32_t>(random() % 8);
      uint64_t handle = 0;
      ctdb_opendb_closed closed{};
      int error = ctdb_opendb_open_file(opendb_, file, &request, kCallTimeoutMs, &handle, nullptr);
      if (error > 0) continue;
      const int64_t begun = monotonic_ns();
      usleep(300);  // long enough that one who has it open, too, is seen
      const int64_t ended = monotonic_ns();
      if (error == 0) error = ctdb_opendb_close_file(opendb_, file, handle, kCallTimeoutMs, &closed);
      if (error != 0) return result(error);
      out << (opened++ == 0 ? "" : ",") << letters_of(request.access, kAccess) << ' '
          << letters_of(request.share, kShare) << ' ' << begun << ' ' << ended;
    }
    return out.str();
  }

  std::string database_;
  uint32_t copies_ = 0;
  ctdb_client* client_ = nullptr;
  ctdb_opendb* opendb_ = nullptr;
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
  for (std::string line; std::getline(std::cin, line);) std::cout << opendb.obey(line) << std::endl;
  return 0;
}
