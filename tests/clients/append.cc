// SPDX-License-Identifier: GPL-3.0-or-later
// ctdb-append: adds elements to lists that several clients fill together, and writes down what it saw of them.
//   ctdb-append --setup PATH | --socket PATH  --db NAME --key KEY --history FILE --writer N [--call 1]
//   ctdb-append …  --history FILE --count N
// --setup takes the C API, --socket the classic socket. List n of KEY is the record "KEY.n": elements of 8 bytes, little endian,
// each the number of its writer (upper half; no two processes have the same) and how many elements that one has tried
// before. A list with 256 elements is full and everybody goes on to the next one. Elements are added under fetch-lock or, with
// --call 1, by ctdb_append(), until standard input ends, 500 a second at most. An element is tried once; restarts of daemons are
// ridden out. Without --writer it looks at the first N lists, under fetch-lock, and ends; gives up when nothing succeeds for two
// minutes.
//
// FILE gets one line for each visit; times are in ns of CLOCK_MONOTONIC:
//   = LIST BEGUN ENDED OLDER KEPT ELEMENT…  The record was surely locked between the times. As it was left, the list is
//                           the first KEPT elements of the list in the last such line (0 when that was of another list)
//                           and then these. OLDER: 1 when it was found marked as maybe older.
//   + LIST BEGUN ENDED SIZE ELEMENT  ctdb_append() was called and has returned: the list has SIZE bytes with it.
//   ? LIST BEGUN ELEMENT    Nobody knows whether the element is in the list.
//   - LIST ELEMENT          The element is not in the list.
//   x LIST                  It was told that the list is lost: no room on the disk.
//   ! LIST SIZE             The record is no list: its size is no multiple of 8.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/clients/counting.h"
#include "tests/clients/locking.h"

namespace ctdb {
namespace {

constexpr size_t kElementBytes = 8;
constexpr size_t kFullBytes = 256 * kElementBytes;

class History {
 public:
  bool open(const std::string& path) {
    file_.reset(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
    return file_.valid();
  }
  // In one piece, for this process may be killed. false: the disk does not take it.
  bool line(std::string text) {
    text += '\n';
    return ::write(file_.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
  }

 private:
  UniqueFd file_;
};

std::vector<uint64_t> elements_of(ByteView data) {
  std::vector<uint64_t> elements;
  for (size_t at = 0; at + kElementBytes <= data.size(); at += kElementBytes) {
    elements.push_back(load<uint64_t>(data.data() + at));
  }
  return elements;
}

// What both kinds of writers have: the list they are at, and the next element. visit() is "" or what went wrong; it can be tried
// again after open().
class Appender {
 public:
  Appender(std::string key, History& history, uint64_t writer)
      : key_(std::move(key)), history_(history), next_(writer << 32) {}
  virtual ~Appender() = default;
  virtual std::string open() = 0;
  virtual std::string visit() = 0;

 protected:
  std::string record_key() const { return key_ + "." + std::to_string(list_); }
  uint64_t next_element() { return next_++; }
  uint64_t list() const { return list_; }
  void next_list() { ++list_; }

  void write(const std::string& what) {
    if (!history_.line(what))
      std::fprintf(stderr, "ctdb-append: the history cannot be written\n"), std::exit(1);
  }
  void write_unknown(int64_t begun, uint64_t element) {
    write("? " + std::to_string(list_) + " " + std::to_string(begun) + " " + std::to_string(element));
  }
  void write_refused(uint64_t element, const std::string& why) {
    write("- " + std::to_string(list_) + " " + std::to_string(element));
    // What was there before could not be put back, by the library or by the store that was called.
    if (why.find("lost as well") != std::string::npos) write("x " + std::to_string(list_));
  }

 private:
  const std::string key_;
  History& history_;
  uint64_t list_ = 0;
  uint64_t next_;
};

class LockingAppender : public Appender {
 public:
  // `looks`: adds nothing.
  LockingAppender(const CountingArguments& given, History& history, uint64_t writer, bool looks)
      : Appender(given.key, history, writer), looks_(looks), locking_(Locking::make(given, 0)) {}

  std::string open() override { return locking_->open(); }
  std::string visit() override {
    if (std::string failure = locking_->lock(record_key()); !failure.empty()) return failure;
    const int64_t begun = monotonic_ns();
    const bool older = locking_->may_be_older();
    const Bytes found = to_bytes(locking_->data());
    std::vector<uint64_t> list = elements_of(found);
    std::string failure;
    uint64_t element = 0;
    const bool adds = !looks_ && found.size() < kFullBytes;
    int64_t ended = begun;
    if (adds) {
      element = next_element();
      Bytes data = found;
      data.resize(found.size() + kElementBytes);
      store(data.data() + found.size(), element);
      // Until here: when the node dies, or its lease ends, somebody else may have the record before this process reads the clock again.
      // When nothing was stored nobody has looked whether the node may still serve.
      ended = monotonic_ns();
      failure = locking_->store(data);
      if (failure.empty()) list.push_back(element);
    }
    const std::string unlocked = locking_->unlock();
    if (!failure.empty()) return write_refused(element, failure), failure;
    if (found.size() % kElementBytes != 0) {
      write("! " + std::to_string(this->list()) + " " + std::to_string(found.size()));
    } else if (adds && !unlocked.empty()) {
      write_unknown(begun, element);
    } else {
      write_visit(begun, ended, older, list);
    }
    if (looks_ || found.size() >= kFullBytes) next_list();
    return unlocked;
  }

 private:
  void write_visit(int64_t begun, int64_t ended, bool older, const std::vector<uint64_t>& list) {
    if (written_list_ != this->list()) written_.clear();
    const auto kept = static_cast<size_t>(std::ranges::mismatch(written_, list).in1 - written_.begin());
    std::string text = "= " + std::to_string(this->list()) + " " + std::to_string(begun) + " " +
                       std::to_string(ended) + " " + (older ? "1" : "0") + " " + std::to_string(kept);
    for (size_t i = kept; i < list.size(); ++i) text += " " + std::to_string(list[i]);
    write(text);
    written_list_ = this->list();
    written_ = list;
  }

  const bool looks_;
  const std::unique_ptr<Locking> locking_;
  uint64_t written_list_ = 0;  // what the last such line said
  std::vector<uint64_t> written_;
};

class CallingAppender : public Appender {
 public:
  CallingAppender(const CountingArguments& given, History& history, uint64_t writer)
      : Appender(given.key, history, writer), connection_(given.setup, given.database, 0) {}

  std::string open() override { return connection_.open(); }

  std::string visit() override {
    const std::string key = record_key();
    const uint64_t element = next_element();
    uint8_t bytes[kElementBytes];
    store(bytes, element);
    uint64_t size = 0;
    const int64_t begun = monotonic_ns();
    const int error =
        ctdb_append(connection_.db(), {key.data(), key.size()}, {bytes, sizeof bytes}, kCallTimeoutMs, &size);
    const bool unknown = error == CTDB_ERR_UNKNOWN || error == CTDB_ERR_PROTOCOL;
    if (error != 0) {
      const std::string why = connection_.text(error);
      unknown ? write_unknown(begun, element) : write_refused(element, why);
      return why;
    }
    write("+ " + std::to_string(list()) + " " + std::to_string(begun) + " " + std::to_string(monotonic_ns()) +
          " " + std::to_string(size) + " " + std::to_string(element));
    if (size >= kFullBytes) next_list();
    return "";
  }

 private:
  NativeConnection connection_;
};

// Until standard input ends.
int append(Appender& appender) {
  bool opened = false;
  while (!input_ended()) {
    opened = (opened || appender.open().empty()) && appender.visit().empty();
    // Others shall have the record too; a daemon that is gone needs time to come back.
    usleep(opened ? 2000 : 20000);
  }
  return 0;
}

int look(Appender& appender, uint64_t lists) {
  Patience patience;
  bool opened = false;
  for (uint64_t seen = 0; seen < lists;) {
    std::string failure = opened ? "" : appender.open();
    if (failure.empty()) failure = appender.visit();
    opened = failure.empty();
    if (opened) {
      patience.succeeded();
      ++seen;
    } else if (!patience.try_again()) {
      std::fprintf(stderr, "ctdb-append: after %llu of %llu lists: %s\n",
                   static_cast<unsigned long long>(seen), static_cast<unsigned long long>(lists),
                   failure.c_str());
      return 1;
    }
  }
  return 0;
}

int main_of(int argc, char** argv) {
  std::optional<CountingArguments> given =
      counting_arguments(argc, argv, {"--history", "--writer", "--call"});
  History history;
  const bool calls = given && given->more["--call"] == "1";
  if (!given || given->more["--history"].empty() || (calls && given->setup.empty())) {
    std::fprintf(stderr,
                 "usage: ctdb-append --setup PATH | --socket PATH  --db NAME --key KEY --history FILE "
                 "--writer N [--call 1 (with --setup)] | --count N\n");
    return 2;
  }
  if (!history.open(given->more["--history"])) {
    std::perror(given->more["--history"].c_str());
    return 1;
  }
  const uint64_t writer = std::strtoull(given->more["--writer"].c_str(), nullptr, 10);
  if (calls) {
    CallingAppender appender(*given, history, writer);
    return append(appender);
  }
  LockingAppender appender(*given, history, writer, writer == 0);
  return writer == 0 ? look(appender, given->count) : append(appender);
}

}  // namespace
}  // namespace ctdb

int main(int argc, char** argv) {
  return ctdb::main_of(argc, argv);
}
