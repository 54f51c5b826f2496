// SPDX-License-Identifier: LGPL-3.0-or-later
// What is behind the opaque types of ctdb.h. Each group of API functions has its file; all go through the
// members here: check() at entry, send_*() for what goes out, receive() for what comes in, wait() for the
// blocking twins.
//
// Invariants:
//  1. Callbacks of the program run in service() only. A blocking call takes the answers of its own request
//  (sync) and
//     puts everything else into the inbox.
//  2. A request's entry is released before its callback runs, so the callback finds the client in a sane
//  state.
//  3. No exception leaves an API function (guarded()).
#ifndef LIBCTDBIPC_CLIENT_CLIENT_H_
#define LIBCTDBIPC_CLIENT_CLIENT_H_

#include <deque>
#include <map>
#include <memory>
#include <new>
#include <string>
#include <unordered_map>
#include <vector>

#include "libctdbipc/base/bytes.h"
#include "libctdbipc/client/fork_guard.h"
#include "libctdbipc/client/link.h"
#include "libctdbipc/client/local_file.h"
#include "libctdbipc/client/requests.h"
#include "libctdbipc/client/timers.h"
#include "libctdbipc/include/ctdb.h"
#include "libctdbipc/wire/lock_record.h"
#include "libctdbipc/wire/packet.h"
#include "libctdbipc/wire/record_functions.h"

namespace ctdb {

inline constexpr int64_t kNsPerMs = 1000000;
int64_t now_ns();

// When a blocking call gives up.
class Deadline {
 public:
  explicit Deadline(int timeout_ms);
  int left_ms() const;  // -1: never; rounded up, 0: over

 private:
  int64_t at_ns_;  // CLOCK_MONOTONIC; -1: never
};

// What a blocking call keeps on its stack while it waits.
struct Waiter {
  bool done = false;
  int error = 0;
  int32_t status = 0;
};

inline ByteView view(ctdb_blob blob) {
  return {static_cast<const uint8_t*>(blob.data), blob.size};
}
inline bool valid(ctdb_blob blob) {
  return blob.size == 0 || blob.data != nullptr;
}
// Of sizes that a program gives: one that would wrap is too big for everything.
inline size_t sum(size_t a, size_t b) {
  size_t both = 0;
  return __builtin_add_overflow(a, b, &both) ? SIZE_MAX : both;
}
inline ctdb_blob blob(ByteView bytes) {
  return {bytes.empty() ? nullptr : bytes.data(), bytes.size()};
}

// Runs the body of an API function; what it throws becomes a result.
template <typename Body>
int guarded(Body body) {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return CTDB_ERR_NO_MEMORY;
  } catch (...) {
    return CTDB_ERR_SYSTEM;
  }
}

}  // namespace ctdb

struct ctdb_record {
  ctdb_db* db = nullptr;
  bool locked = false;
  bool changed = false;           // since it was locked,
  uint64_t changed_in_epoch = 0;  // for the first time in this serving epoch of the node
  ctdb::Bytes key;
  uint32_t hash = 0;  // of the key, while it is locked
  ctdb::Bytes value;  // record header and data; shorter than a header: there is no record
};

// Changes that wait for the commit, and what it was when they began.
struct ctdb_transaction {
  struct Change {
    uint64_t rsn = 0;
    ctdb::Bytes data;
  };
  ctdb_db* db = nullptr;
  uint64_t sequence = 0;      // of the database
  uint64_t sequence_rsn = 0;  // of the record that says it
  std::map<ctdb::Bytes, Change> changes;
  size_t bytes = 0;  // they will take in the packet

  // While it waits for its lock without blocking anybody (transaction_send.cc):
  uint32_t start_id = 0;  // the request that starts it; 0: it has begun
  std::vector<ctdb::TransactionLockHolder>
      unasked;            // classic holders of whom it is not known yet whether they live
  uint32_t pause_ms = 0;  // before the lock is looked at again
};

struct ctdb_db {
  // Every node has all of it; read from the file, changed by transactions.
  bool full_copy() const { return kind != 0; }
  ctdb_client* client = nullptr;
  std::string name;
  uint32_t id = 0;
  std::string path;
  uint32_t tdb_flags = 0;
  uint32_t record_limit = CTDB_VALUE_BYTES_MAX;  // of values, as this node's store has it
  uint32_t copies = 0;                           // wanted; from the store's answer on: what the database has
  bool read_copies = false;                      // wanted
  ctdb::LocalFile* file = nullptr;               // nullptr while attaching
  uint32_t kind = 0;                             // CTDB_ATTACH_PERSISTENT, CTDB_ATTACH_REPLICATED or 0
  std::unique_ptr<ctdb_transaction> transaction;
  ctdb_record record;
  ctdb::Bytes value;   // copy of a record that is looked at without locking it
  uint32_t stage = 0;  // of attaching: how many of the daemons' answers are in
};

struct ctdb_client {
  using Bytes = ctdb::Bytes;
  using ByteView = ctdb::ByteView;
  using Peer = ctdb::Peer;
  using Request = ctdb::Request;

  struct Handler {
    ctdb_message_fn run;
    void* private_data;
  };

  ctdb_client();
  ~ctdb_client();

  // ---- connection.cc ----
  int connect(int timeout_ms);
  int restore(int timeout_ms);  // after connect(): handlers and databases again
  // The connection is gone: blocking calls end, other requests become ready with CTDB_ERR_DISCONNECTED.
  void lose(std::string why);
  int fail(int error, std::string text);
  int fail(const ctdb::Error& error);

  // ---- service.cc ----
  int service(int budget, int sleep_ms);
  // Until service() has something to do.
  int service_waiting(int timeout_ms);
  // Looks at the set-up connection.
  void take_news();
  // Before the store is asked again that was not there: some milliseconds, or until the set-up connection has news.
  void rest(const ctdb::Deadline& deadline);
  // Until `done`, the deadline, or the end of the connection. Reads the channel of `peer` only.
  int wait(const bool& done, Peer peer, const ctdb::Deadline& deadline);
  // Waits for a sync request and withdraws it when the time is over.
  int wait_for(uint32_t id, const ctdb::Waiter& waiter, Peer peer, const ctdb::Deadline& deadline);
  // Blocking calls begin with this: not while a record is locked.
  int may_wait() const { return records_locked > 0 ? CTDB_ERR_BUSY : 0; }

  // ---- receive.cc ----
  void make_ready(Request& request, int error);
  // Until a record of the request's file is unlocked; wake_parked() makes all such requests ready.
  void park(Request& request);
  void wake_parked();
  // Leaves the descriptor ready if anything is left to do.
  void settle();
  // Withdraws the request; no callback.
  void withdraw(Request& request);

  // ---- timer.cc ----
  // The request's step is run by service() when the time is over. `state` is kTimer or kPauses.
  int start_timer(Request& request, Request::State state, int delay_ms);
  void stop_timer(const Request& request) { timers_.remove(request.due_ns, request.id); }

  // ---- requests out ----
  // New entry, or nullptr with *error set; add_waiting(): for a blocking call.
  Request* add_request(int* error);
  Request* add_waiting(ctdb::Waiter& waiter, int* error);
  // Withdraws a request that could not be sent; returns `error`.
  int give_up(uint32_t id, int error);
  // Builds into `out` and sends; on failure the entry is left to the caller.
  int send_control(Request* request, uint32_t node, uint32_t opcode, uint64_t srvid, uint32_t flags,
                   ByteView data);
  int send_call(Request& request, uint32_t call, uint32_t flags, ByteView key, ByteView data);
  // Begins or ends one without an answer; never refused.
  void send_registration(ctdb::Control opcode, uint64_t srvid);
  // On a record of another database than the request's.
  int send_call(Request& request, uint32_t db_id, uint32_t call, uint32_t flags, ByteView key, ByteView data);
  int send_packet(Peer peer, ByteView packet);
  // What is not possible on the files of a directory.
  int no_daemons() {
    return fail(CTDB_ERR_DISCONNECTED, "there are no daemons: this client works on the files of " + path);
  }
  // A step that answers a blocking call: user_data is its Waiter, data and text go to answer_data and
  // answer_text.
  static void answer_waiter(ctdb_client& client, Request& request, const ctdb::Answer& answer);
  // A step that hands the answer to a ctdb_reply_fn.
  static void answer_user(ctdb_client& client, Request& request, const ctdb::Answer& answer);
  // What answer_waiter() left behind, for the program.
  ctdb_reply last_reply(const ctdb::Waiter& waiter) const;

  ctdb::ForkGuard guard;
  std::string path;  // of the set-up socket, or of the directory
  ctdb::Link link;
  ctdb::RequestTable requests{CTDB_REQUESTS_MAX};
  std::unordered_map<uint64_t, Handler> handlers;
  ctdb_undelivered_fn undelivered = nullptr;
  void* undelivered_data = nullptr;
  ctdb_restart_fn restarted = nullptr;
  void* restarted_data = nullptr;
  std::vector<std::unique_ptr<ctdb_db>> databases;
  ctdb_db* locks = nullptr;  // the database whose records are locks of transactions, once one was wanted
  ctdb_stats stats{};
  uint32_t stores_seen = 0;        // new stores since this client was made
  uint32_t hits_in_a_row = 0;      // local hits since this program last gave way to others
  mutable std::string error_text;  // of the call that failed last; the next call begins without one
  int spin_mode = CTDB_SPIN_NEVER;
  uint32_t records_locked = 0;
  bool* in_service = nullptr;  // service() runs: to be set when this is freed meanwhile, in a child
  bool closing = false;        // ctdb_disconnect() from inside a callback
  Bytes out;                   // packet being built
  Bytes answer_data;           // of the last blocking call
  std::string answer_text;
  ctdb::FunctionOutcome outcome;  // of a function run here

 private:
  friend int ctdb_flush(ctdb_client* client, int timeout_ms);

  bool handle_one();
  bool run_ready();
  bool handle_frame(Peer peer);

  bool drain_for_wait(Peer peer);
  bool may_spin() const;
  template <typename Look>
  bool spin(Look look);
  bool spin_for_answer(Peer peer);
  bool spin_for_anything();
  void resend_calls();
  // Own answers of blocking calls are taken at once, all else goes to the inbox.
  void receive_waiting(ByteView packet);
  void receive(ByteView packet);
  void receive_answer(const ctdb::Header& header, ByteView packet);
  void receive_message(ByteView packet);
  void receive_failure(const ctdb::Header& header, ByteView packet);
  bool check_faults();
  // ---- restart.cc: another router has taken over ----
  void router_replaced();
  void repeat_control(Request& request);
  void register_anew();
  bool tell_of_restart();
  // ---- timer.cc ----
  void look_at_clock();
  // Of those that were due when service() last looked at the clock.
  bool run_timer();
  // The descriptor will be ready when the next timer is due. True: one is.
  bool set_alarm();

  std::deque<uint32_t> ready_;
  ctdb::Timers timers_;
  int64_t turn_began_ns_ = 0;  // of a service() with timers
  int64_t alarm_ns_ = 0;       // when the descriptor becomes ready of itself
  std::deque<Bytes> inbox_;
  size_t inbox_bytes_ = 0;
  Bytes current_;      // packet whose callback is running
  uint32_t turn_ = 0;  // which channel is looked at first
  bool loss_told_ = false;
  uint32_t restarts_untold_ = 0;
};

namespace ctdb {

// Entry check of every API function: 0, CTDB_ERR_INVALID or CTDB_ERR_FORKED. What an earlier one failed of is over.
inline int check(const ctdb_client* client) {
  if (client == nullptr || client->closing) return CTDB_ERR_INVALID;
  client->error_text.clear();
  return client->guard.owned() ? 0 : CTDB_ERR_FORKED;
}
inline int check(const ctdb_db* db) {
  return db == nullptr ? CTDB_ERR_INVALID : check(db->client);
}
inline int check_connected(ctdb_client* client) {
  if (const int error = check(client); error != 0) return error;
  return client->link.up() ? 0 : client->fail(CTDB_ERR_DISCONNECTED, client->link.why_down());
}

// ---- database.cc ----
// A store has come: attaches that wait for one go on. No callbacks.
void attach_again(ctdb_client& client);
void free_database(ctdb_client& client, ctdb_db* db);
// All stages of an attach, blocking; of a new database, or of one that is open (after a reconnect).
int attach_blocking(ctdb_client& client, ctdb_db& db, const Deadline& deadline);
// Opens the file at db.path; if another one is open (the daemons made a new file), changes over to it.
int open_file(ctdb_client& client, ctdb_db& db);
// What the store is to know of the database, or of a record; it does not answer. Losing it costs nothing but time.
void tell_store(ctdb_db& db, uint32_t what, ByteView key);
// The local file has failed: CTDB_ERR_DATABASE, or CTDB_ERR_DAMAGED when the store can repair it, which is told then.
int file_failed(ctdb_db& db, const Error& error);

// One for the library's own use.
int attach_hidden(ctdb_client& client, const char* name, const Deadline& deadline, ctdb_db** db);
// The same without waiting; `done` as that of ctdb_attach_send().
int attach_hidden_send(ctdb_client& client, const char* name, ctdb_attach_fn done);

// ---- transaction.cc ----
// Of a database whose lock this client has: what the transaction begins on. 0 or CTDB_ERR_*.
int begin_transaction(ctdb_transaction& transaction);
// Whether this client has one on that database, or starts one.
bool has_transaction(const ctdb_client& client, uint32_t db_id);
// Its changes as a rec_buffer.
Bytes marshalled(const ctdb_transaction& transaction);
// It is no more, and lets the database go.
void forget_transaction(ctdb_db& db);

// ---- transaction_send.cc ----
// Whether the request is one that starts a transaction, and it has not begun.
bool starts_transaction(const Request& request);

// ---- local.cc: on the files of a directory ----
int attach_locally(ctdb_client& client, ctdb_db& db);
// Waits until no other program has a transaction on the file.
int begin_locally(ctdb_db& db, const Deadline& deadline);
int commit_locally(ctdb_db& db, const ctdb_transaction& transaction);

// ---- transaction_lock.cc ----
// Between two looks at a lock that a classic client holds.
inline constexpr int kLockPauseMsMin = 1, kLockPauseMsMax = 20;
// What is asked of a classic holder's node, and the control's number.
Bytes liveness_question(const TransactionLockHolder& holder, Control* opcode);
// What becomes of a commit that the store answered with `status`. same_store: it is the one that was asked.
int commit_result(ctdb_client& client, int32_t status, std::string text, bool same_store);
// Waits until this client alone may change the database in the cluster.
int lock_transactions(ctdb_db& db, const Deadline& deadline);
// Lets it go, or withdraws the wish.
void unlock_transactions(ctdb_db& db);
// Has a rec_buffer committed and lets go.
int commit_locked(ctdb_db& db, ByteView changes, const Deadline& deadline);

// ---- call.cc ----
// A call to the store; waiter.status is its result. timeouts, locks held and the connection are checked.
int call_and_wait(ctdb_db& db, ByteView key, uint32_t call, uint32_t flags, ByteView in,
                  const Deadline& deadline, Waiter& waiter);
// CTDB_ERR_REMOTE for a negative status.
int refusal(ctdb_client& client, int32_t status);

// ---- functions.cc ----
// Runs a function that changes a record: here, if the record is, else where it is. The answer is in `waiter`,
// client.answer_data and answer_text.
int run_function(ctdb_db& db, ctdb_blob key, uint32_t call, ByteView in, int timeout_ms, Waiter& waiter);
// Starts one; `step` gets the answer with the program's callback in the request.
int send_function(ctdb_db& db, ctdb_blob key, uint32_t call, ByteView in, Request::Step step, void (*user)(),
                  void* user_data, uint32_t* id);
// A store's answer: its text where the answer has it, and an error when nobody knows.
Answer answer_of_function(ctdb_client& client, const Answer& answer);

// ---- record.cc ----
void unlock_record(ctdb_record& record);
// 0, or CTDB_ERR_TOO_BIG for a value of so many bytes.
int check_size(ctdb_db& db, ByteView key, size_t bytes);

// ---- copies.cc ----
// What ctdb_unlock_copied() and ctdb_unlock_send() do with a locked record.
int unlock_and_copy(ctdb_record& record, int timeout_ms, uint32_t* copies);
int unlock_send(ctdb_record& record, ctdb_unlock_fn done, void* private_data, uint32_t* id);

// ---- message.cc ----
int register_again(ctdb_client& client, const Deadline& deadline);

// ---- control.cc ----
// A control and its answer, which is then in client.answer_data and answer_text. A negative status is an
// error here: CTDB_ERR_REMOTE.
int blocking_control(ctdb_client& client, uint32_t node, Control opcode, uint64_t srvid, ByteView data,
                     const Deadline& deadline);

}  // namespace ctdb

#endif  // LIBCTDBIPC_CLIENT_CLIENT_H_
