// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/unit/client/fake_node.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "libctdbipc/base/hash.h"

namespace ctdb::test {
namespace {

constexpr size_t kRingBytes = 256u << 10;

// A broken fake must not look like a broken client: it says what failed and ends.
[[noreturn]] void die(const char* what) {
  std::perror(what);
  _exit(99);
}

Bytes text_with_nul(const std::string& text) {
  Bytes bytes = to_bytes(as_bytes(text));
  bytes.push_back(0);
  return bytes;
}

TDB_DATA tdb_bytes(ByteView bytes) {
  return {const_cast<uint8_t*>(bytes.data()), bytes.size()};
}

Bytes number_bytes(uint32_t value) {
  Bytes bytes(4);
  store(bytes.data(), value);
  return bytes;
}

constexpr int kTdbFlags =
    TDB_CLEAR_IF_FIRST | TDB_NOSYNC | TDB_DISALLOW_NESTING | TDB_INCOMPATIBLE_HASH | TDB_MUTEX_LOCKING;

}  // namespace

FakeDaemons::FakeDaemons(std::string given_folder, Seen& given_seen)
    : folder(std::move(given_folder)), seen(given_seen) {
  Result<std::unique_ptr<NodePage>> opened = NodePage::open(folder + "/ctdb-node.page");
  if (!opened) die("node page");
  page = std::move(*opened);
  page->set_serve_until(kNever);
  if (!page->take_keeper_lock()) die("keeper's lock");
}

void FakeDaemons::watch(int fd, uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) die("epoll_ctl");
}

void FakeDaemons::accept(int listener, int epoll) {
  epoll_ = epoll;
  auto client = std::make_unique<Client>();
  client->socket.reset(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!client->socket.valid()) die("accept4");
  SetupMessage reply;
  reply.kind = SetupKind::kReply;
  reply.endpoint = ++seen.clients;
  reply.pnn = kPnn;
  for (int i = 0; i < (without_store ? 1 : 2); ++i) {
    Result<ChannelPair> pair = create_channel(kRingBytes);
    if (!pair) die("create_channel");
    Result<std::unique_ptr<Channel>> opened = Channel::open(std::move(pair->server), ChannelSide::kServer);
    if (!opened) die("Channel::open");
    client->channels[i] = std::move(*opened);
    watch(client->channels[i]->bell_fd(), EPOLLIN | EPOLLET);
    reply.channels.push_back(std::move(pair->client));
  }
  reply.descriptor = std::move(*NodePage::reader_fd(folder + "/ctdb-node.page"));
  if (!send_setup(client->socket.get(), reply)) die("send_setup");
  watch(client->socket.get(), EPOLLIN);
  clients_.push_back(std::move(client));
}

void FakeDaemons::replace_store() {
  Result<ChannelPair> pair = create_channel(kRingBytes);
  if (!pair) die("create_channel");
  Result<std::unique_ptr<Channel>> opened = Channel::open(std::move(pair->server), ChannelSide::kServer);
  if (!opened) die("Channel::open");
  client().channels[1] = std::move(*opened);
  watch(client().channels[1]->bell_fd(), EPOLLIN | EPOLLET);
  SetupMessage message;
  message.kind = SetupKind::kChannelReplaced;
  message.channels.push_back(std::move(pair->client));
  if (!send_setup(client().socket.get(), message)) die("send_setup");
}

void FakeDaemons::send(Peer peer, ByteView packet) {
  Channel& to = *client().channels[static_cast<size_t>(peer)];
  while (to.push({}, packet) == PushResult::kFull) {
    to.flush();
    usleep(100);
  }
  to.flush();
}

void FakeDaemons::reply_control(uint32_t reqid, int32_t status, ByteView data, std::string_view text) {
  Bytes packet;
  Header header;
  header.srcnode = kPnn;
  header.reqid = reqid;
  build(packet, header, ReplyControl{status, data, text});
  send(Peer::kRouter, packet);
}

void FakeDaemons::reply_call(uint32_t reqid, int32_t status, ByteView data) {
  Bytes packet;
  Header header;
  header.srcnode = kPnn;
  header.reqid = reqid;
  build(packet, header, ReplyCall{status, data});
  send(Peer::kStore, packet);
}

void FakeDaemons::message(uint64_t srvid, ByteView data) {
  Bytes packet;
  Header header;
  header.srcnode = kPnn;
  build(packet, header, ReqMessage{srvid, data});
  send(Peer::kRouter, packet);
}

void FakeDaemons::put_record(ByteView key, uint32_t dmaster, ByteView data, uint32_t flags) {
  Bytes value;
  append_record_header(value, {7, dmaster, flags});
  value.insert(value.end(), data.begin(), data.end());
  if (tdb_store(tdb_, tdb_bytes(key), tdb_bytes(value), TDB_REPLACE) != 0) die("tdb_store");
}

Bytes FakeDaemons::get_record(ByteView key) {
  const TDB_DATA found = tdb_fetch(tdb_, tdb_bytes(key));
  Bytes value(found.dptr, found.dptr + found.dsize);
  free(found.dptr);
  return value;
}

void FakeDaemons::serve_control(const Header& header, const ReqControl& control) {
  ++seen.controls;
  switch (static_cast<Control>(control.opcode)) {
    case Control::DB_ATTACH:
      return reply_control(header.reqid, 0, number_bytes(database_id("test.tdb")));
    case Control::DB_COPIES:
      copies = std::max(copies, load<uint32_t>(control.data.data() + 4));
      return reply_control(header.reqid, 0, number_bytes(copies));
    case Control::DB_RECORD_LIMIT:
      return reply_control(header.reqid, 0, number_bytes(record_limit));
    case Control::GETDBPATH:
      return reply_control(header.reqid, 0, text_with_nul(folder + "/test.tdb.1"));
    case Control::DB_OPEN_FLAGS:
      return reply_control(header.reqid, 0, number_bytes(kTdbFlags));
    case Control::REGISTER_SRVID:
      client().srvids.insert(control.srvid);
      return reply_control(header.reqid, 0);
    case Control::DEREGISTER_SRVID:
      return reply_control(header.reqid, client().srvids.erase(control.srvid) == 1 ? 0 : -1);
    case Control::PING: {
      const bool here = header.destnode == CTDB_CURRENT_NODE || header.destnode == kPnn;
      return reply_control(header.reqid, here ? 0 : -1, {}, here ? "" : "ctdb_control to disconnected node");
    }
    default:
      if ((control.flags & CTDB_CONTROL_NOREPLY) == 0)
        reply_control(header.reqid, -1, {}, "not in this fake");
  }
}

void FakeDaemons::serve_call(const Header& header, const ReqCall& call) {
  if (call.callid == CTDB_FUNC_DELETED) {
    ++seen.deletions;
    return;
  }
  if (call.callid == CTDB_FUNC_DAMAGED) {
    ++seen.damaged;
    return;
  }
  ++seen.calls;
  if (call.callid == CTDB_FUNC_COPY) {
    ++seen.copied;
    check(load<uint64_t>(call.data.data()) == page->serving_epoch());
    return reply_call(header.reqid, static_cast<int32_t>(copies));
  }
  if (is_changing_function(call.callid)) return serve_function(header.reqid, call);
  Bytes value = get_record(call.key);
  if (value.size() < CTDB_RECORD_HEADER_SIZE) value.assign(CTDB_RECORD_HEADER_SIZE, 0);
  const Bytes data(value.begin() + CTDB_RECORD_HEADER_SIZE, value.end());
  put_record(call.key, kPnn, data);
  if (call.callid == CTDB_FUNC_FETCH) return reply_call(header.reqid, 0, data);
  if (call.callid == CTDB_FUNC_FETCH_WITH_HEADER) return reply_call(header.reqid, 0, get_record(call.key));
  reply_call(header.reqid, 0);
}

// As if the record were another node's: it stays there.
void FakeDaemons::serve_function(uint32_t reqid, const ReqCall& call) {
  ++seen.functions;
  check(call.flags == 0);
  Bytes value = get_record(call.key);
  if (value.size() < CTDB_RECORD_HEADER_SIZE) value.assign(CTDB_RECORD_HEADER_SIZE, 0);
  FunctionOutcome outcome;
  // The only one of a plug-in: it answers with its argument.
  if (const auto named = parse_named_call(call.data);
      call.callid == CTDB_FUNC_NAMED && named && named->name == "echo")
    return reply_call(reqid, named->argument.empty() ? CTDB_FUNC_STATUS_UNEQUAL : 0, named->argument);
  run_record_function(call.callid, ByteView(value).subspan(CTDB_RECORD_HEADER_SIZE), call.data, record_limit,
                      outcome);
  if (outcome.changed) put_record(call.key, kOtherPnn, outcome.value);
  reply_call(reqid, outcome.status, outcome.result);
}

void FakeDaemons::serve(Peer, ByteView packet) {
  const Header header = read_header(packet);
  if (header.operation == static_cast<uint32_t>(Operation::REQ_CONTROL)) {
    return serve_control(header, *parse_req_control(packet));
  }
  if (header.operation == static_cast<uint32_t>(Operation::REQ_CALL))
    return serve_call(header, *parse_req_call(packet));
  ++seen.messages;
  const ReqMessage sent = *parse_req_message(packet);
  if (client().srvids.count(sent.srvid) != 0) message(sent.srvid, sent.data);
}

// Serves everything that is there; the newest client only, which is the one the test is about.
bool FakeDaemons::drain(const Script& script) {
  bool any = false;
  for (size_t i = 0; i < 2 && !clients_.empty(); ++i) {
    Channel* channel = client().channels[i].get();
    while (channel != nullptr) {
      const std::optional<Channel::Frame> frame = channel->pop();
      if (!frame) break;
      any = true;
      const Bytes packet = to_bytes(frame->packet);
      channel->flush();
      if (script && script(*this, static_cast<Peer>(i), packet)) {
        ++seen.held_back;
      } else {
        serve(static_cast<Peer>(i), packet);
      }
      if (clients_.empty() || client().channels[i].get() != channel) break;  // hung up or replaced
    }
    if (!clients_.empty() && client().channels[i] != nullptr) any = !client().channels[i]->arm() || any;
  }
  return any;
}

void FakeDaemons::run(int listener, int commands, const Script& script, const Command& on_command) {
  tdb_ = tdb_open((folder + "/test.tdb.1").c_str(), 1000, kTdbFlags, O_RDWR | O_CREAT, 0600);
  if (tdb_ == nullptr) die("tdb_open");
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  epoll_ = epoll;
  watch(listener, EPOLLIN);
  watch(commands, EPOLLIN);
  ++seen.commands;  // "go" has been carried out
  for (;;) {
    epoll_event event{};
    if (epoll_wait(epoll, &event, 1, -1) < 1) continue;
    if (event.data.fd == listener) {
      accept(listener, epoll);
    } else if (event.data.fd == commands) {
      char c = 0;
      if (read(commands, &c, 1) != 1) _exit(0);
      on_command(*this, c);
      ++seen.commands;
    } else {
      std::erase_if(clients_, [&](const std::unique_ptr<Client>& each) {
        if (each->socket.get() != event.data.fd) return false;
        const Result<std::optional<SetupMessage>> got = receive_setup(each->socket.get());
        if (got) return false;  // its request
        ++seen.hung_up;
        return true;
      });
    }
    while (!clients_.empty() && drain(script)) {
    }
  }
}

FakeNode::FakeNode(Script script, Command on_command, bool without_store)
    : script_(std::move(script)), on_command_(std::move(on_command)), without_store_(without_store) {
  char name[] = "/tmp/ctdb-fake-XXXXXX";
  if (mkdtemp(name) == nullptr) die("mkdtemp");
  folder_ = name;
  void* at = mmap(nullptr, sizeof(Seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) die("mmap");
  seen_ = new (at) Seen;
  child_ = make_child();
  spare_ = make_child();
  command('g');
}

FakeNode::~FakeNode() {
  end(child_);
  end(spare_);
  munmap(seen_, sizeof(Seen));
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

FakeNode::Child FakeNode::make_child() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) die("socketpair");
  const pid_t parent = getpid();
  Child child{fork(), UniqueFd(ends[0])};
  if (child.pid < 0) die("fork");
  if (child.pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(0);
    child.commands.reset();
    live(ends[1]);
  }
  close(ends[1]);
  return child;
}

// The child: waits for its turn, then is the node.
void FakeNode::live(int commands) {
  char go = 0;
  if (read(commands, &go, 1) != 1) _exit(0);
  Result<UniqueFd> listener = listen_unix(setup_socket(), SOCK_SEQPACKET, 0600, 16);
  if (!listener) die(listener.error().text().c_str());
  FakeDaemons daemons(folder_, *seen_);
  daemons.without_store = without_store_;
  daemons.run(listener->get(), commands, script_, on_command_);
}

void FakeNode::end(Child& child) {
  if (child.pid < 0) return;
  ::kill(child.pid, SIGKILL);
  int status = 0;
  waitpid(child.pid, &status, 0);
  if (WIFEXITED(status))
    std::fprintf(stderr, "the fake node had ended with status %d\n", WEXITSTATUS(status));
  child.pid = -1;
}

void FakeNode::kill() {
  end(child_);
}

void FakeNode::start() {
  child_ = std::move(spare_);
  spare_ = Child();
  command('g');
}

void FakeNode::command(char c) {
  const uint32_t before = seen_->commands;
  if (write(child_.commands.get(), &c, 1) != 1) die("command");
  if (!eventually([&] { return seen_->commands != before; })) die("command was not carried out");
}

bool eventually(const std::function<bool()>& condition) {
  for (int i = 0; i < 120000; ++i) {
    if (condition()) return true;
    usleep(1000);
  }
  return false;
}

}  // namespace ctdb::test
