// SPDX-License-Identifier: GPL-3.0-or-later
// A small cluster of store cores for unit tests: files in memory, links that are queues, a router that only carries,
// a recoveryd that is the test itself, and a clock that the test turns.
#ifndef TESTS_UNIT_STORE_STORE_WORLD_H_
#define TESTS_UNIT_STORE_STORE_WORLD_H_

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "ctdb-store/backend/memory_disk.h"
#include "ctdb-store/backend/memory_file.h"
#include "ctdb-store/core/named_functions.h"
#include "ctdb-store/core/store.h"
#include "libctdbipc/base/hash.h"
#include "libctdbipc/wire/operations.h"
#include "libctdbipc/wire/own_messages.h"
#include "libctdbipc/wire/packet.h"
#include "libctdbipc/wire/reader.h"

namespace ctdb::test {

inline constexpr char kDb[] = "test.tdb";
inline const uint32_t kDbId = database_id(kDb);

// What a store said, as the test sees it.
struct Sent {
  uint32_t endpoint = 0;
  bool direct = false;  // over the client's own channel
  Bytes packet;
  Header header() const { return read_header(packet); }
  Operation operation() const { return static_cast<Operation>(header().operation); }
};

class Node : public StoreOutput {
 public:
  explicit Node(uint32_t chains) : files(chains) {}

  void to_router(uint32_t endpoint, ByteView packet) override {
    outbox.push_back({endpoint, false, to_bytes(packet)});
  }
  void to_client(uint32_t endpoint, ByteView packet) override {
    outbox.push_back({endpoint, true, to_bytes(packet)});
  }
  void lock_chain(uint64_t ticket, const RecordFile&, ByteView key) override {
    tickets[ticket] = to_bytes(key);
  }
  void unlock_chain(uint64_t ticket) override {
    const Bytes key = tickets.at(ticket);
    if (granted.erase(ticket) > 0) files.database(kDb)->unlock(key, worker(ticket));
    tickets.erase(ticket);
  }
  bool serving = false;
  uint32_t prepared = 0;  // as the store said last
  void set_serving(bool on) override { serving = on; }
  void set_prepared(uint32_t generation, bool) override { prepared = generation; }
  uint64_t epoch = 1;
  uint64_t serving_epoch() const override { return epoch; }
  bool lease = true;
  bool lease_lasts() const override { return lease; }
  bool records_taken() const override { return !serving; }
  void log(StoreLog, const std::string& text) override { logs.push_back(text); }
  bool congested() const override { return full; }

  static MemoryDatabase::Holder worker(uint64_t ticket) { return 1000000 + static_cast<uint32_t>(ticket); }

  MemoryFiles files;
  MemoryDisk disk{files};
  bool disk_stands_still = false;
  NamedFunctions* functions = nullptr;  // of the next store
  std::unique_ptr<Store> store;
  std::deque<Sent> outbox;
  std::map<uint64_t, Bytes> tickets;  // what lock workers are asked for
  std::set<uint64_t> granted;         // and have
  std::vector<std::string> logs;
  bool full = false;  // nobody reads what this node sends
  std::vector<Sent> to_clients;
  std::vector<Sent> to_recoveryd;
};

class World {
 public:
  // `vacuum`: how long deleted records rest; 0: they stay, and no timer is set for them.
  explicit World(uint32_t nodes, uint32_t chains = 64, TimeNs vacuum = 0);

  Node& node(uint32_t pnn) { return *nodes_[pnn]; }
  Store& store(uint32_t pnn) { return *nodes_[pnn]->store; }
  MemoryDatabase& db(uint32_t pnn) { return *nodes_[pnn]->files.database(kDb); }
  uint32_t size() const { return static_cast<uint32_t>(nodes_.size()); }
  std::vector<uint32_t> everybody() const;

  // (Re)starts a node's store on its files. open_generation as SetupReply would say it.
  void start(uint32_t pnn, uint32_t open_generation = CTDB_INVALID_GENERATION, StoreOptions options = {});
  void stop(uint32_t pnn) { nodes_[pnn]->store.reset(); }

  // ---- time and transport ----
  // Carries packets and does work until there is nothing left to do at this time.
  void run();
  // One packet of one link, or nothing.
  bool carry_one(uint32_t from, uint32_t to);
  void collect();
  // Lets time pass in steps of the stores' deadlines.
  void pass(TimeNs time);
  void work_all();
  TimeNs now() const { return now_; }
  // Links cut: packets are lost, a REQ_CALL comes back as REPLY_ERROR.
  void cut(uint32_t a, uint32_t b) { cut_.insert({a, b}), cut_.insert({b, a}); }
  void heal() { cut_.clear(); }
  // Called for every packet that goes over a link; false: it is lost.
  std::function<bool(uint32_t from, uint32_t to, ByteView packet)> on_link = [](auto, auto, auto) {
    return true;
  };
  // Before (over = false) and after every turn of a store's loop: a packet from a link, an answer of the disk, a slice of work.
  std::function<void(uint32_t pnn, bool over)> on_turn = [](auto, auto) {};
  std::deque<Bytes>& link(uint32_t from, uint32_t to) { return links_[{from, to}]; }

  // ---- recoveryd's part ----
  std::vector<uint32_t> voters;  // empty: the members of each generation
  std::vector<uint32_t> base_members;
  void order(uint32_t pnn, Operation operation, const Bytes& payload);
  void begin(uint32_t generation, uint32_t base, const std::vector<uint32_t>& members);
  // Whether the node has reported itself recovered for `generation`.
  bool recovered(uint32_t pnn, uint32_t generation);
  void open(uint32_t generation, const std::vector<uint32_t>& members);
  // What StoreOpen says of it.
  bool all_are_members = false;
  // All of it.
  void recover(uint32_t generation, uint32_t base, const std::vector<uint32_t>& members);

  // ---- clients ----
  // A call over the client's own channel.
  void call(uint32_t pnn, uint32_t endpoint, uint32_t reqid, std::string_view key,
            uint32_t callid = CTDB_FUNC_NULL, bool via_router = false, uint32_t db_id = kDbId,
            uint32_t flags = CTDB_CALL_IMMEDIATE_MIGRATION);
  // One for which a read-only copy would do.
  void read(uint32_t pnn, uint32_t endpoint, uint32_t reqid, std::string_view key,
            uint32_t callid = CTDB_FUNC_FETCH, bool via_router = false) {
    call(pnn, endpoint, reqid, key, callid, via_router, kDbId, CTDB_CALL_WANT_READONLY);
  }
  // What a client reads in its node's file without asking; nullopt: it has to ask.
  std::optional<std::string> readable(uint32_t pnn, std::string_view key);
  // Delivers a packet as if it came from node `from`.
  void deliver(uint32_t pnn, Bytes packet, uint32_t endpoint = 0);
  void control(uint32_t pnn, uint32_t endpoint, uint32_t reqid, Control opcode, ByteView data,
               uint32_t flags = 0, uint32_t from = CTDB_UNKNOWN_PNN);
  void attach(uint32_t pnn, std::string_view name = kDb);
  // The answer to a client's call or control; nullopt: none yet. Takes it out.
  std::optional<ReplyCall> answer(uint32_t pnn, uint32_t endpoint, uint32_t reqid);
  std::optional<ReplyControl> control_answer(uint32_t pnn, uint32_t endpoint, uint32_t reqid);
  bool answered(uint32_t pnn, uint32_t endpoint, uint32_t reqid) {
    return answer(pnn, endpoint, reqid).has_value();
  }
  // What a client does with a record it owns: takes the lock, changes the data, lets go. false: not its own, or locked, or
  // others have read-only copies.
  bool write(uint32_t pnn, std::string_view key, std::string_view data);
  void clear_mark(uint32_t pnn, std::string_view key);
  std::optional<RecordHeader> header(uint32_t pnn, std::string_view key);
  std::optional<std::string> data(uint32_t pnn, std::string_view key);
  RecordSight sight(uint32_t pnn, std::string_view key);
  // Nodes whose file says that they own the record.
  std::vector<uint32_t> owners(std::string_view key);
  // A key whose lmaster under all nodes is `lmaster`.
  std::string key_of(uint32_t lmaster, const std::string& prefix = "key");
  // Lets lock workers have what they can get.
  void serve_workers();

 private:
  void route(uint32_t from, Sent sent);
  bool serve_disks();
  template <typename Turn>
  void turn(uint32_t pnn, Turn turn) {
    on_turn(pnn, false);
    turn(store(pnn));
    on_turn(pnn, true);
  }
  void send(uint32_t from, uint32_t to, const Bytes& packet);

  std::vector<std::unique_ptr<Node>> nodes_;
  std::map<std::pair<uint32_t, uint32_t>, std::deque<Bytes>> links_;
  std::set<std::pair<uint32_t, uint32_t>> cut_;
  TimeNs vacuum_;
  TimeNs now_ = kSecond;
  Bytes answer_;
};

Bytes with_nul(std::string_view text);

}  // namespace ctdb::test

#endif  // TESTS_UNIT_STORE_STORE_WORLD_H_
