// SPDX-License-Identifier: GPL-3.0-or-later
// ctdb-kill: writers that are killed (-9) at any instruction, and what they leave.
//   ctdb-kill --setup PATH | --socket PATH  --db NAME --key PREFIX --count KILLS [--writers N] [--keys N] [--growth 1]
// So many writers at a time change the same keys in a loop; one after the other is killed after a random time and replaced. Every value
// says how long it is, for which key, and its fingerprint: whoever gets a lock looks whether what is there is whole. Nothing is no whole
// value where there was one. --growth 1: values of all sizes up to 64 KiB; otherwise they are up to 600 bytes. With very many keys nearly
// every write is of a new record.
// Prints, at the end: kills, writes, values seen that are not whole (and their keys, one a line), and what failed otherwise.
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "libctdbipc/base/hash.h"
#include "libctdbipc/base/random.h"
#include "tests/clients/counting.h"

namespace ctdb {
namespace {

constexpr size_t kKeysMax = 256;  // that are looked at one by one in the end
constexpr size_t kWritersMax = 16;
constexpr size_t kHeadBytes = 24;  // fingerprint of the rest, size, key
constexpr uint64_t kLifeUsMax = 3000;
constexpr int kReadyUs = 50;

// What all processes share.
struct Shared {
  std::atomic<uint64_t> writes, torn, failed;
  std::atomic<uint64_t> torn_keys[kKeysMax];
  std::atomic<bool> written[kKeysMax];  // if there are no more keys
  std::atomic<uint32_t> ready[kWritersMax];
  char failure[200];
};

Bytes value_of(uint64_t key, Random& random, bool growth) {
  const uint64_t size = growth && random.below(4) == 0 ? random.below(65536) : random.below(600);
  Bytes value(kHeadBytes + size);
  for (size_t at = kHeadBytes; at < value.size(); ++at) value[at] = static_cast<uint8_t>(random.next());
  store<uint64_t>(value.data() + 8, value.size());
  store<uint64_t>(value.data() + 16, key);
  store<uint64_t>(value.data(), fingerprint(ByteView(value).subspan(8)));
  return value;
}

bool is_whole(ByteView value, uint64_t key) {
  return value.size() >= kHeadBytes && load<uint64_t>(value.data() + 8) == value.size() &&
         load<uint64_t>(value.data() + 16) == key &&
         load<uint64_t>(value.data()) == fingerprint(value.subspan(8));
}

// One locked record either way. "" or what went wrong.
class Writer {
 public:
  virtual ~Writer() = default;
  virtual std::string open() = 0;
  virtual std::string lock(const std::string& key) = 0;
  virtual ByteView data() const = 0;
  virtual std::string write(ByteView value) = 0;
  virtual void unlock() = 0;
};

class NativeWriter : public Writer {
 public:
  NativeWriter(const std::string& setup, const std::string& database) : connection_(setup, database, 0) {}
  std::string open() override { return connection_.open(); }
  std::string lock(const std::string& key) override {
    const int error = ctdb_fetch_lock(connection_.db(), {key.data(), key.size()}, kCallTimeoutMs, &record_);
    return error == 0 ? "" : connection_.text(error);
  }
  ByteView data() const override {
    const ctdb_blob data = ctdb_record_data(record_);
    return {static_cast<const uint8_t*>(data.data), data.size};
  }
  std::string write(ByteView value) override {
    const int error = ctdb_store(record_, {value.data(), value.size()});
    return error == 0 ? "" : connection_.text(error);
  }
  void unlock() override { ctdb_unlock(record_); }

 private:
  NativeConnection connection_;
  ctdb_record* record_ = nullptr;
};

class ClassicWriter : public Writer {
 public:
  ClassicWriter(std::string socket, std::string database)
      : connection_(std::move(socket), std::move(database)) {}
  std::string open() override { return connection_.open(); }
  std::string lock(const std::string& key) override { return connection_.fetch_lock(key); }
  ByteView data() const override { return ByteView(connection_.db().value).subspan(CTDB_RECORD_HEADER_SIZE); }
  std::string write(ByteView value) override {
    const Result<void> stored = connection_.client().store(connection_.db(), value);
    return stored ? "" : stored.error().text();
  }
  void unlock() override { connection_.client().unlock(connection_.db()); }

 private:
  ClassicConnection connection_;
};

class Killing {
 public:
  Killing(CountingArguments given, uint64_t keys, uint64_t writers, bool growth)
      : given_(std::move(given)), keys_(keys), writers_(writers), growth_(growth) {
    void* at = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    shared_ = new (at) Shared{};
  }

  int run() {
    std::vector<pid_t> pids(writers_);
    for (size_t i = 0; i < writers_; ++i) pids[i] = begin(i);
    uint64_t kills = 0;
    for (; kills < given_.count && shared_->failed == 0; ++kills) {
      const size_t which = random_.below(writers_);
      wait_until_ready(which);
      sleep_us(random_.below(kLifeUsMax));
      ::kill(pids[which], SIGKILL);
      waitpid(pids[which], nullptr, 0);
      pids[which] = begin(which);
    }
    for (const pid_t pid : pids) {
      ::kill(pid, SIGKILL);
      waitpid(pid, nullptr, 0);
    }
    return tell(kills + writers_);
  }

 private:
  static void sleep_us(uint64_t us) {
    const timespec time{0, static_cast<long>(us * 1000)};
    nanosleep(&time, nullptr);
  }
  void wait_until_ready(size_t which) const {
    while (shared_->ready[which] == 0 && shared_->failed == 0) sleep_us(kReadyUs);
  }
  std::string key(uint64_t number) const { return given_.key + std::to_string(number); }
  std::unique_ptr<Writer> writer() const {
    if (given_.socket.empty()) return std::make_unique<NativeWriter>(given_.setup, given_.database);
    return std::make_unique<ClassicWriter>(given_.socket, given_.database);
  }
  void failed(const std::string& why) const {
    if (shared_->failed.fetch_add(1) == 0)
      std::snprintf(shared_->failure, sizeof shared_->failure, "%s", why.c_str());
  }

  pid_t begin(size_t which) {
    shared_->ready[which] = 0;
    const uint64_t seed = random_.next();
    const pid_t pid = fork();
    if (pid != 0) return pid;
    write_for_ever(which, seed);
    _exit(1);
  }

  void write_for_ever(size_t which, uint64_t seed) {
    Random random(seed);
    const std::unique_ptr<Writer> its = writer();
    std::string why = its->open();
    Patience patience;
    while (true) {
      // On a busy machine the node may lose its membership for a moment.
      if (!why.empty() && (!passes(why) || !patience.try_again())) return failed(why);
      if (!why.empty() && !(why = its->open()).empty()) continue;
      const uint64_t number = random.below(keys_);
      const Bytes value = value_of(number, random, growth_);
      if (!(why = its->lock(key(number))).empty()) continue;
      look(its->data(), number);
      shared_->ready[which] = 1;
      why = its->write(value);
      its->unlock();
      if (!why.empty()) continue;
      patience.succeeded();
      ++shared_->writes;
      if (keys_ <= kKeysMax) shared_->written[number] = true;
    }
  }
  static bool passes(const std::string& why) {
    const auto is = [&why](int error) { return why.starts_with(ctdb_strerror(error)); };
    return is(CTDB_ERR_FENCED) || is(CTDB_ERR_DISCONNECTED) || is(CTDB_ERR_TIMEOUT) || is(CTDB_ERR_DAMAGED);
  }
  void look(ByteView data, uint64_t number) const {
    const bool may_be_empty = keys_ > kKeysMax || !shared_->written[number];
    if (data.empty() ? may_be_empty : is_whole(data, number)) return;
    ++shared_->torn;
    ++shared_->torn_keys[number % kKeysMax];
  }

  int tell(uint64_t kills) {
    const std::unique_ptr<Writer> its = writer();
    std::string why = its->open();
    for (uint64_t number = 0; number < std::min<uint64_t>(keys_, kKeysMax) && why.empty(); ++number) {
      why = its->lock(key(number));
      if (!why.empty()) break;
      look(its->data(), number);
      its->unlock();
    }
    if (!why.empty()) failed(why);
    std::printf("kills %llu\nwrites %llu\ntorn %llu\n", static_cast<unsigned long long>(kills),
                static_cast<unsigned long long>(shared_->writes.load()),
                static_cast<unsigned long long>(shared_->torn.load()));
    for (uint64_t number = 0; number < std::min<uint64_t>(keys_, kKeysMax); ++number) {
      if (shared_->torn_keys[number] > 0) std::printf("key %s\n", key(number).c_str());
    }
    if (shared_->failed > 0) std::printf("failed %s\n", shared_->failure);
    return shared_->failed > 0 ? 1 : 0;
  }

  const CountingArguments given_;
  const uint64_t keys_, writers_;
  const bool growth_;
  Random random_{20};
  Shared* shared_ = nullptr;
};

uint64_t number(const CountingArguments& given, const char* name, uint64_t otherwise, uint64_t max) {
  const auto found = given.more.find(name);
  const uint64_t value =
      found == given.more.end() ? otherwise : std::strtoull(found->second.c_str(), nullptr, 10);
  return std::min(std::max<uint64_t>(value, 1), max);
}

int main_of(int argc, char** argv) {
  const std::optional<CountingArguments> given =
      counting_arguments(argc, argv, {"--writers", "--keys", "--growth"});
  if (!given) {
    std::fprintf(stderr,
                 "usage: ctdb-kill --setup PATH | --socket PATH  --db NAME --key PREFIX --count KILLS\n"
                 "                 [--writers N] [--keys N] [--growth 1]\n");
    return 2;
  }
  Killing killing(*given, number(*given, "--keys", 16, 1'000'000'000),
                  number(*given, "--writers", 4, kWritersMax), given->more.contains("--growth"));
  return killing.run();
}

}  // namespace
}  // namespace ctdb

int main(int argc, char** argv) {
  return ctdb::main_of(argc, argv);
}
