// SPDX-License-Identifier: GPL-3.0-or-later
// What the fast paths must not do: a local hit makes no system call, a warm client allocates nothing.
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <iterator>
#include <new>

#include "tests/unit/client/client_test.h"

namespace {
std::size_t allocations = 0;
}

[[gnu::noinline]] void* operator new(std::size_t bytes) {
  ++allocations;
  void* at = std::malloc(bytes);
  if (at == nullptr) throw std::bad_alloc();
  return at;
}
[[gnu::noinline]] void operator delete(void* at) noexcept {
  std::free(at);
}
[[gnu::noinline]] void operator delete(void* at, std::size_t) noexcept {
  std::free(at);
}

namespace ctdb::test {
namespace {

class CostTest : public ClientTest {
 protected:
  // Moves the record away, so that the next fetch-lock has to ask.
  static bool take_away(FakeDaemons& daemons, Peer, ByteView packet) {
    const std::optional<ReqControl> control = parse_req_control(packet);
    if (control && control->opcode == static_cast<uint32_t>(Control::PING)) {
      daemons.put_record(as_bytes("far"), kOtherPnn, as_bytes("12345678"));
    }
    return false;
  }
  static bool increment(ctdb_db* db, std::string_view key) {
    ctdb_record* record = nullptr;
    if (ctdb_fetch_lock(db, blob_of(key), kPatience, &record) != 0) return false;
    return ctdb_store(record, blob_of("87654321")) == 0 && ctdb_unlock(record) == 0;
  }
};

// Fewer than a program may have in a row before it gives way to others once (libctdbipc/client/record.cc).
constexpr int kHits = 200;

bool only_exit_is_left() {
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
  };
  const sock_fprog filter{static_cast<unsigned short>(std::size(program)), program};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

TEST_F(CostTest, LocalHitMakesNoSystemCall) {
  node = std::make_unique<FakeNode>();
  const pid_t child = fork();
  if (child == 0) {
    bool good = ctdb_connect(node->setup_socket().c_str(), kPatience, &client) == 0 &&
                ctdb_attach(client, "test.tdb", 0, kPatience, &db) == 0 && increment(db, "k") &&
                increment(db, "k");
    ctdb_blob value;
    good = good && ctdb_read(db, blob_of("k"), 0, &value) == 0;
    if (!good) _exit(1);
    // From here on every system call but exit kills the process. (A filter: the strict mode takes the processor's clock
    // away as well, with which the lease is looked at.)
    if (!only_exit_is_left()) _exit(2);
    for (int i = 0; i < kHits && good; ++i) {
      good = increment(db, "k") && ctdb_read(db, blob_of("k"), 0, &value) == 0 && value.size == 8;
    }
    syscall(SYS_exit, good ? 0 : 3);
  }
  int status = -1;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0) << "killed: there was a system call";
}

TEST_F(CostTest, WarmClientAllocatesNothing) {
  start_attached(take_away);
  int messages = 0;
  const auto count = [](ctdb_client*, uint64_t, ctdb_blob, void* data) { ++*static_cast<int*>(data); };
  ASSERT_EQ(ctdb_register(client, 1, count, &messages, kPatience), 0);
  const auto round = [&] {
    const int before = messages;
    ASSERT_TRUE(increment(db, "near"));
    ASSERT_EQ(ctdb_ping(client, CTDB_PNN_CURRENT, kPatience), 0);
    ASSERT_TRUE(increment(db, "far"));
    ASSERT_EQ(ctdb_send_message(client, kPnn, 1, blob_of("some message")), 0);
    while (messages == before) {
      ASSERT_TRUE(fd_ready(kPatience));
      ASSERT_GE(ctdb_service(client, 0), 0);
    }
  };
  for (int i = 0; i < 10; ++i) round();
  const uint32_t calls = node->seen().calls;
  const std::size_t before = allocations;
  for (int i = 0; i < 100; ++i) round();
  EXPECT_EQ(allocations - before, 0u);
  EXPECT_EQ(node->seen().calls, calls + 100) << "the far record was not far";
}

}  // namespace
}  // namespace ctdb::test
