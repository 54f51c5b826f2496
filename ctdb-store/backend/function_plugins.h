// SPDX-License-Identifier: GPL-3.0-or-later
// Functions of plug-ins (libctdbipc/include/ctdb_function.h), loaded when the store starts and there until it ends.
//
// Invariants:
//  1. What a function returns is looked at before any of it is used: sizes against the room it was given, the code against the known ones.
//  2. A name belongs to one plug-in.
#ifndef CTDB_STORE_BACKEND_FUNCTION_PLUGINS_H_
#define CTDB_STORE_BACKEND_FUNCTION_PLUGINS_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ctdb-store/core/named_functions.h"
#include "libctdbipc/base/result.h"
#include "libctdbipc/include/ctdb_function.h"

namespace ctdb {

class FunctionPlugins : public NamedFunctions {
 public:
  // `files`: absolute paths that check_function_files() has found good. Errors: kRefused, with file and remedy.
  static Result<std::unique_ptr<FunctionPlugins>> load(const std::vector<std::string>& files);
  // Takes one table, as that of a plug-in. `file` is for messages. Errors: as load().
  Result<void> add(const std::string& file, const ctdb_function_table& table);
  bool run(std::string_view name, const Input& input, FunctionOutcome& outcome) override;
  // "a, b", or "".
  std::string names() const;

 private:
  struct Close {
    void operator()(void* library) const;
  };
  Result<void> open(const std::string& file);
  void judge(std::string_view name, int code, const ctdb_function_output& out, const Input& input,
             FunctionOutcome& outcome) const;

  std::vector<std::unique_ptr<void, Close>> libraries_;
  std::map<std::string, ctdb_function_run, std::less<>> functions_;
  // Only what a function writes becomes memory.
  std::unique_ptr<uint8_t[]> value_ = std::make_unique_for_overwrite<uint8_t[]>(kValueBytesMax);
  std::unique_ptr<uint8_t[]> answer_ =
      std::make_unique_for_overwrite<uint8_t[]>(CTDB_FUNCTION_ANSWER_BYTES_MAX);
};

}  // namespace ctdb

#endif  // CTDB_STORE_BACKEND_FUNCTION_PLUGINS_H_
