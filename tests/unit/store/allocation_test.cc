// SPDX-License-Identifier: GPL-3.0-or-later
// After warm-up a record that goes to and fro costs no allocation in the core (files and transport here allocate
// nothing either, so every allocation counted is the core's).
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <new>

#include "ctdb-store/core/store.h"
#include "libctdbipc/base/hash.h"
#include "libctdbipc/wire/own_messages.h"
#include "libctdbipc/wire/packet.h"

namespace {
uint64_t g_allocations = 0;
}  // namespace

// noinline: otherwise the compiler sees malloc and delete as a mismatched pair.
[[gnu::noinline]] void* operator new(size_t size) {
  ++g_allocations;
  void* memory = std::malloc(size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept {
  std::free(memory);
}

namespace ctdb::test {
namespace {

// A file with room for one record.
class OneRecordFile : public RecordFile {
 public:
  OneRecordFile() { value_.reserve(4096); }
  Lock try_lock(ByteView) override { return Lock::kHeld; }
  void unlock(ByteView) override {}
  void mark(ByteView) override {}
  void unmark(ByteView) override {}
  uint32_t chains() const override { return 1; }
  bool fetch(ByteView, Bytes& value) override {
    value.assign(value_.begin(), value_.end());
    return !value_.empty();
  }
  size_t value_bytes(ByteView) override { return value_.size(); }
  Result<void> store(ByteView, ByteView header, ByteView data) override {
    value_.assign(header.begin(), header.end());
    value_.insert(value_.end(), data.begin(), data.end());
    return {};
  }
  Result<void> remove(ByteView) override {
    value_.clear();
    return {};
  }
  Result<void> for_each(const std::function<bool(ByteView, ByteView)>&) override { return {}; }
  Result<void> note_leftovers(const std::vector<Bytes>&) override { return {}; }
  Result<void> forget_leftovers(const std::vector<Bytes>&) override { return {}; }
  Result<std::vector<Bytes>> leftovers() override { return std::vector<Bytes>(); }
  std::string path() const override { return "one"; }
  int open_flags() const override { return 0; }
  uint64_t file_bytes() const override { return value_.size(); }
  void enable_seqnum() override {}
  void increment_seqnum() override {}
  int64_t seqnum() const override { return 0; }

 private:
  Bytes value_;
};

class OneRecordFiles : public RecordFiles {
 public:
  Result<std::unique_ptr<RecordFile>> open(const std::string&, uint8_t, bool) override {
    return std::unique_ptr<RecordFile>(std::make_unique<OneRecordFile>());
  }
  void tune(uint32_t, uint32_t) override {}
  std::vector<std::string> existing() override { return {}; }
};

struct Letter {
  uint32_t to = 0;
  size_t size = 0;
  std::array<uint8_t, 8192> bytes{};
};

// Carries packets between two stores in a ring of fixed letters.
class Wire {
 public:
  void post(uint32_t to, ByteView packet) {
    Letter& letter = letters_[in_++ % letters_.size()];
    letter.to = to;
    letter.size = packet.size();
    std::copy(packet.begin(), packet.end(), letter.bytes.begin());
  }
  Letter* next() { return out_ == in_ ? nullptr : &letters_[out_++ % letters_.size()]; }

 private:
  std::array<Letter, 64> letters_{};
  size_t in_ = 0, out_ = 0;
};

class Output : public StoreOutput {
 public:
  Output(Wire& wire, uint32_t self) : wire_(wire), self_(self) {}
  void to_router(uint32_t endpoint, ByteView packet) override {
    const Header header = read_header(packet);
    if (endpoint != 0) {
      ++answers;
    } else if (header.destnode < 2 && header.destnode != self_) {
      wire_.post(header.destnode, packet);
    }
  }
  void to_client(uint32_t, ByteView) override { ++answers; }
  void lock_chain(uint64_t, const RecordFile&, ByteView) override {}
  void unlock_chain(uint64_t) override {}
  void set_serving(bool) override {}
  void set_prepared(uint32_t, bool) override {}
  void log(StoreLog, const std::string&) override {}
  uint64_t answers = 0;

 private:
  Wire& wire_;
  const uint32_t self_;
};

class PingPong {
 public:
  PingPong() {
    for (uint32_t pnn = 0; pnn < 2; ++pnn) {
      outputs_[pnn] = std::make_unique<Output>(*wire_, pnn);
      StoreOptions options;
      options.pnn = pnn;
      stores_[pnn] = std::make_unique<Store>(options, files_, *outputs_[pnn]);
    }
    RecoveryBegin begin;
    begin.generation = 10;
    begin.members = {0, 1};
    StoreOpen commit;
    commit.generation = 10;
    tell(Operation::STORE_RECOVER, begin.encode());
    carry();
    tell(Operation::STORE_OPEN, commit.encode());
    for (uint32_t pnn = 0; pnn < 2; ++pnn) {
      Bytes attach;
      build(attach, {0, 0, 0, pnn, 1 - pnn, 1}, ReqControl{18, 0, 0, 1, ByteView(kName, sizeof kName)});
      stores_[pnn]->on_router_packet(0, attach, now_);
    }
    build(call_, {0, 0, 0, 0, 0, 1},
          ReqCall{1, database_id("one.tdb"), CTDB_FUNC_FETCH, 0, as_bytes("the key"), {}});
  }
  void round() {
    for (uint32_t pnn = 0; pnn < 2; ++pnn) {
      stores_[pnn]->on_client_packet(7, call_, now_);
      carry();
    }
  }
  uint64_t answers() const { return outputs_[0]->answers + outputs_[1]->answers; }
  uint64_t migrations() const {
    return stores_[0]->counts().migrations_in + stores_[1]->counts().migrations_in;
  }

 private:
  static constexpr uint8_t kName[8] = {'o', 'n', 'e', '.', 't', 'd', 'b', 0};
  void tell(Operation operation, const Bytes& payload) {
    for (uint32_t pnn = 0; pnn < 2; ++pnn) {
      Bytes packet;
      build_own(packet, {0, 0, static_cast<uint32_t>(operation), pnn, pnn, 0}, payload);
      stores_[pnn]->on_router_packet(0, packet, now_);
    }
  }
  void carry() {
    now_ += kMillisecond;
    for (bool busy = true; busy;) {
      busy = false;
      while (Letter* letter = wire_->next()) {
        stores_[letter->to]->on_router_packet(0, MutableBytes(letter->bytes.data(), letter->size), now_);
        busy = true;
      }
      for (const auto& store : stores_) {
        if (!store->has_work()) continue;
        store->work(now_);
        busy = true;
      }
    }
  }

  std::unique_ptr<Wire> wire_ = std::make_unique<Wire>();
  OneRecordFiles files_;
  std::array<std::unique_ptr<Output>, 2> outputs_;
  std::array<std::unique_ptr<Store>, 2> stores_;
  Bytes call_;
  TimeNs now_ = kSecond;
};

TEST(Allocation, ARecordThatGoesToAndFroCostsNone) {
  PingPong game;
  for (int i = 0; i < 100; ++i) game.round();
  const uint64_t before = g_allocations;
  for (int i = 0; i < 10000; ++i) game.round();
  EXPECT_EQ(g_allocations, before);
  EXPECT_EQ(game.answers(), 20200u);
  EXPECT_GE(game.migrations(), 20198u);
}

}  // namespace
}  // namespace ctdb::test
