// SPDX-License-Identifier: GPL-3.0-or-later
// What every RecordFile must do (record_file.h). A test file of an implementation includes this, writes a
// Maker with
//   std::unique_ptr<RecordFiles> make();   // a fresh RecordFiles over the same place each time
//   void worker_locks(ByteView key);       // a lock worker takes the key's chain in conformance.tdb
//   void worker_unlocks(ByteView key);
// and instantiates the suite: INSTANTIATE_TYPED_TEST_SUITE_P(Tdb, RecordFileConformance, TdbMaker).
#ifndef CTDB_TESTS_UNIT_STORE_RECORD_FILE_CONFORMANCE_H_
#define CTDB_TESTS_UNIT_STORE_RECORD_FILE_CONFORMANCE_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>

#include "ctdb-store/backend/record_file.h"
#include "libctdbipc/base/random.h"

namespace ctdb {

template <typename Maker>
class RecordFileConformance : public testing::Test {
 protected:
  using Contents = std::map<std::string, std::string>;

  void SetUp() override {
    files_ = maker_.make();
    file_ = opened(false);
  }
  void TearDown() override {
    file_.reset();
    files_.reset();
  }

  std::unique_ptr<RecordFile> opened(bool keep) {
    auto file = files_->open("conformance.tdb", 0, keep);
    EXPECT_TRUE(file.has_value()) << file.error().text();
    return file ? std::move(*file) : nullptr;
  }
  // By another life of the store.
  void take_up_again() {
    file_.reset();
    files_ = maker_.make();
    EXPECT_EQ(files_->existing(), std::vector<std::string>{"conformance.tdb"});
    file_ = opened(true);
  }
  // Under the chain's lock, as the engine does it.
  void put(const std::string& key, const std::string& header, const std::string& data) {
    ASSERT_EQ(file_->try_lock(as_bytes(key)), RecordFile::Lock::kHeld);
    Result<void> stored = file_->store(as_bytes(key), as_bytes(header), as_bytes(data));
    ASSERT_TRUE(stored.has_value()) << stored.error().text();
    file_->unlock(as_bytes(key));
  }
  std::string get(const std::string& key) {
    EXPECT_EQ(file_->try_lock(as_bytes(key)), RecordFile::Lock::kHeld);
    Bytes value;
    const bool found = file_->fetch(as_bytes(key), value);
    file_->unlock(as_bytes(key));
    return found ? std::string(as_text(value)) : "(none)";
  }
  void drop(const std::string& key) {
    ASSERT_EQ(file_->try_lock(as_bytes(key)), RecordFile::Lock::kHeld);
    ASSERT_TRUE(file_->remove(as_bytes(key)).has_value());
    file_->unlock(as_bytes(key));
  }
  Contents contents() {
    Contents all;
    const Result<void> walked = file_->for_each([&](ByteView key, ByteView value) {
      EXPECT_TRUE(all.emplace(as_text(key), as_text(value)).second) << "visited twice: " << as_text(key);
      return true;
    });
    EXPECT_TRUE(walked.has_value());
    return all;
  }

  Maker maker_;
  std::unique_ptr<RecordFiles> files_;
  std::unique_ptr<RecordFile> file_;
};

TYPED_TEST_SUITE_P(RecordFileConformance);

TYPED_TEST_P(RecordFileConformance, AMissingRecordIsNotFound) {
  EXPECT_EQ(this->get("nobody"), "(none)");
  this->drop("nobody");
}

TYPED_TEST_P(RecordFileConformance, HeaderAndDataStandOneBehindTheOther) {
  this->put("key", "head", "data");
  EXPECT_EQ(this->get("key"), "headdata");
}

TYPED_TEST_P(RecordFileConformance, AnEmptyDataPartIsAllowed) {
  this->put("key", "head", "");
  EXPECT_EQ(this->get("key"), "head");
}

TYPED_TEST_P(RecordFileConformance, StoringReplacesByShorterAndLonger) {
  this->put("key", "head", "middle sized");
  this->put("key", "head", "x");
  EXPECT_EQ(this->get("key"), "headx");
  this->put("key", "head", std::string(100000, 'y'));
  EXPECT_EQ(this->get("key"), "head" + std::string(100000, 'y'));
}

TYPED_TEST_P(RecordFileConformance, RemovedIsGone) {
  this->put("key", "head", "data");
  this->drop("key");
  EXPECT_EQ(this->get("key"), "(none)");
  EXPECT_TRUE(this->contents().empty());
}

TYPED_TEST_P(RecordFileConformance, KeysMayHoldAnyBytes) {
  const std::string zero("a\0b", 3), empty, other("a\0c", 3), long_one(5000, 'k');
  for (const std::string& key : {zero, empty, other, long_one}) this->put(key, "h", key);
  for (const std::string& key : {zero, empty, other, long_one}) EXPECT_EQ(this->get(key), "h" + key);
}

TYPED_TEST_P(RecordFileConformance, FetchReplacesWhatTheBufferHeld) {
  this->put("key", "head", "data");
  Bytes value = to_bytes(as_bytes("something longer than the record"));
  ASSERT_EQ(this->file_->try_lock(as_bytes("key")), RecordFile::Lock::kHeld);
  ASSERT_TRUE(this->file_->fetch(as_bytes("key"), value));
  this->file_->unlock(as_bytes("key"));
  EXPECT_EQ(as_text(value), "headdata");
}

TYPED_TEST_P(RecordFileConformance, VisitsEveryRecordOnce) {
  typename TestFixture::Contents expected;
  for (int i = 0; i < 2000; ++i) {
    const std::string key = "key" + std::to_string(i);
    this->put(key, "h", key + "'s data");
    expected[key] = "h" + key + "'s data";
  }
  EXPECT_EQ(this->contents(), expected);
}

TYPED_TEST_P(RecordFileConformance, AVisitStopsWhenToldTo) {
  for (int i = 0; i < 20; ++i) this->put("key" + std::to_string(i), "h", "d");
  int visits = 0;
  ASSERT_TRUE(this->file_->for_each([&](ByteView, ByteView) { return ++visits < 5; }).has_value());
  EXPECT_EQ(visits, 5);
}

TYPED_TEST_P(RecordFileConformance, BehavesLikeAMapUnderRandomChanges) {
  Random random(4711);
  typename TestFixture::Contents model;
  for (int i = 0; i < 20000; ++i) {
    const std::string key = "k" + std::to_string(random.below(200));
    if (random.one_in(4)) {
      this->drop(key);
      model.erase(key);
    } else {
      const std::string data(random.below(300), static_cast<char>('a' + random.below(26)));
      this->put(key, "head", data);
      model[key] = "head" + data;
    }
  }
  EXPECT_EQ(this->contents(), model);
}

TYPED_TEST_P(RecordFileConformance, ALockWorkersChainIsUsableBetweenMarkAndUnmark) {
  this->maker_.worker_locks(as_bytes("key"));
  this->file_->mark(as_bytes("key"));
  EXPECT_TRUE(this->file_->store(as_bytes("key"), as_bytes("head"), as_bytes("data")).has_value());
  Bytes value;
  EXPECT_TRUE(this->file_->fetch(as_bytes("key"), value));
  this->file_->unmark(as_bytes("key"));
  this->maker_.worker_unlocks(as_bytes("key"));
  EXPECT_EQ(as_text(value), "headdata");
}

TYPED_TEST_P(RecordFileConformance, EqualKeysShareAChain) {
  EXPECT_EQ(this->file_->chain_of(as_bytes("one key")), this->file_->chain_of(as_bytes("one key")));
}

TYPED_TEST_P(RecordFileConformance, ANewOpenFindsAnEmptyFile) {
  this->put("key", "head", "data");
  this->file_.reset();
  this->file_ = this->opened(false);
  EXPECT_EQ(this->get("key"), "(none)");
}

TYPED_TEST_P(RecordFileConformance, TakenUpAgainTheRecordsAreThere) {
  this->put("key", "head", "data");
  this->take_up_again();
  EXPECT_EQ(this->get("key"), "headdata");
}

TYPED_TEST_P(RecordFileConformance, TakingUpWhatIsNotThereGivesAnEmptyFile) {
  auto file = this->files_->open("another.tdb", 0, true);
  ASSERT_TRUE(file.has_value());
  this->file_ = std::move(*file);
  EXPECT_EQ(this->get("key"), "(none)");
}

TYPED_TEST_P(RecordFileConformance, TheSequenceNumberCountsOnceItIsOn) {
  this->file_->increment_seqnum();
  const int64_t before = this->file_->seqnum();
  this->file_->enable_seqnum();
  this->file_->increment_seqnum();
  EXPECT_GT(this->file_->seqnum(), before);
}

TYPED_TEST_P(RecordFileConformance, WhatAnEarlierLifeLeftIsShownAndThenGone) {
  this->put("a", "header 24 bytes long....", "1");
  this->put("b", "header 24 bytes long....", "2");
  this->drop("b");
  this->file_.reset();
  typename TestFixture::Contents seen;
  const auto see = [&](ByteView key, ByteView value) {
    seen[std::string(as_text(key))] = std::string(as_text(value));
  };
  this->files_->discard("conformance.tdb", see);
  this->files_->discard("conformance.tdb", see);
  this->files_->discard("never made.tdb", see);
  EXPECT_EQ(seen, (typename TestFixture::Contents{{"a", "header 24 bytes long....1"}}));
  this->file_ = this->opened(true);
  EXPECT_TRUE(this->contents().empty());
}

TYPED_TEST_P(RecordFileConformance, NotedLeftoversOutliveTheStoreAndNotTheFile) {
  const std::vector<Bytes> keys = {{}, {0, 1, 0xff, 0}, to_bytes(as_bytes("key"))};
  const auto noted = [this] {
    std::vector<Bytes> all = this->file_->leftovers().value();
    std::ranges::sort(all);
    return all;
  };
  EXPECT_TRUE(noted().empty());
  ASSERT_TRUE(this->file_->note_leftovers(keys).has_value());
  this->file_.reset();
  this->file_ = this->opened(true);
  EXPECT_EQ(noted(), keys);
  ASSERT_TRUE(this->file_->forget_leftovers({keys[0], keys[2]}).has_value());
  EXPECT_EQ(noted(), std::vector<Bytes>{keys[1]});
  this->file_.reset();
  this->file_ = this->opened(true);
  EXPECT_EQ(noted(), std::vector<Bytes>{keys[1]});
  ASSERT_TRUE(this->file_->note_leftovers({}).has_value());
  EXPECT_TRUE(noted().empty());
  ASSERT_TRUE(this->file_->note_leftovers(keys).has_value());
  this->file_.reset();
  this->file_ = this->opened(false);
  EXPECT_TRUE(noted().empty());
}

TYPED_TEST_P(RecordFileConformance, ADetachedFileIsNotTakenUp) {
  this->put("key", "head", "data");
  this->file_.reset();
  EXPECT_TRUE(this->files_->detach("conformance.tdb").has_value());
  EXPECT_TRUE(this->files_->detach("conformance.tdb").has_value());
  EXPECT_TRUE(this->files_->detach("never made.tdb").has_value());
  this->files_ = this->maker_.make();
  EXPECT_TRUE(this->files_->existing().empty());
  this->file_ = this->opened(true);
  EXPECT_TRUE(this->contents().empty());
}

TYPED_TEST_P(RecordFileConformance, OpenedAnewADetachedFileIsLikeAnyOther) {
  this->file_.reset();
  EXPECT_TRUE(this->files_->detach("conformance.tdb").has_value());
  this->file_ = this->opened(false);
  EXPECT_TRUE(this->files_->detached().empty());
  this->put("key", "head", "data");
  this->take_up_again();
  EXPECT_EQ(this->get("key"), "headdata");
}

REGISTER_TYPED_TEST_SUITE_P(RecordFileConformance, AMissingRecordIsNotFound,
                            HeaderAndDataStandOneBehindTheOther, AnEmptyDataPartIsAllowed,
                            StoringReplacesByShorterAndLonger, RemovedIsGone, KeysMayHoldAnyBytes,
                            FetchReplacesWhatTheBufferHeld, VisitsEveryRecordOnce, AVisitStopsWhenToldTo,
                            BehavesLikeAMapUnderRandomChanges, ALockWorkersChainIsUsableBetweenMarkAndUnmark,
                            EqualKeysShareAChain, ANewOpenFindsAnEmptyFile, TakenUpAgainTheRecordsAreThere,
                            TakingUpWhatIsNotThereGivesAnEmptyFile, TheSequenceNumberCountsOnceItIsOn,
                            WhatAnEarlierLifeLeftIsShownAndThenGone,
                            NotedLeftoversOutliveTheStoreAndNotTheFile, ADetachedFileIsNotTakenUp,
                            OpenedAnewADetachedFileIsLikeAnyOther);

}  // namespace ctdb

#endif  // CTDB_TESTS_UNIT_STORE_RECORD_FILE_CONFORMANCE_H_
