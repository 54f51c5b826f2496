// SPDX-License-Identifier: GPL-3.0-or-later
// What live capture and the flight recorder's have in common: what is wanted, by the command line, and the file it goes into.
#ifndef CTDB_CLI_COMMANDS_CAPTURE_PLAN_H_
#define CTDB_CLI_COMMANDS_CAPTURE_PLAN_H_

#include <cstdint>
#include <string>

#include "ctdb-cli/command.h"
#include "libctdbipc/base/unique_fd.h"
#include "libctdbipc/wire/capture.h"

namespace ctdb::cli {

struct Plan {
  CaptureOptions options;
  int64_t until_ns = 0;  // 0: no end
  uint64_t packets = ~uint64_t{0};
};

// Returns what is wrong with the command line, "" if nothing.
std::string make_plan(const Invocation& invocation, Plan& plan);
int64_t wall_clock_ns();

class CaptureFile {
 public:
  // "-" is the standard output. Errors: kSystem.
  static Result<CaptureFile> open(const std::string& path);
  // Writes all and empties it. false: errno says why.
  bool write_all(Bytes& bytes);

 private:
  UniqueFd fd_;
};

// The end of a capture. The numbers are told on stderr: the standard output may be the file.
Outcome captured(const Invocation& invocation, uint64_t packets, uint64_t dropped, const std::string& notes);

// --last: what the daemons' flight recorders hold.
Outcome capture_last(const Invocation& invocation, const Plan& plan);

}  // namespace ctdb::cli

#endif  // CTDB_CLI_COMMANDS_CAPTURE_PLAN_H_
