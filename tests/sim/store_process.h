// SPDX-License-Identifier: GPL-3.0-or-later
// ctdb-store in the simulator: the real core over record files in memory, its lock workers, its native clients.
#ifndef CTDB_TESTS_SIM_STORE_PROCESS_H_
#define CTDB_TESTS_SIM_STORE_PROCESS_H_

#include <map>
#include <memory>

#include "ctdb-store/backend/fence_gate.h"
#include "ctdb-store/core/store.h"
#include "tests/sim/process.h"

namespace ctdb::sim {

class Client;
class Node;

class StoreProcess : public Process, public StoreOutput {
 public:
  // Lock workers hold chains under numbers from here on.
  static constexpr uint32_t kFirstWorker = 1u << 24;

  explicit StoreProcess(Node& node);

  void start();
  void kill();
  const Store* core() const { return core_.get(); }

  // ---- the router's side ----
  void from_router(uint64_t link, uint32_t endpoint, ByteView packet, TimeNs when);
  void router_died(uint64_t link, TimeNs when);

  bool connected_to_router() const;
  void keeper_died();

  // ---- native clients ----
  // The channel of a client that the router has accepted, or nothing (0) while the store cannot take it.
  uint64_t attach(Client& client, uint32_t endpoint);
  void from_client(uint64_t channel, uint32_t endpoint, ByteView packet);
  // `making_room`: it was in the middle of that, and so has damaged the file.
  void client_died(uint64_t channel, uint32_t endpoint, bool making_room);

 private:
  TimeNs next_deadline() const override {
    return core_ ? std::min(core_->next_deadline(), page_at_) : page_at_;
  }
  void on_deadline() override;
  bool has_work() const override { return core_ && core_->has_work(); }
  void on_work() override {
    obey_page();
    core_->work(queue_.now());
  }
  void obey_page();
  void turn_page();
  void replace_keeper();
  void ask_for_wires();

  void to_router(uint32_t endpoint, ByteView packet) override;
  void to_client(uint32_t endpoint, ByteView packet) override;
  void lock_chain(uint64_t ticket, const RecordFile& file, ByteView key) override;
  void unlock_chain(uint64_t ticket) override;
  void set_serving(bool on) override;
  void set_prepared(uint32_t generation, bool empty_handed) override;
  uint64_t serving_epoch() const override;
  bool lease_lasts() const override;
  bool records_taken() const override;
  void log(StoreLog level, const std::string& text) override;

  // The commit workers' part.
  void disk_ordered();
  void carry_out();

  void connect();
  void connected();
  void files_emptied();
  void note_copies_lost();
  void keep_ownership(ByteView packet);
  void keep_readable(ByteView packet);
  void count_as_held(ByteView packet);
  void count_as_forgotten(ByteView packet);
  void handle(uint32_t endpoint, Bytes packet);
  void note_recovery(const Header& header, ByteView packet, uint32_t newest_before);
  uint32_t newest_generation() const;

  struct Worker {
    Bytes key;
    bool locked = false;
  };
  struct Attached {
    Client* client;
    uint64_t channel;
    Ring to_client, to_store;
  };

  Node& node_;
  FenceGate gate_;
  TimeNs page_at_ = kNever;
  std::unique_ptr<Store> core_;
  uint64_t link_ = 0;  // connection to the router; 0: none
  uint32_t generation_at_setup_ = CTDB_INVALID_GENERATION;
  std::map<uint64_t, Worker> workers_;
  std::map<uint32_t, Attached> clients_;
  uint64_t channels_ = 0;
  uint64_t packets_sent_ = 0;
  Random disk_random_;
  bool disk_busy_ = false;
};

}  // namespace ctdb::sim

#endif  // CTDB_TESTS_SIM_STORE_PROCESS_H_
