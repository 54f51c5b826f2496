// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-store/backend/function_plugins.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace ctdb {
namespace {

static_assert(CTDB_FUNCTION_NAME_BYTES_MAX == kFunctionNameBytesMax);

constexpr char kSymbol[] = "ctdb_functions";
// A table that claims more is none.
constexpr uint32_t kFunctionsMax = 256;

tl::unexpected<Error> unusable(const std::string& file, const std::string& text, const std::string& remedy) {
  return fail(ErrorCode::kRefused,
              file + ": " + text + " (" + remedy + "; [database] functions of ctdb.conf names it)");
}

std::string last_dl_error() {
  const char* text = dlerror();
  return text == nullptr ? "unknown error" : text;
}

}  // namespace

void FunctionPlugins::Close::operator()(void* library) const {
  dlclose(library);
}

Result<std::unique_ptr<FunctionPlugins>> FunctionPlugins::load(const std::vector<std::string>& files) {
  auto plugins = std::make_unique<FunctionPlugins>();
  for (const std::string& file : files) {
    if (Result<void> opened = plugins->open(file); !opened) return fail(std::move(opened.error()));
  }
  return plugins;
}

Result<void> FunctionPlugins::open(const std::string& file) {
  void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr)
    return unusable(file, "it cannot be loaded: " + last_dl_error(), "build it for this machine");
  libraries_.emplace_back(library);
  const auto* table = static_cast<const ctdb_function_table*>(dlsym(library, kSymbol));
  if (table == nullptr)
    return unusable(file, std::string("it has no '") + kSymbol + "'", "define it as ctdb_function.h says");
  return add(file, *table);
}

Result<void> FunctionPlugins::add(const std::string& file, const ctdb_function_table& table) {
  if (table.abi != CTDB_FUNCTION_ABI) {
    return unusable(file,
                    "it is made for interface " + std::to_string(table.abi) + ", this store has " +
                        std::to_string(CTDB_FUNCTION_ABI),
                    "build it with this release's ctdb_function.h");
  }
  if (table.count == 0 || table.count > kFunctionsMax || table.functions == nullptr) {
    return unusable(file, "it has " + std::to_string(table.count) + " functions",
                    "1 to " + std::to_string(kFunctionsMax) + " are expected");
  }
  for (const ctdb_function& function : std::span(table.functions, table.count)) {
    // Not a byte further than a name may be long.
    const size_t bytes = function.name == nullptr ? 0 : strnlen(function.name, kFunctionNameBytesMax + 1);
    const std::string name(function.name == nullptr ? "" : function.name, bytes);
    if (!is_function_name(name) || function.run == nullptr)
      return unusable(file,
                      "one of its functions has no name of 1 to 64 letters, digits, -, _ and ., or no code",
                      "correct its table");
    if (!functions_.emplace(name, function.run).second)
      return unusable(file, "there is a function '" + name + "' already", "rename one of the two");
  }
  return {};
}

bool FunctionPlugins::run(std::string_view name, const Input& input, FunctionOutcome& outcome) {
  const auto at = functions_.find(name);
  if (at == functions_.end()) return false;
  const ctdb_function_input in{input.database.c_str(), input.key.data(),   input.key.size(),
                               input.value.data(),     input.value.size(), input.argument.data(),
                               input.argument.size()};
  ctdb_function_output out{value_.get(),
                           std::min<size_t>(input.value_bytes_max, kValueBytesMax),
                           0,
                           answer_.get(),
                           CTDB_FUNCTION_ANSWER_BYTES_MAX,
                           0};
  const int code = at->second(&in, &out);
  // Its own copy of these numbers is not to be believed.
  out.value_bytes_max = std::min<size_t>(input.value_bytes_max, kValueBytesMax);
  outcome = {};
  judge(name, code, out, input, outcome);
  return true;
}

void FunctionPlugins::judge(std::string_view name, int code, const ctdb_function_output& out,
                            const Input& input, FunctionOutcome& outcome) const {
  const auto fault = [&](const std::string& what) {
    refuse_function(outcome, CTDB_FUNC_STATUS_FAULT,
                    "function '" + std::string(name) + "' broke its contract: " + what);
  };
  if (out.answer_bytes > CTDB_FUNCTION_ANSWER_BYTES_MAX)
    return fault("an answer of " + std::to_string(out.answer_bytes) + " bytes");
  if (code == CTDB_FUNCTION_CHANGED && out.value_bytes > out.value_bytes_max) {
    return fault("a value of " + std::to_string(out.value_bytes) + " bytes where " +
                 std::to_string(out.value_bytes_max) + " are allowed");
  }
  const ByteView answer(answer_.get(), out.answer_bytes);
  switch (code) {
    case CTDB_FUNCTION_UNCHANGED:
      break;
    case CTDB_FUNCTION_CHANGED:
      outcome.value.assign(value_.get(), value_.get() + out.value_bytes);
      outcome.changed = !std::ranges::equal(outcome.value, input.value);
      break;
    case CTDB_FUNCTION_CONDITION:
      outcome.status = CTDB_FUNC_STATUS_UNEQUAL;
      break;
    case CTDB_FUNCTION_REFUSED:
      outcome.status = CTDB_FUNC_STATUS_FAILED;
      break;
    default:
      return fault("it returned " + std::to_string(code));
  }
  outcome.result.assign(answer.begin(), answer.end());
}

std::string FunctionPlugins::names() const {
  std::string text;
  for (const auto& [name, run] : functions_) text += (text.empty() ? "" : ", ") + name;
  return text;
}

}  // namespace ctdb
