// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbipc/runtime/config_text.h"

#include <arpa/inet.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <fstream>

namespace ctdb {
namespace {

constexpr size_t kPieceBytes = 4096;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";  // some editors put it in front

}  // namespace

std::string trimmed(const std::string& text) {
  const size_t first = text.find_first_not_of(" \t\r");
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

bool text_is_sane(const std::string& file, const std::string& text, std::vector<ConfigProblem>& problems) {
  if (text.size() > kConfigFileBytesMax) {
    problems.push_back(
        {file, 0, "file is larger than 1 MiB", "this does not look like a configuration file"});
    return false;
  }
  int line = 1;
  size_t line_start = 0;
  for (size_t i = 0; i <= text.size(); ++i) {
    if (i == text.size() || text[i] == '\n') {
      if (i - line_start > kConfigLineBytesMax) {
        problems.push_back({file, line, "line is longer than 4096 bytes", "shorten it"});
        return false;
      }
      ++line;
      line_start = i + 1;
    } else if (text[i] == '\0') {
      problems.push_back({file, line, "line has a NUL byte", "save the file as plain UTF-8 text"});
      return false;
    }
  }
  return true;
}

std::string canonical_address(const std::string& text) {
  char buffer[INET6_ADDRSTRLEN];
  in_addr four;
  in6_addr six;
  if (inet_pton(AF_INET, text.c_str(), &four) == 1) return inet_ntop(AF_INET, &four, buffer, sizeof buffer);
  if (inet_pton(AF_INET6, text.c_str(), &six) == 1) return inet_ntop(AF_INET6, &six, buffer, sizeof buffer);
  return "";
}

std::string no_address_of_a_node(const std::string& address) {
  in_addr four;
  in6_addr six;
  if (inet_pton(AF_INET, address.c_str(), &four) == 1) {
    const uint32_t number = ntohl(four.s_addr);
    if (number >> 24 == 0) return "means any address";
    if (IN_MULTICAST(number)) return "is a multicast address";
    if (number == INADDR_BROADCAST) return "is the broadcast address";
  } else if (inet_pton(AF_INET6, address.c_str(), &six) == 1) {
    if (IN6_IS_ADDR_UNSPECIFIED(&six)) return "means any address";
    if (IN6_IS_ADDR_MULTICAST(&six)) return "is a multicast address";
    if (IN6_IS_ADDR_LINKLOCAL(&six)) return "is an address of one network card only";
    if (IN6_IS_ADDR_V4MAPPED(&six)) return "is an IPv4 address in IPv6 form";
  }
  return "";
}

bool any_fatal(const std::vector<ConfigProblem>& problems) {
  return std::any_of(problems.begin(), problems.end(), [](const ConfigProblem& p) { return p.fatal; });
}

void check_writers(const std::string& path, std::vector<ConfigProblem>& problems) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0 || (status.st_mode & S_IWOTH) == 0) return;
  problems.push_back({path, 0, "everybody may change it", "chmod o-w " + path});
}

Result<std::string> read_config_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return fail_errno(path);
  // Not as much at once as it may be: that would stay with the daemon for its life.
  std::string text;
  std::array<char, kPieceBytes> piece;
  while (text.size() <= kConfigFileBytesMax) {
    in.read(piece.data(),
            static_cast<std::streamsize>(std::min(kPieceBytes, kConfigFileBytesMax + 1 - text.size())));
    if (in.gcount() <= 0) break;
    text.append(piece.data(), static_cast<size_t>(in.gcount()));
  }
  if (in.bad()) return fail_errno(path);
  if (text.size() <= kConfigFileBytesMax && text.starts_with(kByteOrderMark))
    text.erase(0, kByteOrderMark.size());
  return text;
}

size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

std::string ConfigProblem::format() const {
  std::string where = line > 0 ? file + ":" + std::to_string(line) : file;
  return where + ": " + (fatal ? "" : "warning: ") + text + " (" + remedy + ")";
}

}  // namespace ctdb
