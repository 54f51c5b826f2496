// SPDX-License-Identifier: GPL-3.0-or-later
// A node as a client sees it, in a child process: router and store behind a set-up socket, one tdb file. By default
// it answers like a healthy single node; a script sees every packet first and may answer otherwise, and the test sends
// commands to make it misbehave on its own. A child process, because libtdb and the client must see a real second one.
#ifndef TESTS_UNIT_CLIENT_FAKE_NODE_H_
#define TESTS_UNIT_CLIENT_FAKE_NODE_H_

#include <sys/types.h>
#include <tdb.h>

#include <atomic>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "libctdbipc/base/unique_fd.h"
#include "libctdbipc/client/requests.h"
#include "libctdbipc/ring/channel.h"
#include "libctdbipc/ring/node_page.h"
#include "libctdbipc/runtime/setup_socket.h"
#include "libctdbipc/wire/packet.h"
#include "libctdbipc/wire/record_functions.h"

namespace ctdb::test {

inline constexpr uint32_t kPnn = 1;
inline constexpr uint32_t kOtherPnn = 2;

// What the child counts, readable by the test.
struct Seen {
  std::atomic<uint32_t> clients{0};
  std::atomic<uint32_t> hung_up{0};
  std::atomic<uint32_t> calls{0};
  std::atomic<uint32_t> controls{0};
  std::atomic<uint32_t> messages{0};
  std::atomic<uint32_t> copied{0};  // calls for copies
  std::atomic<uint32_t> functions{0};
  std::atomic<uint32_t> deletions{0};
  std::atomic<uint32_t> damaged{0};    // what clients have found so
  std::atomic<uint32_t> held_back{0};  // packets the script swallowed
  std::atomic<uint32_t> commands{0};
  std::atomic<uint32_t> wrong{0};  // what a script found wrong, see check()
};

// The child's side: one client at a time has `index`; scripts use the newest.
class FakeDaemons {
 public:
  struct Client {
    UniqueFd socket;
    std::unique_ptr<Channel> channels[2];
    std::set<uint64_t> srvids;
  };

  FakeDaemons(std::string folder, Seen& seen);

  Client& client() { return *clients_.back(); }
  void send(Peer peer, ByteView packet);
  void reply_control(uint32_t reqid, int32_t status, ByteView data = {}, std::string_view text = {});
  void reply_call(uint32_t reqid, int32_t status, ByteView data = {});
  void message(uint64_t srvid, ByteView data);
  // Stores a record as the store would: owned by `dmaster`.
  void put_record(ByteView key, uint32_t dmaster, ByteView data, uint32_t flags = 0);
  Bytes get_record(ByteView key);
  // A new channel to "the restarted store"; the old one gets no more answers.
  void replace_store();
  void hang_up() { clients_.pop_back(); }
  // Expectations of scripts: GoogleTest's would fail in the child, where nobody sees it.
  void check(bool good) { seen.wrong += good ? 0 : 1; }
  // The default answer.
  void serve(Peer peer, ByteView packet);

  std::string folder;
  Seen& seen;
  std::unique_ptr<NodePage> page;  // a lease without end, and this process is the keeper
  uint32_t copies = 1;             // of the database
  uint32_t record_limit = kValueBytesMax;
  bool without_store = false;  // set-up replies carry the router's channel only
  std::vector<Bytes> held;     // for scripts

 private:
  friend class FakeNode;
  using Script = std::function<bool(FakeDaemons&, Peer, ByteView)>;
  using Command = std::function<void(FakeDaemons&, char)>;

  [[noreturn]] void run(int listener, int commands, const Script& script, const Command& on_command);
  void accept(int listener, int epoll);
  void watch(int fd, uint32_t events);
  void serve_control(const Header& header, const ReqControl& control);
  void serve_call(const Header& header, const ReqCall& call);
  void serve_function(uint32_t reqid, const ReqCall& call);
  bool drain(const Script& script);

  tdb_context* tdb_ = nullptr;
  int epoll_ = -1;
  std::vector<std::unique_ptr<Client>> clients_;
};

// The test's side. Ends the child when destroyed.
class FakeNode {
 public:
  // true: handled, the default answer is not given.
  using Script = FakeDaemons::Script;
  using Command = FakeDaemons::Command;
  explicit FakeNode(Script script = {}, Command on_command = {}, bool without_store = false);
  ~FakeNode();

  void kill();
  void start();          // again, after kill(); once
  void command(char c);  // returns when it has been carried out
  std::string setup_socket() const { return folder_ + "/setup.socket"; }
  std::string database_path() const { return folder_ + "/test.tdb.1"; }
  Seen& seen() { return *seen_; }

 private:
  // Both children are made before the test opens anything: a child must not inherit the test's open tdb files.
  struct Child {
    pid_t pid = -1;
    UniqueFd commands;
  };
  Child make_child();
  [[noreturn]] void live(int commands);
  void end(Child& child);

  Script script_;
  Command on_command_;
  bool without_store_;
  std::string folder_;
  Seen* seen_;
  Child child_;
  Child spare_;
};

// Waits for a condition another process brings about; false after a generous time.
bool eventually(const std::function<bool()>& condition);

}  // namespace ctdb::test

#endif  // TESTS_UNIT_CLIENT_FAKE_NODE_H_
