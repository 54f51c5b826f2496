// SPDX-License-Identifier: GPL-3.0-or-later
// Random schedules over three stores whose clients add to counters, append to lists and swap cells, with lost links, recoveries cut short, stores restarted
// beside a living router, nodes suspended and, where there are copies, dead nodes. Whatever happens: what was answered as done
// has happened once, what is unknown at most once, what was refused or has no answer yet not at all or once; and all of it in one order
// that agrees with the times of calls and answers.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>

#include "libctdbipc/wire/reader.h"
#include "libctdbipc/wire/record_functions.h"
#include "tests/unit/store/disorder.h"

namespace ctdb::test {
namespace {

// A record that functions change, and what must be true of their answers. Every call has a number of its own.
class Subject {
 public:
  virtual ~Subject() = default;
  // What to call next, as call `id`.
  virtual uint32_t call(uint64_t id, Bytes& argument) = 0;
  virtual void answered(uint64_t id, const ReplyCall& reply) = 0;  // not UNKNOWN
  virtual void unknown(uint64_t id) = 0;
  virtual void at_rest(ByteView data) = 0;
};

// What an answer says is later than all that was said before its call was made.
template <typename Place>
class RealTime {
 public:
  void begun(uint64_t id) { latest_[id] = newest_; }
  void answered(uint64_t id, Place place) {
    EXPECT_LT(latest_.at(id), place) << "it is before an answer that was there when it was called";
    newest_ = std::max(newest_, place);
  }

 private:
  Place newest_{};
  std::map<uint64_t, Place> latest_;
};

class Counter : public Subject {
 public:
  uint32_t call(uint64_t id, Bytes& argument) override {
    Writer(argument).i64(1);
    order_.begun(id);
    return CTDB_FUNC_ADD;
  }
  void answered(uint64_t id, const ReplyCall& reply) override {
    ASSERT_EQ(reply.status, CTDB_FUNC_STATUS_DONE) << as_text(reply.data);
    ASSERT_EQ(reply.data.size(), 8u);
    const auto value = load<int64_t>(reply.data.data());
    ASSERT_TRUE(results_.insert(value).second) << "two adds made the same of it";
    order_.answered(id, value);
  }
  void unknown(uint64_t) override { ++unknown_; }
  void at_rest(ByteView data) override {
    const int64_t value = data.size() == 8 ? load<int64_t>(data.data()) : 0;
    const auto done = static_cast<int64_t>(results_.size());
    EXPECT_LE(done, value) << "an add that was answered is lost";
    EXPECT_LE(value, done + unknown_) << "an add was done twice";
    EXPECT_TRUE(results_.empty() || *results_.rbegin() <= value);
  }

 private:
  int64_t unknown_ = 0;
  std::set<int64_t> results_;  // each of a different add
  RealTime<int64_t> order_;
};

// The numbers of the calls, one behind the other.
class List : public Subject {
 public:
  uint32_t call(uint64_t id, Bytes& argument) override {
    Writer(argument).u64(id);
    order_.begun(id);
    return CTDB_FUNC_APPEND;
  }
  void answered(uint64_t id, const ReplyCall& reply) override {
    ASSERT_EQ(reply.status, CTDB_FUNC_STATUS_DONE) << as_text(reply.data);
    ASSERT_EQ(reply.data.size(), 8u);
    const auto size = load<uint64_t>(reply.data.data());
    ASSERT_TRUE(size > 0 && size % 8 == 0);
    ASSERT_TRUE(places_.emplace(size / 8 - 1, id).second) << "two are at the same place";
    order_.answered(id, size);
  }
  void unknown(uint64_t id) override { unknown_.insert(id); }
  void at_rest(ByteView data) override {
    ASSERT_EQ(data.size() % 8, 0u);
    std::set<uint64_t> seen;
    for (size_t place = 0; place < data.size() / 8; ++place) {
      const auto id = load<uint64_t>(data.data() + 8 * place);
      EXPECT_TRUE(seen.insert(id).second) << id << " was appended twice";
      const auto told = places_.find(place);
      EXPECT_TRUE(told == places_.end() ? unknown_.contains(id) : told->second == id)
          << id << " is not what was said to be at " << place;
    }
    for (const auto& [place, id] : places_) EXPECT_TRUE(seen.contains(id)) << id << " is lost";
  }

 private:
  std::map<uint64_t, uint64_t> places_;
  std::set<uint64_t> unknown_;
  RealTime<uint64_t> order_;
};

// The number of the call that has swapped last; 0: none has. No number comes twice, so what is there tells all that was before.
class Cell : public Subject {
 public:
  uint32_t call(uint64_t id, Bytes& argument) override {
    Writer writer(argument);
    writer.counted_bytes(bytes_of(current_));
    writer.bytes(bytes_of(id));
    expected_[id] = current_;
    told_before_[id] = told_.size();
    return CTDB_FUNC_COMPARE_AND_SWAP;
  }
  void answered(uint64_t id, const ReplyCall& reply) override {
    const uint64_t expected = expected_.at(id);
    if (reply.status == CTDB_FUNC_STATUS_DONE) {
      ASSERT_TRUE(successors_.emplace(expected, id).second) << "two have swapped " << expected;
      current_ = id;
      told_.push_back(expected);
    } else {
      ASSERT_EQ(reply.status, CTDB_FUNC_STATUS_UNEQUAL) << as_text(reply.data);
      ASSERT_TRUE(reply.data.empty() || reply.data.size() == 8);
      current_ = reply.data.empty() ? 0 : load<uint64_t>(reply.data.data());
      EXPECT_NE(current_, expected);
      EXPECT_TRUE(current_ == 0 || expected_.contains(current_)) << "nobody has written " << current_;
      told_.push_back(current_);
      refused_.insert(id);
    }
    tellers_.push_back(id);
  }
  void unknown(uint64_t) override {}
  void at_rest(ByteView data) override {
    std::vector<uint64_t> chain{data.size() == 8 ? load<uint64_t>(data.data()) : 0};
    while (chain.back() != 0) {
      ASSERT_FALSE(refused_.contains(chain.back())) << chain.back() << " was refused";
      ASSERT_TRUE(expected_.contains(chain.back()));
      chain.push_back(expected_.at(chain.back()));
    }
    std::map<uint64_t, size_t> place;
    for (size_t i = 0; i < chain.size(); ++i) place[chain[chain.size() - 1 - i]] = i;
    for (const auto& [expected, id] : successors_) EXPECT_TRUE(place.contains(id)) << id << " is lost";
    // What each has seen was there, and not before what others had seen when it was called.
    std::vector<size_t> newest{0};
    for (const uint64_t value : told_) {
      ASSERT_TRUE(place.contains(value)) << value << " was never there";
      newest.push_back(std::max(newest.back(), place.at(value)));
    }
    for (size_t i = 0; i < told_.size(); ++i)
      EXPECT_GE(place.at(told_[i]), newest[told_before_.at(tellers_[i])]) << tellers_[i];
  }

 private:
  static Bytes bytes_of(uint64_t id) {
    Bytes bytes;
    if (id != 0) Writer(bytes).u64(id);
    return bytes;
  }
  uint64_t current_ = 0;                     // as it was last seen
  std::map<uint64_t, uint64_t> expected_;    // of each call
  std::map<uint64_t, uint64_t> successors_;  // of swaps that were done
  std::set<uint64_t> refused_;
  std::vector<uint64_t> told_,
      tellers_;  // values that answers have shown, in the order in which they came; and whose
  std::map<uint64_t, size_t> told_before_;  // how many answers there were when it was called
};

std::unique_ptr<Subject> subject(uint32_t number) {
  if (number < 2) return std::make_unique<Counter>();
  if (number < 4) return std::make_unique<List>();
  return std::make_unique<Cell>();
}

class FunctionsChaos : Disorder {
 public:
  FunctionsChaos(uint64_t seed, uint32_t copies) : Disorder(seed, 6), copies_(copies) {
    for (uint32_t i = 0; i < keys_.size(); ++i) subjects_[keys_[i]] = subject(i);
    uint8_t data[8];
    store(data, kDbId);
    store(data + 4, copies);
    w_.control(0, 800, 9, Control::DB_COPIES, data);
    w_.run();
  }

  void run(int steps) {
    for (int i = 0; i < steps; ++i) {
      step();
      take_answers();
      for (const std::string& key : keys_) ASSERT_LE(w_.owners(key).size(), 1u) << key;
      if (::testing::Test::HasFatalFailure()) return;
    }
    settle();
  }
  int64_t done() const { return done_; }
  int64_t unknown() const { return unknown_; }

 private:
  void step() {
    const uint64_t what = random_.below(60);
    if (disturb(what)) return;
    switch (what) {
      case 0:
        return recovery();
      case 1:
        return copies_ > 1 && random_.one_in(2) ? die() : restart();
      case 2:
        return suspend_and_back();
      case 9:
      case 10: {
        const uint32_t pnn = any_node();
        return w_.call(pnn, 90 + pnn, ++reqid_, any_key(), CTDB_FUNC_FETCH);
      }
      default:
        break;
    }
    if (random_.one_in(3)) return call();
    if (!w_.carry_one(any_node(), any_node())) w_.work_all();
  }

  void call() {
    const uint32_t pnn = any_node();
    const std::string& key = any_key();
    Bytes packet, argument;
    const uint32_t callid = subjects_.at(key)->call(++reqid_, argument);
    build(packet, {0, 0, 0, 0, 0, reqid_},
          ReqCall{random_.one_in(4) ? CTDB_CALL_IMMEDIATE_MIGRATION : 0, kDbId, callid, 0, as_bytes(key),
                  argument});
    w_.store(pnn).on_client_packet(10 + pnn, packet, w_.now());
    w_.collect();
    asked_[{pnn, reqid_}] = key;
  }

  void take_answers() {
    for (auto at = asked_.begin(); at != asked_.end();) {
      const auto [pnn, reqid] = at->first;
      const auto reply = w_.answer(pnn, 10 + pnn, reqid);
      if (!reply) {
        ++at;
        continue;
      }
      SCOPED_TRACE(at->second + ", call " + std::to_string(reqid));
      Subject& subject = *subjects_.at(at->second);
      const bool known = reply->status != CTDB_FUNC_STATUS_UNKNOWN;
      known ? subject.answered(reqid, *reply) : subject.unknown(reqid);
      ++(known ? done_ : unknown_);
      if (::testing::Test::HasFatalFailure()) return;
      at = asked_.erase(at);
    }
  }

  // The clients of a store that is gone: theirs are not put to the next one.
  void lose_calls(uint32_t pnn) {
    take_answers();
    std::erase_if(asked_, [&](const auto& call) {
      if (call.first.first != pnn) return false;
      subjects_.at(call.second)->unknown(call.first.second);
      return true;
    });
  }

  void recovery(const std::vector<uint32_t>& members = {0, 1, 2}) {
    const bool all = members.size() == kNodes;
    recover(members, [&] {
      if (all && random_.one_in(5)) call();
    });
  }

  void end_store_with_clients(uint32_t pnn) {
    lose_calls(pnn);
    w_.db(pnn).release_all(kStuckClient);
    end_store(pnn);
  }

  // Its files are taken up as they are.
  void restart() {
    const uint32_t pnn = any_node();
    end_store_with_clients(pnn);
    w_.start(pnn, base_);
    recovery();
  }

  // Its files are gone, but all copies are where they should be.
  void die() {
    for (int i = 0; i < 20; ++i) pass_quietly();
    const uint32_t pnn = any_node();
    for (int i = 0; i < 10; ++i) {
      call();
      w_.carry_one(any_node(), any_node());
    }
    end_store_with_clients(pnn);
    recovery(all_but(pnn));
    w_.start(pnn);
    for (int i = 0; i < 20; ++i) pass_quietly();
    recovery();
    for (int i = 0; i < 20; ++i) pass_quietly();
  }

  void suspend_and_back() {
    const uint32_t pnn = any_node();
    w_.order(pnn, Operation::STORE_SUSPEND, StoreSuspend{}.encode());
    ++w_.node(pnn).epoch;
    for (uint64_t i = random_.below(10); i > 0; --i) w_.work_all();
    recovery();
  }

  void settle() {
    for (int i = 0; i < 50; ++i) pass_quietly();
    take_answers();
    ASSERT_TRUE(asked_.empty()) << "without faults everything is answered";
    for (const std::string& key : keys_) {
      w_.call(0, 99, 1, key, CTDB_FUNC_FETCH);
      w_.pass(5 * kMillisecond);
      const auto reply = w_.answer(0, 99, 1);
      ASSERT_TRUE(reply);
      SCOPED_TRACE(key);
      subjects_.at(key)->at_rest(reply->data);
    }
    expect_nothing_waits();
  }

  const uint32_t copies_;
  std::map<std::string, std::unique_ptr<Subject>> subjects_;
  std::map<std::pair<uint32_t, uint32_t>, std::string> asked_;
  int64_t done_ = 0, unknown_ = 0;
};

void schedules(uint64_t first, uint32_t copies) {
  int64_t done = 0, unknown = 0;
  for (uint64_t seed = first; seed < first + 100; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    FunctionsChaos chaos(seed, copies);
    chaos.run(400);
    if (::testing::Test::HasFailure()) return;
    done += chaos.done();
    unknown += chaos.unknown();
  }
  EXPECT_GT(done, 4 * unknown) << "too few are known to have been done for this to mean anything";
  EXPECT_GT(unknown, 0);
}

TEST(FunctionsChaos, HappenOnceAndInOneOrder) {
  schedules(1, 1);
}

TEST(FunctionsChaos, WithCopiesAlsoWhenNodesDie) {
  schedules(1001, 2);
}

}  // namespace
}  // namespace ctdb::test
