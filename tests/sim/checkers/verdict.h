// SPDX-License-Identifier: GPL-3.0-or-later
// What the checkers found. The first violation ends the run.
#ifndef CTDB_TESTS_SIM_CHECKERS_VERDICT_H_
#define CTDB_TESTS_SIM_CHECKERS_VERDICT_H_

#include <string>

namespace ctdb::sim {

class Verdict {
 public:
  // `checker` is the name of its file; only the first violation counts.
  void violation(const char* checker, const std::string& text) {
    if (text_.empty()) text_ = std::string(checker) + ": " + text;
  }
  bool ok() const { return text_.empty(); }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

}  // namespace ctdb::sim

#endif  // CTDB_TESTS_SIM_CHECKERS_VERDICT_H_
