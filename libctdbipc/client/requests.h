// SPDX-License-Identifier: LGPL-3.0-or-later
// The requests a client has under way, found by request id. An entry lives from the start of an operation to
// its end, also when the operation needs several packets (attach: three controls; a contended fetch-lock:
// several calls); its id stays the same all the time and is what the program may cancel.
//
// Invariants:
//  1. An id names at most one entry, and an id of the past names none until 2^20 others have used its place:
//  late
//     answers find nothing.
//  2. References to entries stay valid until release(). Buffers of a usual size keep their capacity, so a warm table does not
//  allocate.
#ifndef LIBCTDBIPC_CLIENT_REQUESTS_H_
#define LIBCTDBIPC_CLIENT_REQUESTS_H_

#include <cstdint>
#include <deque>
#include <string_view>
#include <vector>

#include "libctdbipc/base/bytes.h"

struct ctdb_client;
struct ctdb_db;

namespace ctdb {

// Which daemon a packet goes to: the number of its channel.
enum class Peer : uint8_t { kRouter = 0, kStore = 1 };

// What a request ends with, or what its next step starts with.
struct Answer {
  int error = 0;  // CTDB_ERR_*: there is no answer; the rest is then empty
  int32_t status = 0;
  ByteView data;
  std::string_view text;
};

struct Request {
  bool timed() const { return state == State::kTimer || state == State::kPauses; }
  // Nobody can say what becomes of it when there is no answer.
  bool may_be_done() const { return once && handed_over; }
  enum class State : uint8_t {
    kFree,
    kSent,     // a daemon has to answer
    kReady,    // nothing to wait for: the next service() runs its step with `error`
    kNoStore,  // an attach that is sent again when there is a store
    kParked,   // waits for this process to unlock a record of the same file
    kWaits,    // for another request, the library's own
    kTimer,    // for `due_ns`: the program's, with or without daemons,
    kPauses,   // or the library's own, before it goes on
  };
  // Takes an answer. It either sends the next packet or releases the entry and tells the program.
  using Step = void (*)(ctdb_client& client, Request& request, const Answer& answer);

  State state = State::kFree;
  bool sync = false;  // a blocking call waits for it
  bool once =
      false;  // a store may get it once: it changes something that is changed again when it is repeated,
  bool handed_over = false;  // and has got it
  Peer peer = Peer::kRouter;
  uint32_t id = 0;
  int error = 0;  // of kReady
  Step step = nullptr;
  Step then = nullptr;        // of a function that is run here: what takes its answer
  void (*user)() = nullptr;   // the program's callback; the step knows its type
  void* user_data = nullptr;  // and its argument, or the blocking call's own state
  ctdb_db* db = nullptr;      // whose request this is, or nullptr
  uint32_t call = 0;          // function of a call
  uint64_t srvid = 0;         // of a registration
  Bytes key;                  // of a fetch-lock
  uint64_t sent_at = 0;       // of a control: Link::kNotYet, or where in the router's ring it begins
  int64_t due_ns = 0;         // of kTimer and kPauses, CLOCK_MONOTONIC
  Bytes packet;               // as sent, for a daemon that was restarted. kReady: a value found locally
};

class RequestTable {
 public:
  explicit RequestTable(uint32_t requests_max) : requests_max_(requests_max) {
    free_.reserve(requests_max);  // so that release() cannot fail
  }

  // nullptr: too many. The entry is kSent with everything else as after construction, buffers empty.
  Request* add();
  Request* find(uint32_t id);
  void release(Request& request);
  size_t size() const { return used_; }

  // `visit` may release the entry it is given, and no other.
  template <typename Visit>
  void for_each(Visit visit) {
    for (size_t i = 0; i < entries_.size(); ++i) {
      if (entries_[i].state != Request::State::kFree) visit(entries_[i]);
    }
  }

 private:
  uint32_t requests_max_;
  std::deque<Request> entries_;
  std::vector<uint32_t> free_;
  size_t used_ = 0;
};

}  // namespace ctdb

#endif  // LIBCTDBIPC_CLIENT_REQUESTS_H_
