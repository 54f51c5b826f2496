// SPDX-License-Identifier: GPL-3.0-or-later
// What the keeper does to one file.
#include <unistd.h>

#include <cerrno>

#include "ctdb-store/backend/keeper_process.h"
#include "ctdb-store/backend/tdb_api.h"
#include "ctdb-store/backend/tdb_file.h"
#include "libctdbipc/base/tdb_image.h"
#include "libctdbipc/runtime/log.h"
#include "libctdbipc/wire/packet.h"

namespace ctdb {
namespace {

struct Fencing {
  uint32_t pnn = 0;
  bool ok = true;
  uint64_t taken = 0;
  Bytes header;
};

int take_away(tdb_context* tdb, TDB_DATA key, TDB_DATA value, void* state) {
  auto& fencing = *static_cast<Fencing*>(state);
  std::optional<RecordHeader> header = read_record_header(tdb_view(value));
  const bool is_read = header && (header->flags & CTDB_RECORD_RO_HAVE_READONLY) != 0;
  if (!header || (header->dmaster != fencing.pnn && !is_read) || is_filler(tdb_view(key), tdb_view(value)))
    return 0;
  // A client that was killed may have left a second, older record of the key, behind the first: that one has been visited.
  const auto is_usable = [](TDB_DATA, TDB_DATA first, void* pnn) {
    const std::optional<RecordHeader> its = read_record_header(tdb_view(first));
    const bool usable = its && (its->dmaster == *static_cast<uint32_t*>(pnn) ||
                                (its->flags & CTDB_RECORD_RO_HAVE_READONLY) != 0);
    return usable ? 0 : 1;
  };
  if (tdb_parse_record(tdb, key, is_usable, &fencing.pnn) != 0) return 0;
  if (header->dmaster == fencing.pnn) header->dmaster = CTDB_UNKNOWN_PNN;
  header->flags &= ~CTDB_RECORD_RO_HAVE_READONLY;
  fencing.header.clear();
  append_record_header(fencing.header, *header);
  TDB_DATA parts[2] = {tdb_data(fencing.header), tdb_data(tdb_view(value).subspan(CTDB_RECORD_HEADER_SIZE))};
  if (tdb_storev(tdb, key, parts, 2, TDB_MODIFY) != 0) fencing.ok = false;
  ++fencing.taken;
  return 0;
}

}  // namespace

bool fence_file(const std::string& path, int tdb_flags, uint32_t pnn, const NodePage& page, uint64_t epoch,
                bool told, std::atomic<bool>* has_lock) {
  Result<SharedTdb> file = open_shared(path, tdb_flags);
  if (!file) {
    if (access(path.c_str(), F_OK) != 0) return true;
    const bool damaged = file.error().code == ErrorCode::kCorrupt;
    if (!told) {
      log_warning("fencing " + path + ": " + file.error().text() +
                  (damaged ? "" : "; it is tried again and again until it can be opened or is gone"));
    }
    if (!damaged) return false;
    // What a store leaves that dies while it makes the file. The next one makes it anew.
    const Result<std::string> kept = put_aside(path);
    log_warning(kept ? "the damaged file is kept as " + *kept : kept.error().text());
    return kept.has_value();
  }
  tdb_context* tdb = file->tdb.get();
  if (tdb_lockall(tdb) != 0) return false;
  if (has_lock != nullptr) *has_lock = true;
  Fencing fencing{pnn, true, 0, {}};
  if (page.serving_epoch() == epoch) fencing.ok = tdb_traverse(tdb, take_away, &fencing) >= 0 && fencing.ok;
  tdb_unlockall(tdb);
  if (fencing.taken > 0)
    log_notice("the keeper took " + std::to_string(fencing.taken) + " records away in " + path);
  return fencing.ok;
}

}  // namespace ctdb
