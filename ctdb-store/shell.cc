// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-store/shell.h"

#include <linux/futex.h>
#include <time.h>

#include <algorithm>
#include <utility>

#include "ctdb-store/backend/tdb_file.h"
#include "libctdbipc/base/limits.h"
#include "libctdbipc/runtime/data_directory.h"
#include "libctdbipc/runtime/function_files.h"
#include "libctdbipc/runtime/log.h"
#include "libctdbipc/wire/packet.h"

namespace ctdb {
namespace {

constexpr size_t kLockWorkers = 4;
constexpr size_t kEndedThreadsKept = 1024;
constexpr size_t kRouterQueueBytesMax = 256u << 20;
// Recoveryd takes a store whose beat is a second old for hung.
constexpr TimeNs kBeatInterval = 350 * kMillisecond;
// A store that ends hands its records over, this long at most; then what is on its way gets this much time to arrive.
constexpr TimeNs kLeavingMax = 3 * kSecond;
constexpr TimeNs kLeavingStep = 5 * kMillisecond;
constexpr TimeNs kFarewell = 100 * kMillisecond;

int64_t wall_clock_ns() {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec * kSecond + now.tv_nsec;
}

const char* phase_name(StorePhase phase) {
  switch (phase) {
    case StorePhase::kWaiting:
      return "waiting for the first generation";
    case StorePhase::kRecovering:
      return "recovering";
    case StorePhase::kPrepared:
      return "recovered, waiting for the others";
    case StorePhase::kOpen:
      return "open";
    case StorePhase::kSuspended:
      return "suspended: not a member";
  }
  return "";
}

KeeperOptions keeper_options(const Config& config) {
  return {config.keeper_socket_path(), config.volatile_directory, config.pnn,
          volatile_tdb_flags(config.tdb_mutexes)};
}

}  // namespace

StoreShell::StoreShell(DaemonContext& context)
    : context_(context),
      loop_(*context.loop),
      page_(*context.node_page),
      gate_{&page_, page_.fence_begun()},
      keeper_(loop_, page_, keeper_options(context.config), [this] { on_new_keeper(); }),
      capture_(loop_, context.config.pnn),
      spin_(loop_, context.config.spin),
      link_(loop_, context.config.setup_socket_path, DaemonRole::kStore, context.config.pnn,
            {[this](SetupMessage& reply) { return on_router_up(reply); },
             [this](SetupMessage& message) { on_setup_message(message); }, [this] { on_router_down(); }}),
      streams_(loop_, context.config.pnn, stream_handlers()),
      adopted_(loop_, context.config.pnn, adopted_handlers()),
      kept_(
          loop_, [this](const SetupMessage& message) { return link_.offer(message); },
          [this](uint32_t id) { end_client(id); }) {}

StoreShell::~StoreShell() {
  loop_.cancel(tick_timer_);
  loop_.cancel(page_timer_);
}

Result<std::unique_ptr<StoreShell>> StoreShell::create(DaemonContext& context) {
  auto shell = std::unique_ptr<StoreShell>(new StoreShell(context));
  if (Result<void> started = shell->start(); !started) return fail(std::move(started.error()));
  return shell;
}

Result<void> StoreShell::load_functions() {
  std::vector<ConfigProblem> problems;
  check_function_files(context_.config, problems);
  if (!problems.empty()) return fail(ErrorCode::kRefused, problems.front().format());
  Result<std::unique_ptr<FunctionPlugins>> loaded = FunctionPlugins::load(context_.config.functions);
  if (!loaded) return fail(std::move(loaded.error()));
  functions_ = std::move(*loaded);
  if (const std::string names = functions_->names(); !names.empty())
    log_notice("functions of plug-ins: " + names);
  return {};
}

Result<void> StoreShell::start() {
  if (Result<void> loaded = load_functions(); !loaded) return loaded;
  // First, while the process is small and has nothing open.
  Result<std::unique_ptr<LockWorkers>> workers =
      LockWorkers::start(loop_, kLockWorkers,
                         {[this](uint64_t ticket) {
                            ++events_;
                            obey_page();
                            store_->on_chain_locked(ticket, loop_.now());
                          },
                          [this](uint64_t ticket, const std::string& why) {
                            ++events_;
                            store_->on_chain_failed(ticket, why, loop_.now());
                          }});
  if (!workers) return fail(std::move(workers.error()));
  workers_ = std::move(*workers);
  if (Result<void> started = keeper_.start(); !started) return started;
  const Config& config = context_.config;
  Result<void> usable = check_data_directory(config.volatile_directory, "volatile database directory");
  if (usable) usable = check_data_directory(config.persistent_directory, "persistent database directory");
  if (!usable) return usable;
  Result<std::unique_ptr<CommitWorkers>> commits = CommitWorkers::start(
      loop_, config.persistent_directory + "/commits.log", [this](uint64_t ticket, const std::string& error) {
        ++events_;
        obey_page();
        if (store_ != nullptr) store_->on_disk_done(ticket, error, loop_.now());
      });
  if (!commits) return fail(std::move(commits.error()));
  commits_ = std::move(*commits);
  if (!commits_->note().empty()) log(StoreLog::kWarning, commits_->note());
  files_ = make_tdb_files({.volatile_directory = config.volatile_directory,
                           .persistent_directory = config.persistent_directory,
                           .machine_restarted = commits_->machine_restarted(),
                           .pnn = config.pnn,
                           .mutexes = config.tdb_mutexes,
                           .gate = &gate_});
  if (Result<void> r = capture_.listen(capture_socket(config.run_directory, "ctdb-store")); !r) return r;
  capture_.keep_last(config, "ctdb-store");
  turn_page();
  loop_.on_terminate([this] { leave(); });
  loop_.add_flush_hook([this] { end_of_turn(); });
  loop_.add_idle_hook([this] { return work_a_slice(); });
  publish();
  link_.start();
  return {};
}

// ---- the router ----

Result<void> StoreShell::on_router_up(SetupMessage& reply) {
  if (reply.channels.size() != 1) return fail(ErrorCode::kInvalid, "the router handed out no channel");
  Result<std::unique_ptr<ChannelQueue>> channel = ChannelQueue::create(
      loop_, std::move(reply.channels[0]), ChannelSide::kClient, kRouterQueueBytesMax,
      [this](const Channel::Frame& frame) { on_router_frame(frame); },
      [this](const char* why) { link_.give_up(std::string("its channel is dead: ") + why); });
  if (!channel) return fail(std::move(channel.error()));
  router_ = std::move(*channel);
  if (store_ == nullptr) {
    StoreOptions options;
    options.pnn = context_.config.pnn;
    options.open_generation = reply.generation;
    options.prepared_generation = page_.prepared().generation;
    options.empty_handed = page_.prepared().empty_handed;
    options.copies = context_.config.copies;
    options.record_limits = context_.config.record_limits;
    options.first_transaction_id = static_cast<uint64_t>(wall_clock_ns());
    // Only here is this a StoreOutput.
    store_.reset(new Store(options, *files_, *this, commits_.get(), functions_.get()));
    if (page_.fence_unfinished()) store_->stop_serving(true, loop_.now());
  }
  ++events_;
  store_->on_router_up(loop_.now());
  tell_router(SetupKind::kKeeperReady, 0);
  kept_.router_is_back(
      reply.pid, {reply.endpoint == kKeepsClients, reply.uid == kKeepsChannels, reply.gid == kKeepsHalves});
  context_.service->ready();
  return {};
}

void StoreShell::on_router_frame(const Channel::Frame& frame) {
  ++events_;
  obey_page();
  const ConnectionFrame kind = connection_frame(frame.info.flags);
  if (!link_.up() && kind != ConnectionFrame::kPacket) return;  // its last words: answers for clients
  if (kind == ConnectionFrame::kCrowded || kind == ConnectionFrame::kRoomy)
    return store_->on_client_crowded(frame.info.endpoint, kind == ConnectionFrame::kCrowded);
  if (frame.info.flags != 0) return adopted_.on_router_frame(frame.info, frame.packet);
  hooks_.arrived(frame.packet);
  spin_.received(frame.packet);
  store_->on_router_packet(frame.info.endpoint, frame.packet, loop_.now());
}

void StoreShell::on_setup_message(SetupMessage& message) {
  ++events_;
  if (message.kind == SetupKind::kShutdown) {
    log_notice("the router was asked to shut this node down");
    loop_.stop();
  } else if (message.kind == SetupKind::kClientAttached && message.channels.size() == 1) {
    attach_client(message);
  } else if (message.kind == SetupKind::kClientDetached) {
    if (!kept_.forget(message.endpoint)) end_client(message.endpoint);
  } else if (message.kind == SetupKind::kClientNotes) {
    if (Result<void> taken = kept_.take_notes(std::move(message.descriptor)); !taken)
      log(StoreLog::kError, taken.error().text());
  } else if (message.kind == SetupKind::kHalfPackets) {
    if (Result<void> taken = kept_.take_halves(std::move(message.descriptor)); !taken)
      log(StoreLog::kError, taken.error().text());
  } else if (message.kind == SetupKind::kKeptClient) {
    kept_.keep(std::move(message));
  } else if (message.kind == SetupKind::kRecordStream) {
    streams_.adopt(message.endpoint, std::move(message.descriptor));
  } else if (message.kind == SetupKind::kRecordStreamEnd) {
    streams_.drop(message.endpoint);
  } else if (message.kind == SetupKind::kConnectionStates) {
    if (Result<void> shared = adopted_.share(std::move(message.descriptor)); !shared)
      log(StoreLog::kError, shared.error().text());
  } else if (message.kind == SetupKind::kClientConnection) {
    adopted_.adopt(message.endpoint, static_cast<uint16_t>(message.generation),
                   std::move(message.descriptor));
  } else if (message.kind == SetupKind::kKeeperWire && message.descriptor.valid()) {
    if (keeper_.hold(message.endpoint, std::move(message.descriptor)))
      tell_router(SetupKind::kKeeperWire, message.endpoint, message.generation);
  } else if (message.kind == SetupKind::kKeeperReady) {
    keeper_.ready(message.generation);
  } else {
    log_warning("the router sent a set-up message that is not for a store");
  }
}

void StoreShell::attach_client(SetupMessage& message) {
  const uint32_t endpoint = message.endpoint;
  if (clients_.contains(endpoint)) end_client(endpoint);  // of the last router, which this one has not taken
  Result<std::unique_ptr<ChannelQueue>> channel = ChannelQueue::create(
      loop_, std::move(message.channels[0]), ChannelSide::kServer, kClientSendQueueBytesMax,
      [this, endpoint](const Channel::Frame& frame) { on_client_frame(endpoint, frame); },
      [this, endpoint](const char* why) { cut_client(endpoint, why); });
  if (channel) {
    if (clients_held_) (*channel)->pause();
    clients_.insert_or_assign(endpoint, std::move(*channel));
  } else {
    log(StoreLog::kError,
        "client " + std::to_string(endpoint) + " has no channel here: " + channel.error().text());
  }
}

void StoreShell::on_client_frame(uint32_t endpoint, const Channel::Frame& frame) {
  ++events_;
  if (check_header(frame.packet) != HeaderFault::kNone) return cut_client(endpoint, "it sent no packet");
  obey_page();
  capture_.copy(CaptureLink::kNativeClient, false, 0, endpoint, frame.packet);
  store_->on_client_packet(endpoint, frame.packet, loop_.now());
}

// Reads what a native client has left to be known (ring_layout.h).
void StoreShell::end_client(uint32_t endpoint) {
  const auto found = clients_.find(endpoint);
  if (found == clients_.end()) return store_->on_client_gone(endpoint, loop_.now());
  const DeathNotes& notes = found->second->peer_notes();
  if (const uint32_t thread = notes.lock_word & FUTEX_TID_MASK; thread != 0) {
    if (ended_threads_.size() < kEndedThreadsKept) ended_threads_.resize(kEndedThreadsKept);
    ended_threads_[ended_next_++ % kEndedThreadsKept] = thread;
  }
  const uint32_t changing = notes.changing_db;
  clients_.erase(found);
  store_->on_client_gone(endpoint, loop_.now(), changing);
}

bool StoreShell::is_native_thread(uint32_t thread) const {
  const auto is_its = [thread](const auto& client) {
    return (client.second->peer_notes().lock_word & FUTEX_TID_MASK) == thread;
  };
  return std::ranges::find(ended_threads_, thread) != ended_threads_.end() ||
         std::ranges::any_of(clients_, is_its);
}

// The router ends its connection, so that it learns that no answer will come.
void StoreShell::cut_client(uint32_t endpoint, const char* why) {
  if (!clients_.contains(endpoint)) return;
  ++clients_cut_;
  ++events_;
  log_notice("client " + std::to_string(endpoint) + " is cut off: " + why);
  end_client(endpoint);
  tell_router(SetupKind::kClientDetached, endpoint);
}

void StoreShell::tell_router(SetupKind kind, uint32_t endpoint, uint32_t number) {
  SetupMessage message;
  message.kind = kind;
  message.endpoint = endpoint;
  message.generation = number;
  link_.send(std::move(message));
}

PeerStreams::Handlers StoreShell::stream_handlers() {
  return {[this](uint32_t pnn, MutableBytes packet) {
            ++events_;
            obey_page();
            hooks_.arrived(packet);
            spin_.received(packet);
            capture_.copy(CaptureLink::kRecordStream, false, pnn, 0, packet);
            store_->on_router_packet(0, packet, loop_.now());
          },
          [this](uint32_t pnn, const std::string& why) {
            ++events_;
            log_notice("record stream to node " + std::to_string(pnn) + " has ended: " + why);
            tell_router(SetupKind::kRecordStreamEnd, pnn);
          },
          [this](uint32_t pnn) { tell_router(SetupKind::kRenewSession, pnn); },
          [this] { return store_ == nullptr ? CTDB_INVALID_GENERATION : store_->generation(); }};
}

AdoptedClients::Handlers StoreShell::adopted_handlers() {
  return {[this](uint32_t endpoint, MutableBytes packet) {
            ++events_;
            obey_page();
            capture_.copy(CaptureLink::kClassicClient, false, 0, endpoint, packet);
            store_->on_client_packet(endpoint, packet, loop_.now());
          },
          [this](FrameInfo info, ByteView packet) {
            if (router_ != nullptr) router_->send(info, packet);
          },
          [this] { return router_ == nullptr || router_->all_in_ring(); }};
}

void StoreShell::on_router_down() {
  ++events_;
  router_->drain_last();
  adopted_.write();
  kept_.router_is_gone(adopted_);
  if (!page_.keeper_on_duty()) kept_.nobody_fences();
  const Endpoints staying = kept_.natives();
  std::vector<uint32_t> ended;
  for (const auto& [endpoint, client] : clients_) {
    if (!staying.contains(endpoint)) ended.push_back(endpoint);
  }
  for (const uint32_t endpoint : ended) end_client(endpoint);
  adopted_.drop_all();
  streams_.drop_all();
  router_.reset();
  store_->on_router_down(loop_.now(), staying);
}

// ---- StoreOutput ----

void StoreShell::to_router(uint32_t endpoint, ByteView packet) {
  if (endpoint == 0) {
    const uint32_t node = read_header(packet).destnode;
    const PeerStreams::Way way = streams_.send(node, packet);
    spin_.sent(packet);
    if (way == PeerStreams::Way::kSent) capture_.copy(CaptureLink::kRecordStream, true, node, 0, packet);
    if (way != PeerStreams::Way::kRouter) return;
  }
  if (router_ != nullptr) router_->send({endpoint, 0}, packet);
}

void StoreShell::to_client(uint32_t endpoint, ByteView packet) {
  if (adopted_.answer(endpoint, packet)) {
    capture_.copy(CaptureLink::kClassicClient, true, 0, endpoint, packet);
  } else if (const auto found = clients_.find(endpoint); found != clients_.end()) {
    found->second->send({}, packet);
    capture_.copy(CaptureLink::kNativeClient, true, 0, endpoint, packet);
  }
}

void StoreShell::lock_chain(uint64_t ticket, const RecordFile& file, ByteView key) {
  workers_->lock(ticket, file.path(), file.open_flags(), key);
}

void StoreShell::unlock_chain(uint64_t ticket) {
  workers_->unlock(ticket);
}

bool StoreShell::congested() const {
  const size_t to_router = router_ == nullptr ? 0 : router_->queued_bytes();
  return std::max(to_router, streams_.queued_bytes()) > kLinkQueueHighWaterBytes;
}

void StoreShell::log(StoreLog level, const std::string& text) {
  switch (level) {
    case StoreLog::kError:
      context_.counters->error(text, wall_clock_ns());
      return log_error(text);
    case StoreLog::kWarning:
      return log_warning(text);
    case StoreLog::kInfo:
      return log_info(text);
  }
}

// ---- the node page ----

// It goes on duty when the router has handed it the wires of all links.
void StoreShell::on_new_keeper() {
  tell_router(SetupKind::kKeeperReady, 0);
}

void StoreShell::stop_serving() {
  const bool fenced = gate_.shut();
  gate_.known = page_.fence_begun();
  if (store_ != nullptr) store_->stop_serving(fenced, loop_.now());
}

// Shows that the loop turns, and is there when the lease ends.
void StoreShell::turn_page() {
  const TimeNs now = loop_.now();
  page_.beat(now);
  obey_page();
  const TimeNs lease = page_.serve_until();
  const TimeNs next = now + kBeatInterval;
  page_timer_ = loop_.at(lease > now ? std::min(lease, next) : next, [this] { turn_page(); });
}

// ---- the end ----

// A second request ends it at once.
void StoreShell::leave() {
  if (leaving_since_ != 0 || store_ == nullptr) return loop_.stop();
  leaving_since_ = loop_.now();
  go_on_leaving();
}

void StoreShell::go_on_leaving() {
  const TimeNs now = loop_.now();
  ++events_;
  obey_page();
  const bool done = !link_.up() || store_->hand_over(now);
  if (now - leaving_since_ > kLeavingMax) return left();
  gave_records_ = gave_records_ || !done;
  if (!done) clean_since_ = 0;
  if (done && clean_since_ == 0) clean_since_ = now;
  if (done && (!gave_records_ || now - clean_since_ >= kFarewell)) return left();
  loop_.at(now + kLeavingStep, [this] { go_on_leaving(); });
}

// Says what became of the records, in the log and in `systemctl status`.
void StoreShell::left() {
  const StoreCounts& counts = store_->counts();
  const uint64_t left = counts.hand_over_left;
  const uint64_t handed = counts.hand_over_begun - std::min(counts.hand_over_begun, left);
  if (gave_records_) {
    const std::string records = std::to_string(handed) + (handed == 1 ? " record" : " records");
    const TimeNs took = (clean_since_ != 0 ? clean_since_ : loop_.now()) - leaving_since_;
    const std::string said =
        "handed over " + records + " to other nodes in " + std::to_string(took / kMillisecond) + " ms";
    if (left == 0) {
      log_notice(said);
    } else {
      log_warning(
          said + ", not the other " + std::to_string(left) +
          " (a client has them locked, or a node does not answer): the others take the copies they have");
    }
    context_.service->note(said + (left == 0 ? "" : ", not " + std::to_string(left)));
  }
  loop_.stop();
}

// ---- time and counters ----

// What they send would end in the same queues; or would bring back what is being given away. Calls of clients whose connection is with the router are bounded by number
// and size, in the core.
void StoreShell::hold_clients_back() {
  const bool hold = congested() || leaving_since_ != 0;
  if (hold == clients_held_) return;
  clients_held_ = hold;
  adopted_.hold(hold);
  for (auto& [endpoint, client] : clients_) {
    if (hold) {
      client->pause();
    } else {
      client->resume();
    }
  }
}

void StoreShell::end_of_turn() {
  streams_.flush();
  adopted_.flush();
  hold_clients_back();
  set_tick_timer();
  publish_pace_.end_of_turn(events_);
}

void StoreShell::set_tick_timer() {
  const TimeNs deadline = store_ == nullptr ? kNever : store_->next_deadline();
  if (deadline == tick_at_) return;
  loop_.cancel(tick_timer_);
  tick_timer_ = 0;
  tick_at_ = deadline;
  if (deadline == kNever) return;
  tick_timer_ = loop_.at(deadline, [this] {
    tick_at_ = kNever;
    ++events_;
    obey_page();
    store_->tick(loop_.now());
  });
}

bool StoreShell::work_a_slice() {
  if (store_ == nullptr || !store_->has_work()) return false;
  ++events_;
  obey_page();
  store_->work(loop_.now());
  return store_->has_work();
}

void StoreShell::publish() {
  Counters& counters = *context_.counters;
  counters.set(Counter::store_wakeups, loop_.wakeups());
  counters.set(Counter::store_clients_cut, clients_cut_);
  if (store_ != nullptr) {
    const StoreCounts& counts = store_->counts();
#define CTDB_PUBLISH(name) counters.set(Counter::store_##name, counts.name);
    CTDB_STORE_COUNTS(CTDB_PUBLISH)
#undef CTDB_PUBLISH
  }
  std::string status = status_text();
  if (status == status_) return;
  context_.service->status(status);
  counters.set_status(status);
  status_ = std::move(status);
}

// "open, generation 7; 12 databases, 3 native clients"
std::string StoreShell::status_text() const {
  if (store_ == nullptr) return "no router yet";
  std::string text = link_.up() ? phase_name(store_->phase()) : "no router";
  if (store_->generation() != CTDB_INVALID_GENERATION) {
    text += ", generation " + std::to_string(store_->generation());
  }
  text += "; " + std::to_string(store_->counts().databases) + " databases, " +
          std::to_string(clients_.size()) + " native clients";
  if (adopted_.size() > 0) text += ", " + std::to_string(adopted_.size()) + " connections of classic clients";
  const std::vector<uint32_t> nodes = streams_.nodes();
  if (!nodes.empty()) text += "; streams to";
  for (uint32_t node : nodes) text += " " + std::to_string(node);
  return text;
}

}  // namespace ctdb
