// SPDX-License-Identifier: GPL-3.0-or-later
// The store's core on files in memory, node 0 of 3, open in a generation and with a database: packets from the router
// (peers, recoveryd, classic clients) and from native clients in any order, time passing in between.
#include <map>

#include "ctdb-store/backend/memory_file.h"
#include "ctdb-store/core/store.h"
#include "libctdbipc/wire/own_messages.h"
#include "tests/fuzz/event_input.h"

namespace ctdb {
namespace {

constexpr uint32_t kGeneration = 79;  // as in the golden packets of our own

class Output : public StoreOutput {
 public:
  void to_router(uint32_t, ByteView packet) override {
    FUZZ_CHECK(check_header(packet) == HeaderFault::kNone);
  }
  void to_client(uint32_t, ByteView packet) override {
    FUZZ_CHECK(check_header(packet) == HeaderFault::kNone);
  }
  void lock_chain(uint64_t ticket, const RecordFile&, ByteView) override {
    FUZZ_CHECK(tickets.insert({ticket, 0}).second);
  }
  void unlock_chain(uint64_t ticket) override { FUZZ_CHECK(tickets.erase(ticket) == 1); }
  void set_serving(bool) override {}
  void set_prepared(uint32_t, bool) override {}
  void log(StoreLog, const std::string&) override {}
  std::map<uint64_t, int> tickets;
};

StoreOptions options() {
  StoreOptions out;
  out.pnn = 0;
  return out;
}

class World {
 public:
  World() : store_(options(), files_, output_) {
    store_.on_router_up(now_);
    RecoveryBegin begin;
    begin.term = 1;
    begin.generation = kGeneration;
    begin.members = {0};
    own(Operation::STORE_RECOVER, begin.encode());
    work();
    own(Operation::STORE_OPEN, StoreOpen{1, kGeneration}.encode());
    work();
    Bytes packet;
    build(packet, {0, 0, 0, 0, 0, 1},
          ReqControl{static_cast<uint32_t>(Control::DB_ATTACH), 0, 5, 0, {name, sizeof name}});
    store_.on_router_packet(5, packet, now_);
    work();
  }

  void step(FuzzEvent& event) {
    now_ += kMillisecond;
    const uint32_t endpoint = event.argument % 4;
    switch (event.kind % 8) {
      case 0:
        set_generation(event.packet, kGeneration);
        [[fallthrough]];
      case 1:
        store_.on_router_packet(0, event.packet, now_);
        break;
      case 2:
      case 3:
        store_.on_router_packet(endpoint, event.packet, now_);
        break;
      case 4:
        store_.on_client_packet(1 + endpoint, event.packet, now_);
        break;
      case 5:
        store_.on_client_gone(1 + endpoint, now_);
        break;
      case 6:
        locked(event.argument);
        break;
      default:
        now_ += event.argument * kSecond;
        break;
    }
    work();
  }

 private:
  void own(Operation operation, const Bytes& payload) {
    Bytes packet;
    build_own(packet, {0, kGeneration, static_cast<uint32_t>(operation), 0, 0, 0}, payload);
    store_.on_router_packet(0, packet, now_);
  }
  // A worker's answer; nobody holds a chain here, so it may come or fail.
  void locked(uint8_t argument) {
    if (output_.tickets.empty()) return;
    const uint64_t ticket = output_.tickets.begin()->first;
    if (argument % 2 != 0) output_.tickets.erase(ticket);
    argument % 2 == 0 ? store_.on_chain_locked(ticket, now_) : store_.on_chain_failed(ticket, "", now_);
  }
  // Bounded: with a single member everything that can be done is done soon.
  void work() {
    for (int i = 0; i < 1000 && store_.has_work(); ++i) store_.work(now_);
    FUZZ_CHECK(!store_.has_work());
    if (store_.next_deadline() <= now_) store_.tick(now_);
  }

  static constexpr uint8_t name[] = {'v', 'o', 'l', '.', 't', 'd', 'b', 0};
  MemoryFiles files_;
  Output output_;
  Store store_;
  TimeNs now_ = kSecond;
};

}  // namespace
}  // namespace ctdb

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ctdb::World world;
  ctdb::FuzzEvents events({data, size});
  ctdb::FuzzEvent event;
  for (int i = 0; i < 200 && events.next(event, i % 2 == 0); ++i) world.step(event);
  return 0;
}
