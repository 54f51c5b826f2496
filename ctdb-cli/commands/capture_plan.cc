// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-cli/commands/capture_plan.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "ctdb-cli/text.h"
#include "libctdbipc/base/hash.h"
#include "libctdbipc/base/limits.h"
#include "libctdbipc/wire/layout.h"
#include "libctdbipc/wire/operations.h"

namespace ctdb::cli {
namespace {

constexpr int64_t kSecondNs = 1000000000;

// A number of the command line into `out`; false: it is none.
template <typename T>
bool take_number(const Invocation& invocation, const char* name, uint32_t max, T& out, std::string& problem) {
  const std::optional<std::string> word = invocation.optional(name);
  if (!word) return true;
  const std::optional<uint32_t> number = parse_number(*word, max);
  if (number) out = *number;
  if (!number)
    problem = "--" + std::string(name) + ": '" + *word + "' is no number up to " + std::to_string(max);
  return number.has_value();
}

std::optional<uint32_t> operation_number(const std::string& name) {
#define CTDB_OPERATION(number, row_name, payload, reply, server) \
  if (name == #row_name) return number;
#include "libctdbipc/wire/messages.def"
  return std::nullopt;
}

std::optional<uint32_t> database_number(const std::string& word) {
  if (!word.starts_with("0x")) return database_id(word);
  char* end = nullptr;
  errno = 0;
  const unsigned long long number = std::strtoull(word.c_str() + 2, &end, 16);
  if (errno != 0 || *end != '\0' || word.size() < 3 || number > 0xFFFFFFFF) return std::nullopt;
  return static_cast<uint32_t>(number);
}

}  // namespace

int64_t wall_clock_ns() {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec * kSecondNs + now.tv_nsec;
}

std::string make_plan(const Invocation& invocation, Plan& plan) {
  constexpr uint32_t kMost = 0x7FFFFFFF, kMebibyte = 1u << 20;
  std::string problem;
  uint32_t seconds = 0, mebibytes = plan.options.buffer_bytes / kMebibyte;
  const bool good = take_number(invocation, "seconds", 31536000, seconds, problem) &&
                    take_number(invocation, "packets", kMost, plan.packets, problem) &&
                    take_number(invocation, "node", kNodesMax - 1, plan.options.node, problem) &&
                    take_number(invocation, "snap", kMost, plan.options.snap_bytes, problem) &&
                    take_number(invocation, "rate", kMost, plan.options.packets_per_second, problem) &&
                    take_number(invocation, "buffer", kCaptureBufferBytesMax / kMebibyte, mebibytes, problem);
  if (!good) return problem;
  if (mebibytes == 0) return "--buffer: 0 MiB are no room for a packet";
  if (seconds > 0) plan.until_ns = wall_clock_ns() + seconds * kSecondNs;
  plan.options.buffer_bytes = mebibytes * kMebibyte;
  plan.options.snap_bytes = std::max<uint32_t>(plan.options.snap_bytes, CTDB_HEADER_SIZE);
  plan.options.redact = invocation.optional("redact").has_value();
  if (const auto word = invocation.optional("operation"); word) {
    plan.options.operation = operation_number(*word);
    if (!plan.options.operation) return "--operation: there is no '" + *word + "' (REQ_CALL, REQ_CONTROL, …)";
  }
  if (const auto word = invocation.optional("db"); word) {
    plan.options.db_id = database_number(*word);
    if (!plan.options.db_id) return "--db: '" + *word + "' is neither a name nor a number after 0x";
  }
  return "";
}

Result<CaptureFile> CaptureFile::open(const std::string& path) {
  CaptureFile out;
  if (path == "-") {
    out.fd_ = UniqueFd(fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0));
  } else {
    out.fd_ = UniqueFd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  }
  if (!out.fd_.valid()) return fail_errno("opening " + path);
  return out;
}

bool CaptureFile::write_all(Bytes& bytes) {
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t wrote = ::write(fd_.get(), bytes.data() + done, bytes.size() - done);
    if (wrote < 0 && errno != EINTR) return false;
    if (wrote > 0) done += static_cast<size_t>(wrote);
  }
  bytes.clear();
  return true;
}

Outcome captured(const Invocation& invocation, uint64_t packets, uint64_t dropped, const std::string& notes) {
  std::fprintf(stderr, "%llu packets, %llu dropped%s\n", static_cast<unsigned long long>(packets),
               static_cast<unsigned long long>(dropped), notes.c_str());
  Outcome outcome;
  if (invocation.argument("write") == "-") return outcome;  // the packets are there
  outcome.report.json_field("packets", packets);
  outcome.report.json_field("dropped", dropped);
  return outcome;
}

}  // namespace ctdb::cli
