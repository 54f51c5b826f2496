// SPDX-License-Identifier: GPL-3.0-or-later
// Functions on records: any argument, on any record. A call is what it was after its way through a packet, its function keeps to what
// record_functions.h promises, and the name of a plug-in's function is read as it was written.
#include "libctdbipc/wire/packet.h"
#include "libctdbipc/wire/record_functions.h"
#include "tests/fuzz/fuzz_input.h"

namespace ctdb {
namespace {

void run(uint32_t callid, ByteView data, ByteView argument, size_t limit) {
  const Bytes data_before = to_bytes(data);
  FunctionOutcome outcome;
  outcome.result = Bytes(9, 'x');  // of an earlier call
  outcome.changed = true;
  run_record_function(callid, data, argument, limit, outcome);
  FUZZ_CHECK(outcome.status >= CTDB_FUNC_STATUS_FAULT && outcome.status <= CTDB_FUNC_STATUS_UNEQUAL);
  FUZZ_CHECK(!outcome.changed || outcome.status == CTDB_FUNC_STATUS_DONE);
  FUZZ_CHECK(!outcome.changed || outcome.value.size() <= limit || callid == CTDB_FUNC_ADD);
  FUZZ_CHECK(outcome.status >= 0 || (outcome.value.empty() && !outcome.result.empty()));
  FUZZ_CHECK(to_bytes(data) == data_before);
}

void send(uint32_t callid, ByteView argument) {
  Bytes packet;
  build(packet, {0, 1, 0, 1, 2, 3}, ReqCall{0, 4, callid, 0, as_bytes("key"), argument});
  const std::optional<ReqCall> call = parse_req_call(packet);
  FUZZ_CHECK(call && call->callid == callid && to_bytes(call->data) == to_bytes(argument));
}

void name(ByteView argument) {
  const std::optional<NamedCall> named = parse_named_call(argument);
  if (!named) return;
  FUZZ_CHECK(is_function_name(named->name));
  FUZZ_CHECK(encode_named_call(*named) == to_bytes(argument));
}

}  // namespace
}  // namespace ctdb

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ctdb::Reader reader(ctdb::ByteView(data, size));
  constexpr uint32_t kFunctions = CTDB_FUNC_LAST_CHANGING - CTDB_FUNC_FIRST_CHANGING + 1;
  const uint32_t callid = CTDB_FUNC_FIRST_CHANGING + reader.u8() % kFunctions;
  const size_t limit = 8 + reader.u16();
  const ctdb::ByteView record = reader.bytes(std::min<size_t>(reader.u16(), reader.left()));
  const ctdb::ByteView argument = reader.bytes(reader.left());
  ctdb::run(callid, record, argument, limit);
  ctdb::send(callid, argument);
  ctdb::name(argument);
  return 0;
}
