// SPDX-License-Identifier: GPL-3.0-or-later
// capture --last: the beginnings of the last packets, from the daemons' flight recorders (libctdbipc/runtime/flight_recorder.h). Asks
// nobody: it works when the daemons hang or are dead.
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "ctdb-cli/commands/capture_plan.h"
#include "ctdb-cli/pcapng.h"
#include "libctdbipc/runtime/flight_recorder.h"

namespace ctdb::cli {
namespace {

Exit exit_of(const Error& error) {
  return error.saved_errno == ENOENT ? Exit::kNoDaemon : Exit::kFailed;
}

std::string why_nothing(const Error& error) {
  if (error.saved_errno != ENOENT) return error.text();
  return error.text() +
         ": the daemon keeps no packets ('flight recorder = 0' in [logging] of ctdb.conf), or never ran";
}

// Those that are wanted, as a live capture would have sent them.
CaptureBuffer chosen(std::vector<FlightRecord>& records, CaptureOptions options) {
  options.buffer_bytes = kCaptureBufferBytesMax;
  options.packets_per_second = 0;
  CaptureBuffer buffer(options);
  for (FlightRecord& record : records) {
    record.packet.bytes = record.kept;
    buffer.offer(record.packet);
  }
  return buffer;
}

// The newest `most` of what is in `buffer`.
uint64_t write_packets(const CaptureBuffer& buffer, uint64_t most, PcapngWriter& writer) {
  ByteView left = buffer.unsent();
  uint64_t too_many = buffer.copied() > most ? buffer.copied() - most : 0;
  bool broken = false;
  while (const auto packet = take_captured(left, broken)) {
    if (too_many > 0) {
      --too_many;
    } else {
      writer.packet(*packet, 0);
    }
  }
  return writer.packets();
}

}  // namespace

Outcome capture_last(const Invocation& invocation, const Plan& plan) {
  std::vector<FlightRecord> all;
  uint32_t pnn = 0;
  std::string notes;
  std::optional<Error> first;
  bool any = false;
  for (const std::string daemon : {"ctdb-router", "ctdb-store"}) {
    Result<Flight> flight = read_flight(flight_path(invocation.place.run_directory, daemon));
    if (!flight) {
      notes += "; without the packets of " + daemon + ": " + why_nothing(flight.error());
      if (!first) first = flight.error();
      continue;
    }
    any = true;
    pnn = flight->pnn;
    std::move(flight->records.begin(), flight->records.end(), std::back_inserter(all));
  }
  if (!any) return failed(exit_of(*first), why_nothing(*first));
  std::stable_sort(all.begin(), all.end(), [](const FlightRecord& a, const FlightRecord& b) {
    return a.packet.wall_ns < b.packet.wall_ns;
  });
  Result<CaptureFile> file = CaptureFile::open(invocation.argument("write"));
  if (!file) return failed(Exit::kFailed, file.error().text());
  PcapngWriter writer(pnn);
  const uint64_t packets = write_packets(chosen(all, plan.options), plan.packets, writer);
  writer.finish(wall_clock_ns());
  if (!file->write_all(writer.bytes()) && errno != EPIPE)
    return failed(Exit::kFailed, std::string("writing: ") + std::strerror(errno));
  return captured(invocation, packets, 0, notes);
}

}  // namespace ctdb::cli
