// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-cli/traverse.h"

#include <unistd.h>

#include "libctdbipc/wire/reader.h"

namespace ctdb::cli {
namespace {

struct Traverse {
  const std::function<void(const TraverseRecord&)>& take;
  bool ended = false;
  bool malformed = false;

  bool done() const { return ended || malformed; }
  void message(ByteView bytes) {
    const std::optional<TraverseRecord> record = decode_traverse_record(bytes);
    malformed = malformed || !record;
    ended = ended || (record && record->end);
    if (record && !record->end) take(*record);
  }
};

void on_message(ctdb_client*, uint64_t, ctdb_blob data, void* traverse) {
  static_cast<Traverse*>(traverse)->message({static_cast<const uint8_t*>(data.data), data.size});
}

// The classic tool's choice: nobody else on this node uses a service id made of our process id.
uint64_t own_srvid() {
  return 0xBE00000000000000ull | static_cast<uint32_t>(getpid());
}

Bytes traverse_start(uint32_t db_id, uint64_t srvid, bool with_empty) {
  Bytes payload;
  Writer out(payload);
  out.u32(db_id);
  out.u32(0);  // reqid: the service id is enough for us
  out.u64(srvid);
  out.u8(with_empty ? 1 : 0);
  out.zeros(7);  // padding
  return payload;
}

}  // namespace

Result<void> traverse_database(Connection& connection, uint32_t db_id,
                               const std::function<void(const TraverseRecord&)>& take, bool with_empty) {
  Traverse traverse{take};
  const uint64_t srvid = own_srvid();
  const int code = ctdb_register(connection.client(), srvid, on_message, &traverse, connection.left_ms());
  if (code != 0) return fail(connection.error(code, "registering for records"));
  const Bytes question = traverse_start(db_id, srvid, with_empty);
  const Result<Bytes> started = connection.control(CTDB_PNN_CURRENT, Control::TRAVERSE_START_EXT, question);
  if (!started) return fail(started.error());
  Result<void> served = connection.service_until([&] { return traverse.done(); });
  (void)ctdb_deregister(connection.client(), srvid, connection.left_ms());
  if (!served) return served;
  if (traverse.malformed)
    return fail(
        ErrorCode::kInvalid,
        "the traverse is not complete: a node left or stopped serving meanwhile, left out records that were "
        "locked for long, or sent something malformed, or it took longer than the tunable TraverseTimeout "
        "says (the log of this node tells which)");
  return {};
}

}  // namespace ctdb::cli
