// SPDX-License-Identifier: LGPL-3.0-or-later
// What a ctdb_brlock and a ctdb_opendb have in common: who they are to the others, in which database, and the ways to a record of it.
// Lock order: one record of this database at a time, and no question, no message and no sleep with it held.
#ifndef LIBCTDBSHARE_COMMON_OWNER_H_
#define LIBCTDBSHARE_COMMON_OWNER_H_

#include <exception>
#include <functional>
#include <new>
#include <span>
#include <string>
#include <vector>

#include "ctdb.h"
#include "libctdbshare/common/deadline.h"
#include "libctdbshare/common/server_id.h"

namespace ctdb_share {

struct Owner {
  ctdb_client* client = nullptr;
  ctdb_db* db = nullptr;
  ServerId self;
  bool local = false;    // a client without daemons: no messages, no controls
  bool woken = false;    // a message without content came: look again
  uint64_t numbers = 0;  // given out so far
  std::string text;      // of the last failure, if it is our own
};

// Attaches to the volatile database `name` and becomes somebody in it: in the cluster, one whom messages reach, which `handler` gets.
// Whatever it returns the owner is left by leave().
int become(Owner& owner, ctdb_client* client, const char* name, uint32_t flags, const Deadline& deadline,
           ctdb_message_fn handler, void* private_data);
void leave(Owner& owner);

// The beginning of every function: its common arguments, and the text of the last one is gone.
int begin(Owner* owner, int timeout_ms);

// As a ..._error_text() function.
const char* error_text(const Owner* owner);

// No exception gets out.
template <typename F>
int guarded(F&& body) {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return CTDB_ERR_NO_MEMORY;
  } catch (const std::exception&) {
    return CTDB_ERR_SYSTEM;
  }
}

inline std::span<const uint8_t> bytes_of(ctdb_blob blob) {
  return {static_cast<const uint8_t*>(blob.data), blob.size};
}

// What becomes of a value. No bytes: the record is deleted.
struct Edited {
  int error = 0;  // then nothing is written
  bool store = false;
  std::vector<uint8_t> bytes;
};

struct Changed {
  int error = 0;
  bool written = false;  // possibly with an error: nobody knows whether it lasts
};

// Locks the record, lets `edit` see its value, and does what that says. `edit` is run again when nothing came of the last time.
Changed change_value(Owner& owner, ctdb_blob file, const Deadline& deadline,
                     const std::function<Edited(std::span<const uint8_t>)>& edit);

// Asks whether `server` lives; not with a record held. Nobody was asked, or nobody answered in time: it is not known to be dead.
int find_out_if_dead(Owner& owner, const ServerId& server, const Deadline& deadline, bool* dead);

// A message to another owner, which may be lost. (Nothing on a local directory.)
void send(const Owner& owner, const ServerId& server, std::span<const uint8_t> bytes);
// Tells it to look again. One that is lost costs a second.
void wake(const Owner& owner, const ServerId& server);

// The pauses of one who waits for another: until he is woken, a second at most. On a local directory nobody wakes: 1 ms, then 2, at most 100.
class Pause {
 public:
  // Until there may be something new, or the deadline is over. 0, or an error. Callbacks run meanwhile.
  int sleep(Owner& owner, const Deadline& deadline);
  // Things move: begin at 1 ms again.
  void shorten() { local_ms_ = 1; }

 private:
  int local_ms_ = 1;
};

}  // namespace ctdb_share

#endif  // LIBCTDBSHARE_COMMON_OWNER_H_
