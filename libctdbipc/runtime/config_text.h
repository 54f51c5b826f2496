// SPDX-License-Identifier: LGPL-3.0-or-later
// What the parsers of ctdb.conf and of the nodes file share: problems that are told with file, line and remedy, and text.
#ifndef LIBCTDBIPC_RUNTIME_CONFIG_TEXT_H_
#define LIBCTDBIPC_RUNTIME_CONFIG_TEXT_H_

#include <cstddef>
#include <string>
#include <vector>

#include "libctdbipc/base/result.h"

namespace ctdb {

inline constexpr size_t kConfigFileBytesMax = 1u << 20;
inline constexpr size_t kConfigLineBytesMax = 4096;

// One thing wrong with a file. line 0: the file as a whole.
struct ConfigProblem {
  std::string file;
  int line = 0;
  std::string text;    // what is wrong
  std::string remedy;  // what to do
  bool fatal = true;   // false: a warning (unknown option of the classic daemon that has no meaning here)
  bool may_pass =
      false;  // it may be well later without a change of any file: an address that is not there yet
  std::string format() const;  // "file:line: text (remedy)"
};

bool any_fatal(const std::vector<ConfigProblem>& problems);
// Without blanks at both ends.
std::string trimmed(const std::string& text);
// What is refused before lines are looked at: NUL bytes, lines and files too long.
bool text_is_sane(const std::string& file, const std::string& text, std::vector<ConfigProblem>& problems);
// How many letters have to be added, removed or replaced to make one of the other.
size_t edit_distance(const std::string& a, const std::string& b);
// The address in the form inet_ntop prints, or empty.
std::string canonical_address(const std::string& text);
// What such an address is that no node can have, though a socket may be bound to it: on every machine it would be the own one. "": it is good.
std::string no_address_of_a_node(const std::string& address);
// Whoever may write such a file says whom the cluster trusts. A problem when that is everybody; nothing when there is no such file.
void check_writers(const std::string& path, std::vector<ConfigProblem>& problems);
// One byte more than kConfigFileBytesMax at the most.
Result<std::string> read_config_file(const std::string& path);

}  // namespace ctdb

#endif  // LIBCTDBIPC_RUNTIME_CONFIG_TEXT_H_
