// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbipc/runtime/nodes_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <map>
#include <sstream>

#include "libctdbipc/base/limits.h"
#include "libctdbipc/base/unique_fd.h"

namespace ctdb {
namespace {

constexpr const char* kForms =
    "write one address a line, in digits, and nothing behind it but the word witness";
constexpr const char* kWitness = "witness";

bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

// A line that is neither blank nor a comment.
struct Entry {
  std::string number;  // as written; empty in the classic form
  std::string address;
  bool witness = false;
};

// Takes the last word away if it is the mark of a witness.
bool take_mark(std::string& line) {
  const size_t blank = line.find_last_of(" \t");
  if (blank == std::string::npos || line.substr(blank + 1) != kWitness) return false;
  line = trimmed(line.substr(0, blank));
  return true;
}

Entry split(std::string line) {
  const bool witness = take_mark(line);
  const auto blank = std::find_if(line.begin(), line.end(), is_blank);
  if (blank == line.end()) return {"", line, witness};
  const std::string first(line.begin(), blank);
  // What is no number belongs to whatever was meant to be an address, and is told with it.
  if (first.find_first_not_of("0123456789") != std::string::npos) return {"", line, witness};
  return {first, trimmed(std::string(blank, line.end())), witness};
}

class NodesParser {
 public:
  NodesParser(const std::string& file, std::vector<ConfigProblem>& found) : file_(file), found_(found) {}

  void parse(const std::string& text) {
    explicit_ = first_entry(text).number.size() > 0;
    std::istringstream in(text);
    std::string raw;
    for (line_ = 1; std::getline(in, raw); ++line_) {
      const std::string line = trimmed(raw);
      if (line.empty()) continue;  // blank lines take no pnn (cluster-semantics §12)
      if (line[0] != '#') {
        take(split(line));
      } else if (!explicit_) {
        ++next_;
      }
    }
    size_ = std::max<size_t>(size_, next_);
    if (size_ > kNodesMax) problem(0, "more than 1024 nodes", "remove some");
    if (addresses_.empty() && found_.empty()) problem(0, "no node addresses in this file", kForms);
    check_witnesses();
  }

  bool has_numbers() const { return explicit_; }
  std::vector<NodeAddress> nodes() const {
    std::vector<NodeAddress> nodes;
    for (uint32_t pnn = 0; pnn < size_; ++pnn) nodes.push_back({pnn, "", true, false});
    for (const auto& [pnn, where] : numbers_) nodes[pnn] = {pnn, where.address, false, where.witness};
    return nodes;
  }

 private:
  static Entry first_entry(const std::string& text) {
    std::istringstream in(text);
    std::string raw;
    while (std::getline(in, raw)) {
      const std::string line = trimmed(raw);
      if (!line.empty() && line[0] != '#') return split(line);
    }
    return {};
  }

  // A generation without a node that holds records is none; and with as many witnesses as others no transaction finds a majority.
  void check_witnesses() {
    size_t witnesses = 0;
    for (const auto& [pnn, where] : numbers_) witnesses += where.witness ? 1 : 0;
    if (witnesses == 0 || 2 * witnesses < numbers_.size()) return;
    problem(0, std::to_string(witnesses) + " of " + std::to_string(numbers_.size()) + " nodes are witnesses",
            "more than half must hold records: take the word 'witness' away from some lines");
  }

  void problem(int line, const std::string& text, const std::string& remedy) {
    found_.push_back({file_, line, text, remedy});
  }

  void take(const Entry& entry) {
    if (explicit_ == entry.number.empty()) {
      return problem(
          line_,
          explicit_ ? "this line has no number, others have" : "this line has a number, others have none",
          "write the number in front of every address, or of none");
    }
    uint32_t pnn = next_;
    if (explicit_) {
      const char* end = entry.number.data() + entry.number.size();
      const auto [stop, error] = std::from_chars(entry.number.data(), end, pnn);
      if (error != std::errc() || stop != end || pnn >= kNodesMax)
        return problem(line_, entry.number.substr(0, 64) + " is no number of a node",
                       "write one from 0 to 1023");
    } else {
      ++next_;
    }
    const std::string address = canonical_address(entry.address);
    if (address.empty())
      return problem(line_, "'" + entry.address.substr(0, 64) + "' is not an IP address", kForms);
    if (const std::string why = no_address_of_a_node(address); !why.empty())
      return problem(line_, address + " " + why, "write the address that the other nodes reach this one by");
    if (auto [at, fresh] = addresses_.emplace(address, line_); !fresh) {
      return problem(line_, address + " stands in line " + std::to_string(at->second) + " already",
                     "each node needs its own address");
    }
    if (auto [at, fresh] = numbers_.emplace(pnn, Where{line_, address, entry.witness}); !fresh) {
      return problem(
          line_,
          "number " + std::to_string(pnn) + " stands in line " + std::to_string(at->second.line) + " already",
          "each node needs its own number");
    }
    size_ = std::max<size_t>(size_, pnn + 1);
  }

  struct Where {
    int line;
    std::string address;
    bool witness;
  };
  const std::string& file_;
  std::vector<ConfigProblem>& found_;
  bool explicit_ = false;
  int line_ = 0;
  uint32_t next_ = 0;  // classic form
  size_t size_ = 0;
  std::map<std::string, int> addresses_;
  std::map<uint32_t, Where> numbers_;
};

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

// Index of the line that `pnn` has; lines.size(): none.
size_t find_line(const std::vector<std::string>& lines, bool explicit_form, uint32_t pnn) {
  uint32_t next = 0;
  for (size_t i = 0; i < lines.size(); ++i) {
    const std::string line = trimmed(lines[i]);
    if (line.empty() || (explicit_form && line[0] == '#')) continue;
    const std::string number = explicit_form ? split(line).number : "";
    if (explicit_form ? std::strtoul(number.c_str(), nullptr, 10) == pnn : next++ == pnn) return i;
  }
  return lines.size();
}

auto refuse(const std::string& why) {
  return fail(ErrorCode::kInvalid, why);
}

// Without a file to point at.
Result<void> usable(const std::string& text) {
  std::vector<ConfigProblem> found;
  const std::string name = "nodes file";
  NodesParser parser(name, found);
  parser.parse(text);
  if (any_fatal(found)) return refuse(found.front().text + ": " + found.front().remedy);
  return {};
}

void add_line(std::vector<std::string>& lines, bool explicit_form, const NodesEdit& edit, size_t known) {
  const std::string line = edit.address + (edit.witness ? std::string(" ") + kWitness : "");
  if (explicit_form) return lines.push_back(std::to_string(edit.pnn) + " " + line);
  if (edit.pnn < known) {
    lines[find_line(lines, false, edit.pnn)] = line;
    return;
  }
  for (size_t gap = known; gap < edit.pnn; ++gap) lines.push_back("#");
  lines.push_back(line);
}

}  // namespace

Result<std::vector<NodeAddress>> load_nodes(const std::string& file, std::vector<ConfigProblem>& problems) {
  Result<std::string> text = read_config_file(file);
  if (text) {
    const size_t before = problems.size();
    check_writers(file, problems);
    if (problems.size() > before) return fail(ErrorCode::kInvalid, "everybody may change " + file);
    return parse_nodes(file, *text, problems);
  }
  const bool missing = text.error().saved_errno == ENOENT;
  problems.push_back({file, 0, std::strerror(text.error().saved_errno),
                      missing ? "write the nodes file: one address a line, the same on every node"
                              : "let the users of the daemons read it: chmod a+r " + file});
  return fail(std::move(text.error()));
}

Result<std::vector<NodeAddress>> parse_nodes(const std::string& file, const std::string& text,
                                             std::vector<ConfigProblem>& problems) {
  std::vector<ConfigProblem> found;
  NodesParser parser(file, found);
  if (text_is_sane(file, text, found)) parser.parse(text);
  const bool bad = any_fatal(found);
  problems.insert(problems.end(), found.begin(), found.end());
  if (bad) return fail(ErrorCode::kInvalid, file + " is not usable");
  return parser.nodes();
}

NodeList node_list(const std::vector<NodeAddress>& nodes) {
  NodeList list;
  for (const NodeAddress& node : nodes) {
    list.push_back(node.deleted ? NodeEntry() : NodeEntry(node.address, node.witness));
  }
  return list;
}

Result<std::string> edit_nodes(const std::string& text, const NodesEdit& edit) {
  std::vector<ConfigProblem> found;
  const std::string name = "nodes file";
  NodesParser parser(name, found);
  if (text_is_sane(name, text, found)) parser.parse(text);
  if (any_fatal(found)) return refuse(found.front().format());
  const NodeList list = node_list(parser.nodes());
  std::vector<std::string> lines = lines_of(text);
  const std::string node = "node " + std::to_string(edit.pnn);
  if (edit.pnn >= kNodesMax) return refuse("the highest number of a node is 1023");
  if (!edit.add) {
    if (!in_list(list, edit.pnn)) return refuse("there is no " + node);
    if (numbers_of(list).size() == 1) return refuse(node + " is the only one left");
    const auto at =
        lines.begin() + static_cast<std::ptrdiff_t>(find_line(lines, parser.has_numbers(), edit.pnn));
    if (parser.has_numbers()) {
      lines.erase(at);
    } else {
      *at = "#" + trimmed(*at);
    }
    const std::string changed = joined(lines);
    if (Result<void> good = usable(changed); !good) return fail(std::move(good.error()));
    return changed;
  }
  const std::string address = canonical_address(edit.address);
  if (address.empty()) return refuse("'" + edit.address.substr(0, 64) + "' is not an IP address");
  const auto same = std::find_if(list.begin(), list.end(),
                                 [&](const NodeEntry& entry) { return entry.address == address; });
  if (same != list.end())
    return refuse(address + " is node " + std::to_string(same - list.begin()) + " already");
  if (in_list(list, edit.pnn))
    return refuse(node + " is there already, with address " + list[edit.pnn].address);
  add_line(lines, parser.has_numbers(), {true, edit.pnn, address, edit.witness}, list.size());
  const std::string changed = joined(lines);
  if (Result<void> good = usable(changed); !good) return fail(std::move(good.error()));
  return changed;
}

Result<void> replace_nodes_file(const std::string& name, const std::string& text) {
  std::error_code missing;
  const std::filesystem::path real = std::filesystem::canonical(name, missing);
  const std::string file = missing ? name : real.string();
  const std::string fresh = file + ".new";
  struct stat old {};
  const bool replaces = stat(file.c_str(), &old) == 0;
  UniqueFd fd(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!fd.valid()) return fail_errno("opening " + fresh);
  // Who could read it still can; the group only where this user may give it.
  if (replaces) (void)!fchown(fd.get(), static_cast<uid_t>(-1), old.st_gid);
  if (replaces && fchmod(fd.get(), old.st_mode & 0777) != 0)
    return fail_errno("setting the mode of " + fresh);
  size_t done = 0;
  while (done < text.size()) {
    const ssize_t wrote = write(fd.get(), text.data() + done, text.size() - done);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return fail_errno("writing " + fresh);
    done += static_cast<size_t>(wrote);
  }
  if (fsync(fd.get()) != 0) return fail_errno("syncing " + fresh);
  if (std::rename(fresh.c_str(), file.c_str()) != 0) return fail_errno("renaming " + fresh + " to " + file);
  const size_t slash = file.rfind('/');
  const std::string directory = slash == std::string::npos ? "." : file.substr(0, slash + 1);
  UniqueFd entry(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!entry.valid() || fsync(entry.get()) != 0) return fail_errno("syncing " + directory);
  return {};
}

}  // namespace ctdb
