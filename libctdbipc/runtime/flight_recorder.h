// SPDX-License-Identifier: LGPL-3.0-or-later
// The last packets a daemon handled, always kept, for the question that comes after an incident: a file in the run directory
// (<daemon>.flight) in which the beginnings of packets go round. Written through a mapping, so it is there whatever the daemon dies of, and the next
// life goes on behind what the last one wrote. Only root and the daemon's own user may read it: keys are in it.
//
// Invariants:
//  1. One writer. Readers come at any time and never hold it up: an entry that changes while it is copied is left out.
//  2. An entry's number is 0 while the entry is being written; entries of higher numbers are newer.
#ifndef LIBCTDBIPC_RUNTIME_FLIGHT_RECORDER_H_
#define LIBCTDBIPC_RUNTIME_FLIGHT_RECORDER_H_

#include <memory>
#include <string>
#include <vector>

#include "libctdbipc/base/result.h"
#include "libctdbipc/runtime/config.h"
#include "libctdbipc/wire/capture.h"

namespace ctdb {

inline std::string flight_path(const std::string& run_directory, const std::string& daemon) {
  return run_directory + "/" + daemon + ".flight";
}

// So much of each packet: the header, and of most calls the key.
inline constexpr size_t kFlightBytes = 96;

struct FlightImage;

class FlightRecorder {
 public:
  // For `packets` (1 to kFlightPacketsMax) packets, or the next power of two. A file of another size, or none of this kind, is made anew. Errors: kSystem.
  static Result<std::unique_ptr<FlightRecorder>> open(const std::string& path, uint32_t packets,
                                                      uint32_t pnn);
  // There is to be none: takes away what an earlier life kept. Errors: kSystem.
  static Result<void> remove(const std::string& path);
  ~FlightRecorder();
  FlightRecorder(const FlightRecorder&) = delete;
  FlightRecorder& operator=(const FlightRecorder&) = delete;

  // `seen.bytes` is the whole packet. No system call, no allocation.
  void record(const CapturedPacket& seen);

 private:
  FlightRecorder(FlightImage* image, uint32_t packets) : image_(image), packets_(packets) {}
  FlightImage* image_;
  const uint32_t packets_;
};

struct FlightRecord {
  CapturedPacket packet;  // without bytes
  std::vector<uint8_t> kept;
};
struct Flight {
  uint32_t pnn = 0;                   // the node's
  std::vector<FlightRecord> records;  // oldest first
};
// What is in a daemon's file; the daemon may go on meanwhile. Errors: kSystem (also: there is none), kInvalid (another
// version's, or damaged).
Result<Flight> read_flight(const std::string& path);

}  // namespace ctdb

#endif  // LIBCTDBIPC_RUNTIME_FLIGHT_RECORDER_H_
