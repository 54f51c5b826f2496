// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-router/transport/tcp/port_holder.h"

#include <array>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "libctdbipc/base/process_name.h"

namespace ctdb {
namespace {

constexpr const char* kListens = "0A";  // TCP_LISTEN in the kernel's list

struct Where {
  std::string address;  // as the kernel's list has it: the words of the address in hexadecimal
  std::string port;
};

std::string hexadecimal(uint64_t number, int digits) {
  std::array<char, 17> text{};
  std::snprintf(text.data(), text.size(), "%0*lX", digits, number);
  return text.data();
}

Where where(const SocketAddress& address) {
  if (address.storage.ss_family == AF_INET) {
    const auto& four = reinterpret_cast<const sockaddr_in&>(address.storage);
    return {hexadecimal(four.sin_addr.s_addr, 8), hexadecimal(ntohs(four.sin_port), 4)};
  }
  const auto& six = reinterpret_cast<const sockaddr_in6&>(address.storage);
  Where found{"", hexadecimal(ntohs(six.sin6_port), 4)};
  for (size_t at = 0; at < sizeof six.sin6_addr; at += sizeof(uint32_t))
    found.address += hexadecimal(load<uint32_t>(six.sin6_addr.s6_addr + at), 8);
  return found;
}

// The inode of a socket that listens there, or on all addresses; empty when there is none.
std::string listening_inode(const char* list, const Where& wanted) {
  std::ifstream in(list);
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    std::string number, local, remote, state, queues, timer, retransmits, uid, timeout, inode;
    words >> number >> local >> remote >> state >> queues >> timer >> retransmits >> uid >> timeout >> inode;
    const size_t colon = local.find(':');
    if (state != kListens || colon == std::string::npos || local.substr(colon + 1) != wanted.port) continue;
    const std::string address = local.substr(0, colon);
    if (address == wanted.address || address.find_first_not_of('0') == std::string::npos) return inode;
  }
  return "";
}

bool has_socket(const std::filesystem::path& process, const std::string& inode) {
  std::error_code error;
  std::filesystem::directory_iterator fds(process / "fd", error);
  for (; !error && fds != std::filesystem::directory_iterator(); fds.increment(error)) {
    std::error_code unreadable;
    if (std::filesystem::read_symlink(fds->path(), unreadable) == "socket:[" + inode + "]") return true;
  }
  return false;
}

// 0: it cannot be seen from here.
pid_t process_with_socket(const std::string& inode) {
  if (inode.empty()) return 0;
  std::error_code error;
  std::filesystem::directory_iterator processes("/proc", error);
  for (; !error && processes != std::filesystem::directory_iterator(); processes.increment(error)) {
    const std::string name = processes->path().filename();
    pid_t pid = 0;
    const auto parsed = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (parsed.ptr == name.data() + name.size() && has_socket(processes->path(), inode)) return pid;
  }
  return 0;
}

}  // namespace

std::string port_taken_text(const SocketAddress& address) {
  const Where wanted = where(address);
  std::string inode = listening_inode("/proc/self/net/tcp", wanted);
  if (inode.empty()) inode = listening_inode("/proc/self/net/tcp6", wanted);
  const pid_t pid = process_with_socket(inode);
  const std::string port = std::to_string(std::stoi(wanted.port, nullptr, 16));
  std::string remedy = "end it; the classic daemon with 'ctdb shutdown' or 'systemctl stop ctdb.service'";
  if (pid == 0) remedy = "\"ss -ltnp 'sport = :" + port + "'\" names it; " + remedy;
  return "port " + port + " of " + address_text(address.storage) + " is taken by " + process_text(pid) +
         " (" + remedy + ")";
}

}  // namespace ctdb
