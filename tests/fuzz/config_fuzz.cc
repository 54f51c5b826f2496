// SPDX-License-Identifier: GPL-3.0-or-later
// ctdb.conf and nodes files. Input: u8 which, then the text.
#include <algorithm>

#include "libctdbipc/base/limits.h"
#include "libctdbipc/runtime/config.h"
#include "tests/fuzz/fuzz_input.h"

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ctdb::Reader input({data, size});
  const uint8_t which = input.u8();
  const std::string text(ctdb::as_text(input.bytes(input.left())));
  std::vector<ctdb::ConfigProblem> problems;
  bool good;
  if ((which & 1) != 0) {
    const auto nodes = ctdb::parse_nodes("nodes", text, problems);
    good = nodes.has_value();
    FUZZ_CHECK(!good || (!nodes->empty() && nodes->size() <= ctdb::kNodesMax));
  } else {
    const auto config = ctdb::parse_config("/base", "ctdb.conf", text, problems);
    good = config.has_value();
    FUZZ_CHECK(!good || (config->port != 0 && !config->run_directory.empty() && !config->log_level.empty()));
  }
  const bool fatal = std::any_of(problems.begin(), problems.end(), [](const auto& p) { return p.fatal; });
  FUZZ_CHECK(good != fatal);
  const int lines = 1 + static_cast<int>(std::count(text.begin(), text.end(), '\n'));
  for (const ctdb::ConfigProblem& problem : problems) {
    FUZZ_CHECK(!problem.text.empty() && !problem.remedy.empty());
    FUZZ_CHECK(problem.line >= 0 && problem.line <= lines);
    FUZZ_CHECK(!problem.format().empty());
  }
  return 0;
}
