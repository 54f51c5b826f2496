// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/bench/rows.h"

#include <fcntl.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <tdb.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <random>

#include "libctdbipc/base/hash.h"
#include "libctdbipc/wire/placement.h"

namespace ctdb::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr uint32_t kNodes = 3;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Runs `operation` until the time is over and keeps each duration; `per_call` operations happen in one call.
Outcome measure(const Setting& setting, uint64_t per_call, const std::function<void()>& operation) {
  for (int i = 0; i < 50; ++i) operation();
  std::vector<double> micros;
  micros.reserve(1 << 20);
  const Clock::time_point start = Clock::now();
  Clock::time_point before = start;
  while (std::chrono::duration<double>(before - start).count() < setting.seconds) {
    operation();
    const Clock::time_point after = Clock::now();
    micros.push_back(std::chrono::duration<double, std::micro>(after - before).count());
    before = after;
  }
  const double total = seconds_since(start);
  std::nth_element(micros.begin(), micros.begin() + static_cast<long>(micros.size() / 2), micros.end());
  return {micros.size() * per_call, total, micros[micros.size() / 2] / static_cast<double>(per_call)};
}

Bytes key_of(const std::string& text) {
  return to_bytes(as_bytes(text));
}

// A key whose location master is node 0 in both systems, ctdbd's rule being the hash modulo the number of nodes: whether a client sits beside
// it is one of three hops of a migration.
Bytes key_of_node_0(const std::string& text) {
  static const Placement ours(std::vector<uint32_t>{0, 1, 2});
  static_assert(kNodes == 3);
  for (int i = 0;; ++i) {
    Bytes key = key_of(text + "-" + std::to_string(i));
    if (jenkins_hash(key) % kNodes == 0 && ours.lmaster(key) == 0) return key;
  }
}

Outcome ping_local(const Setting& setting) {
  auto client = setting.open(0);
  return measure(setting, 1, [&] { client->ping(0); });
}

Outcome ping_remote(const Setting& setting) {
  auto client = setting.open(0);
  return measure(setting, 1, [&] { client->ping(1); });
}

constexpr uint64_t kSrvidA = 0xAE00000000000001ull;
constexpr uint64_t kSrvidB = 0xAE00000000000002ull;

Outcome message_remote(const Setting& setting) {
  auto here = setting.open(0);
  auto there = setting.open(1);
  here->listen(kSrvidA);
  there->listen(kSrvidB);
  const Bytes data(setting.message_bytes, 7);
  return measure(setting, 1, [&] {
    here->send(1, kSrvidB, data);
    there->receive();
    there->send(0, kSrvidA, data);
    here->receive();
  });
}

// One record visits the nodes in turn; one operation is one visit, hence one migration.
Outcome record_round(const Setting& setting, uint32_t nodes) {
  std::vector<std::unique_ptr<BenchClient>> clients;
  for (uint32_t node = 0; node < nodes; ++node) {
    clients.push_back(setting.open(node));
    clients.back()->attach("bench.tdb");
  }
  const Bytes key = key_of_node_0("round-" + std::to_string(nodes));
  return measure(setting, nodes, [&] {
    for (auto& client : clients) client->increment(key);
  });
}

// Shared with forked children: a start gun and one result each.
struct Shared {
  Shared() { sem_init(&start, 1, 0); }
  sem_t start;
  std::atomic<uint32_t> ready{0};
  std::atomic<bool> over{false};
  std::atomic<uint64_t> operations{0};
  std::atomic<uint64_t> acknowledged{0};
};

template <typename T>
T* make_shared(size_t count) {
  void* at = mmap(nullptr, count * sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) give_up("mmap");
  return new (at) T[count];
}

// Forks `count` clients; each runs body(its number).
std::vector<pid_t> start_clients(uint32_t count, const std::function<void(uint32_t)>& body) {
  std::vector<pid_t> children;
  for (uint32_t i = 0; i < count; ++i) {
    const pid_t child = fork();
    if (child < 0) give_up("fork");
    if (child == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      body(i);
      _exit(0);
    }
    children.push_back(child);
  }
  return children;
}

// Until so many clients are ready; one that ends before will never be.
void wait_until_ready(const Shared& shared, uint32_t clients) {
  while (shared.ready.load() < clients) {
    siginfo_t ended{};
    if (waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) == 0 && ended.si_pid != 0) {
      give_up("a client process failed");
    }
    usleep(1000);  // between two looks
  }
}

// Asleep: hundreds of clients that look from time to time take the processor from those that are not ready yet.
void wait_for_start(Shared& shared) {
  while (sem_wait(&shared.start) != 0) {
  }
}

void start_all(Shared& shared, uint32_t clients) {
  for (uint32_t i = 0; i < clients; ++i) sem_post(&shared.start);
}

void wait_for_children(const std::vector<pid_t>& children) {
  for (pid_t child : children) {
    int status = 0;
    waitpid(child, &status, 0);
    if (status != 0) give_up("a client process failed");
  }
}

// Clients in a loop on common keys. Counted is how often a record moved, not what a client did with it while it was here:
// that is plain tdb on both systems.
Outcome many_clients(const Setting& setting, uint32_t clients, uint32_t keys) {
  Shared* shared = make_shared<Shared>(1);
  const std::vector<pid_t> children = start_clients(clients, [&](uint32_t i) {
    auto client = setting.open(i % kNodes);
    client->attach("bench.tdb");
    std::minstd_rand random(i + 1);
    shared->ready++;
    wait_for_start(*shared);
    const Clock::time_point start = Clock::now();
    while (seconds_since(start) < setting.seconds) {
      client->increment(key_of("many-" + std::to_string(keys) + "-" + std::to_string(random() % keys)));
    }
    shared->operations += client->migrations();
  });
  wait_until_ready(*shared, clients);
  const Clock::time_point start = Clock::now();
  start_all(*shared, clients);
  wait_for_children(children);
  return {shared->operations.load(), seconds_since(start), 0};
}

// What one client of a contended record has seen.
struct Turns {
  uint64_t count = 0;
  double waited_us = 0;
  double longest_us = 0;
  Clock::time_point ended;
};

// To the end of the last turn: hundreds of processes that end take their time, too.
Outcome outcome_of(const std::vector<Turns>& clients, Clock::time_point start) {
  Turns all;
  double slowest = 0;
  for (const Turns& client : clients) {
    if (client.count == 0) give_up("a client has never got the record");
    all.count += client.count;
    all.waited_us += client.waited_us;
    all.longest_us = std::max(all.longest_us, client.longest_us);
    all.ended = std::max(all.ended, client.ended);
    slowest = std::max(slowest, client.waited_us / static_cast<double>(client.count));
  }
  const double mean = all.waited_us / static_cast<double>(all.count);
  const double seconds = std::chrono::duration<double>(all.ended - start).count();
  return {all.count, seconds, mean, slowest / mean, all.longest_us / mean};
}

// Everybody wants one record, works on it under its lock, and does something else for a moment. A client that asked again at once
// would nearly always find it still there, and nobody would have waited.
Outcome contended(const Setting& setting, uint32_t clients) {
  constexpr useconds_t kRestUs = 100;
  Shared* shared = make_shared<Shared>(1);
  Turns* turns = make_shared<Turns>(clients);
  const Bytes key = key_of_node_0("contended-" + std::to_string(clients));
  const std::vector<pid_t> children = start_clients(clients, [&](uint32_t i) {
    auto client = setting.open(i % kNodes);
    client->attach("bench.tdb");
    // Its first steps would be page faults, most of all.
    client->increment(key_of("own-" + std::to_string(i)));
    shared->ready++;
    wait_for_start(*shared);
    const Clock::time_point start = Clock::now();
    while (seconds_since(start) < setting.seconds) {
      const Clock::time_point before = Clock::now();
      client->increment(key);
      const double waited = seconds_since(before) * 1e6;
      ++turns[i].count;
      turns[i].waited_us += waited;
      turns[i].longest_us = std::max(turns[i].longest_us, waited);
      usleep(kRestUs);  // the row's own rhythm
    }
    turns[i].ended = Clock::now();
  });
  wait_until_ready(*shared, clients);
  const Clock::time_point start = Clock::now();
  start_all(*shared, clients);
  wait_for_children(children);
  return outcome_of({turns, turns + clients}, start);
}

// Three nodes raise one counter. Without a pause the rate is all there is; with one, what an increment takes at node 0.
Outcome one_counter(const Setting& setting, bool by_function, useconds_t pause_us) {
  Shared* shared = make_shared<Shared>(1);
  const Bytes key = key_of_node_0(by_function ? "added" : "locked");
  const auto open = [&](uint32_t node) {
    auto client = setting.open(node);
    client->attach("count.tdb");
    return client;
  };
  const auto raise = [&](BenchClient& client) { by_function ? client.add(key) : client.increment(key); };
  const std::vector<pid_t> children = start_clients(kNodes - 1, [&](uint32_t number) {
    auto client = open(number + 1);
    shared->ready++;
    uint64_t done = 0;
    while (!shared->over.load()) {
      raise(*client);
      ++done;
      // The row's own rhythm: what is measured is a counter that rests between two raises.
      if (pause_us > 0) usleep(pause_us);
    }
    shared->operations += done;
  });
  auto client = open(0);
  wait_until_ready(*shared, kNodes - 1);
  std::vector<double> micros;
  const Clock::time_point start = Clock::now();
  while (seconds_since(start) < setting.seconds) {
    const Clock::time_point before = Clock::now();
    raise(*client);
    micros.push_back(seconds_since(before) * 1e6);
    if (pause_us > 0) usleep(pause_us);  // outside of what is timed
  }
  shared->over = true;
  wait_for_children(children);
  const uint64_t all = shared->operations.load() + micros.size();
  std::ranges::nth_element(micros, micros.begin() + static_cast<long>(micros.size() / 2));
  return {all, seconds_since(start), pause_us > 0 ? micros[micros.size() / 2] : 0};
}

// `readers` on each of three nodes read one record in a loop, and somebody changes it 50 times a second. What is counted is reads.
Outcome read_fan_out(const Setting& setting, uint32_t readers) {
  constexpr useconds_t kBetweenChanges = 20000;
  Shared* shared = make_shared<Shared>(1);
  const Bytes key = key_of_node_0("read-" + std::to_string(readers));
  const auto open = [&](uint32_t node) {
    auto client = setting.open(node);
    client->attach_for_readers("read.tdb");
    return client;
  };
  const std::vector<pid_t> children = start_clients(kNodes * readers, [&](uint32_t i) {
    auto client = open(i % kNodes);
    uint64_t newest = client->read_counter(key);
    shared->ready++;
    wait_for_start(*shared);
    uint64_t done = 0;
    for (; !shared->over.load(); ++done) {
      const uint64_t value = client->read_counter(key);
      if (value < newest) give_up("a reader has seen an older value after a newer one");
      newest = value;
    }
    shared->operations += done;
  });
  auto writer = open(0);
  wait_until_ready(*shared, kNodes * readers);
  const Clock::time_point start = Clock::now();
  start_all(*shared, kNodes * readers);
  while (seconds_since(start) < setting.seconds) {
    writer->increment(key);
    usleep(kBetweenChanges);  // the row's own rhythm
  }
  const double total = seconds_since(start);
  shared->over = true;
  wait_for_children(children);
  return {shared->operations.load(), total, 0};
}

// One-way messages with `window` outstanding: the receiver publishes its count in shared memory, which costs neither
// system anything.
Outcome one_way(const Setting& setting, size_t bytes, uint64_t window) {
  Shared* shared = make_shared<Shared>(1);
  const std::vector<pid_t> receivers = start_clients(1, [&](uint32_t) {
    auto receiver = setting.open(1);
    receiver->listen(kSrvidB);
    shared->ready = 1;
    while (!shared->over.load()) shared->acknowledged += receiver->receive();
  });
  auto sender = setting.open(0);
  wait_until_ready(*shared, 1);
  const Bytes data(bytes, 7);
  uint64_t sent = 0;
  const Clock::time_point start = Clock::now();
  while (seconds_since(start) < setting.seconds) {
    const uint64_t outstanding = sent - shared->acknowledged.load();
    if (outstanding >= window) {
      sched_yield();
      continue;
    }
    for (uint64_t i = outstanding; i < window; ++i, ++sent) sender->send(1, kSrvidB, data);
  }
  const uint64_t received = shared->acknowledged.load();
  const double total = seconds_since(start);
  while (shared->acknowledged.load() < sent)
    usleep(1000);  // delivery or a report of failure: none may be missing
  shared->over = true;
  sender->send(1, kSrvidB, data);
  wait_for_children(receivers);
  return {received, total, 0};
}

// A database of its own for each number: it never becomes less.
Outcome change_with_copies(const Setting& setting, uint32_t copies) {
  auto client = setting.open(0);
  client->attach("bench-copies-" + std::to_string(copies) + ".tdb", copies);
  const Bytes key = key_of("copied");
  return measure(setting, 1, [&] { client->increment(key, 100); });
}

Outcome local_hit(const Setting& setting) {
  auto client = setting.open(0);
  client->attach("bench.tdb");
  const Bytes key = key_of("local-hit");
  return measure(setting, 100, [&] {
    for (int i = 0; i < 100; ++i) client->increment(key);
  });
}

// The same work on a tdb file without any cluster: what a local hit could cost at best.
Outcome plain_tdb(const Setting& setting) {
  char path[] = "/dev/shm/ctdb-bench-XXXXXX";
  const int fd = mkstemp(path);
  if (fd < 0) give_up("mkstemp");
  close(fd);
  tdb_context* tdb =
      tdb_open(path, 100001, TDB_CLEAR_IF_FIRST | TDB_NOSYNC | TDB_INCOMPATIBLE_HASH | TDB_MUTEX_LOCKING,
               O_RDWR | O_CREAT, 0600);
  if (tdb == nullptr) give_up("tdb_open");
  uint8_t text[] = "local-hit";
  uint8_t value[32] = {};
  const TDB_DATA key{text, sizeof text - 1};
  const TDB_DATA data{value, sizeof value};
  const Outcome outcome = measure(setting, 100, [&] {
    for (int i = 0; i < 100; ++i) {
      tdb_chainlock(tdb, key);
      TDB_DATA old = tdb_fetch(tdb, key);
      free(old.dptr);
      tdb_store(tdb, key, data, TDB_REPLACE);
      tdb_chainunlock(tdb, key);
    }
  });
  tdb_close(tdb);
  unlink(path);
  return outcome;
}

}  // namespace

const std::vector<Row>& rows() {
  static const std::vector<Row> table = {
      {"ping_local", "null control, local node", ping_local},
      {"ping_remote", "null control, other node", ping_remote},
      {"message_remote", "message 128 B to a client of another node and back", message_remote},
      {"record_two", "record ping-pong between two nodes, per migration",
       [](const Setting& s) { return record_round(s, 2); }},
      {"record_three", "record round three nodes, per migration",
       [](const Setting& s) { return record_round(s, 3); }},
      {"hot_3x1", "3 clients, 3 nodes, 1 key, migrations",
       [](const Setting& s) { return many_clients(s, 3, 1); }},
      {"many_3x1000", "3 clients, 3 nodes, 1,000 keys, migrations",
       [](const Setting& s) { return many_clients(s, 3, 1000); }},
      {"hot_8x1", "8 clients, 3 nodes, 1 key, migrations",
       [](const Setting& s) { return many_clients(s, 8, 1); }},
      {"many_8x1000", "8 clients, 3 nodes, 1,000 keys, migrations",
       [](const Setting& s) { return many_clients(s, 8, 1000); }},
      {"contended_2", "2 clients want one record", [](const Setting& s) { return contended(s, 2); }},
      {"contended_8", "8 clients want one record", [](const Setting& s) { return contended(s, 8); }},
      {"contended_64", "64 clients want one record", [](const Setting& s) { return contended(s, 64); }},
      {"contended_512", "512 clients want one record", [](const Setting& s) { return contended(s, 512); }},
      {"count_locked", "3 clients, 3 nodes, 1 counter: increments under its lock",
       [](const Setting& s) { return one_counter(s, false, 0); }},
      {"count_added", "the same with ctdb_add() (ctdbd: under its lock)",
       [](const Setting& s) { return one_counter(s, true, 0); }},
      {"paced_locked", "the same 1 ms apart, each: under its lock",
       [](const Setting& s) { return one_counter(s, false, 1000); }},
      {"paced_added", "the same 1 ms apart, each: with ctdb_add()",
       [](const Setting& s) { return one_counter(s, true, 1000); }},
      {"read_3x1", "read-only fan-out: 1 reader on each of 3 nodes, 1 key, 50 changes/s",
       [](const Setting& s) { return read_fan_out(s, 1); }},
      {"read_3x4", "read-only fan-out: 4 readers on each of 3 nodes, 1 key, 50 changes/s",
       [](const Setting& s) { return read_fan_out(s, 4); }},
      {"one_way_64", "one-way messages 64 B, 256 outstanding",
       [](const Setting& s) { return one_way(s, 64, 256); }},
      {"one_way_128", "one-way messages 128 B, 256 outstanding",
       [](const Setting& s) { return one_way(s, 128, 256); }},
      {"one_way_512", "one-way messages 512 B, 256 outstanding",
       [](const Setting& s) { return one_way(s, 512, 256); }},
      {"local_hit", "local hit: lock, fetch, store, unlock", local_hit},
      {"change_copies_1", "change of a record that is here, 1 copy",
       [](const Setting& s) { return change_with_copies(s, 1); }},
      {"change_copies_2", "the same, on 2 nodes when the unlock returns",
       [](const Setting& s) { return change_with_copies(s, 2); }},
      {"change_copies_3", "the same, on 3 nodes", [](const Setting& s) { return change_with_copies(s, 3); }},
      {"plain_tdb", "the same on a plain tdb file", plain_tdb},
  };
  return table;
}

}  // namespace ctdb::bench
