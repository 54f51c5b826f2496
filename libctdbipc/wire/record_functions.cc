// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbipc/wire/record_functions.h"

#include <algorithm>
#include <string_view>

#include "libctdbipc/wire/reader.h"

namespace ctdb {
namespace {

std::string_view text_of(int32_t status) {
  switch (status) {
    case CTDB_FUNC_STATUS_NO_FUNCTION:
      return "there is no such function";
    case CTDB_FUNC_STATUS_BAD_ARGUMENT:
      return "the argument is malformed";
    case CTDB_FUNC_STATUS_NO_COUNTER:
      return "the record is not a counter of 8 bytes";
    case CTDB_FUNC_STATUS_OVERFLOW:
      return "the sum does not fit into 64 bits";
    case CTDB_FUNC_STATUS_TOO_BIG:
      return "the record would be larger than its database allows ([database] record limit)";
    case CTDB_FUNC_STATUS_UNKNOWN:
      return "nobody knows whether the function was run";
    default:
      return "the store refused the call";
  }
}

void put(Bytes& out, uint64_t number) {
  out.resize(sizeof number);
  store(out.data(), number);
}

void add(ByteView data, ByteView argument, FunctionOutcome& outcome) {
  if (argument.size() != sizeof(int64_t)) return refuse_function(outcome, CTDB_FUNC_STATUS_BAD_ARGUMENT);
  if (!data.empty() && data.size() != sizeof(int64_t))
    return refuse_function(outcome, CTDB_FUNC_STATUS_NO_COUNTER);
  const int64_t before = data.empty() ? 0 : load<int64_t>(data.data());
  const auto amount = load<int64_t>(argument.data());
  int64_t sum = 0;
  if (__builtin_add_overflow(before, amount, &sum))
    return refuse_function(outcome, CTDB_FUNC_STATUS_OVERFLOW);
  outcome.changed = amount != 0;
  put(outcome.value, static_cast<uint64_t>(sum));
  outcome.result = outcome.value;
}

void compare_and_swap(ByteView data, ByteView argument, size_t value_bytes_max, FunctionOutcome& outcome) {
  Reader reader(argument);
  const ByteView expected = reader.counted_bytes();
  const ByteView wanted = reader.bytes(reader.left());
  if (!reader.done()) return refuse_function(outcome, CTDB_FUNC_STATUS_BAD_ARGUMENT);
  if (wanted.size() > value_bytes_max) return refuse_function(outcome, CTDB_FUNC_STATUS_TOO_BIG);
  if (!std::ranges::equal(data, expected)) {
    // What is too large for a packet cannot be told.
    if (data.size() > kValueBytesMax) return refuse_function(outcome, CTDB_FUNC_STATUS_TOO_BIG);
    outcome.status = CTDB_FUNC_STATUS_UNEQUAL;
    outcome.result.assign(data.begin(), data.end());
    return;
  }
  outcome.changed = !std::ranges::equal(data, wanted);
  outcome.value.assign(wanted.begin(), wanted.end());
}

void append(ByteView data, ByteView more, size_t value_bytes_max, FunctionOutcome& outcome) {
  if (data.size() + more.size() > value_bytes_max) return refuse_function(outcome, CTDB_FUNC_STATUS_TOO_BIG);
  outcome.changed = !more.empty();
  outcome.value.assign(data.begin(), data.end());
  outcome.value.insert(outcome.value.end(), more.begin(), more.end());
  put(outcome.result, outcome.value.size());
}

void append_if(ByteView data, ByteView argument, size_t value_bytes_max, FunctionOutcome& outcome) {
  if (argument.size() < sizeof(uint64_t)) return refuse_function(outcome, CTDB_FUNC_STATUS_BAD_ARGUMENT);
  if (load<uint64_t>(argument.data()) == data.size())
    return append(data, argument.subspan(sizeof(uint64_t)), value_bytes_max, outcome);
  outcome.status = CTDB_FUNC_STATUS_UNEQUAL;
  put(outcome.result, data.size());
}

}  // namespace

void refuse_function(FunctionOutcome& outcome, int32_t status) {
  refuse_function(outcome, status, text_of(status));
}

void refuse_function(FunctionOutcome& outcome, int32_t status, std::string_view text) {
  outcome.status = status;
  outcome.changed = false;
  outcome.value.clear();
  outcome.result = to_bytes(as_bytes(text));
}

bool is_function_name(std::string_view name) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  };
  return !name.empty() && name.size() <= kFunctionNameBytesMax && std::ranges::all_of(name, fits);
}

Bytes encode_named_call(const NamedCall& call) {
  Bytes bytes;
  bytes.reserve(sizeof(uint32_t) + call.name.size() + call.argument.size());
  Writer writer(bytes);
  writer.counted_bytes(as_bytes(call.name));
  writer.bytes(call.argument);
  return bytes;
}

std::optional<NamedCall> parse_named_call(ByteView bytes) {
  Reader reader(bytes);
  const std::string_view name = as_text(reader.counted_bytes());
  const ByteView argument = reader.bytes(reader.left());
  if (!reader.done() || !is_function_name(name)) return std::nullopt;
  return NamedCall{name, argument};
}

void run_record_function(uint32_t callid, ByteView data, ByteView argument, size_t value_bytes_max,
                         FunctionOutcome& outcome) {
  outcome.status = CTDB_FUNC_STATUS_DONE;
  outcome.changed = false;
  outcome.value.clear();
  outcome.result.clear();
  switch (callid) {
    case CTDB_FUNC_ADD:
      return add(data, argument, outcome);
    case CTDB_FUNC_COMPARE_AND_SWAP:
      return compare_and_swap(data, argument, value_bytes_max, outcome);
    case CTDB_FUNC_APPEND:
      return append(data, argument, value_bytes_max, outcome);
    case CTDB_FUNC_APPEND_IF:
      return append_if(data, argument, value_bytes_max, outcome);
    default:
      return refuse_function(outcome, CTDB_FUNC_STATUS_NO_FUNCTION);
  }
}

}  // namespace ctdb
