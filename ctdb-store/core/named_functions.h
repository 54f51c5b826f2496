// SPDX-License-Identifier: GPL-3.0-or-later
// Functions of plug-ins, as the core sees them: called by name, pure, at once. The store's shell has loaded ones
// (backend/function_plugins.h), tests have their own.
#ifndef CTDB_STORE_CORE_NAMED_FUNCTIONS_H_
#define CTDB_STORE_CORE_NAMED_FUNCTIONS_H_

#include <string>
#include <string_view>

#include "libctdbipc/base/bytes.h"
#include "libctdbipc/wire/record_functions.h"

namespace ctdb {

class NamedFunctions {
 public:
  struct Input {
    const std::string& database;
    ByteView key, value, argument;
    size_t value_bytes_max = 0;
  };
  virtual ~NamedFunctions() = default;
  // false: there is none of that name. `outcome` is overwritten, as by run_record_function(): its status is DONE, UNEQUAL, FAILED, or
  // FAULT for a function that broke its contract.
  virtual bool run(std::string_view name, const Input& input, FunctionOutcome& outcome) = 0;
};

}  // namespace ctdb

#endif  // CTDB_STORE_CORE_NAMED_FUNCTIONS_H_
