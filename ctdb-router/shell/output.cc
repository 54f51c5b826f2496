// SPDX-License-Identifier: GPL-3.0-or-later
// The router core's output, and what the shell tells people: counters and status.
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "ctdb-router/shell/shell.h"
#include "libctdbipc/runtime/log.h"
#include "libctdbipc/runtime/settings.h"

namespace ctdb {
namespace {

// The answer to the control that asked for it must leave before the links or the process go.
constexpr const char* kShutDownText =
    "shut down on request (ctdb shutdown); 'systemctl start ctdb.target' begins this node again";
constexpr TimeNs kFarewell = 20 * kMillisecond;

uint64_t memory_bytes() {
  FILE* file = std::fopen("/proc/self/statm", "re");
  if (file == nullptr) return 0;
  unsigned long total = 0;
  unsigned long resident = 0;
  const int read = std::fscanf(file, "%lu %lu", &total, &resident);
  std::fclose(file);
  return read == 2 ? resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE)) : 0;
}

}  // namespace

void RouterShell::to_client(uint32_t client, ByteView packet) {
  if (native_.send(client, packet)) {
    capture_.copy(CaptureLink::kNativeClient, true, 0, client, packet);
  } else if (classic_.send(client, packet)) {
    capture_.copy(CaptureLink::kClassicClient, true, 0, client, packet);
  }
  if (router_->traverses_run()) look_for_crowd(client);
}

// A client that does not read its records makes the nodes rest that send them, not this process grow.
void RouterShell::look_for_crowd(uint32_t client) {
  if (queued_bytes(client) < kClientCrowdedBytes || std::ranges::find(crowded_, client) != crowded_.end())
    return;
  crowded_.push_back(client);
  tell_store_of_crowd(client, ConnectionFrame::kCrowded);
}

void RouterShell::look_for_room() {
  std::erase_if(crowded_, [this](uint32_t client) {
    if (queued_bytes(client) > kClientCrowdedBytes / 4) return false;
    tell_store_of_crowd(client, ConnectionFrame::kRoomy);
    return true;
  });
}

void RouterShell::tell_store_of_crowd(uint32_t client, ConnectionFrame kind) {
  const uint8_t nothing[8] = {};
  daemons_.to_store({client, connection_flags(kind, 0)}, nothing);
}

bool RouterShell::to_native_client(uint32_t client, ByteView packet) {
  if (!native_.send(client, packet)) return false;
  capture_.copy(CaptureLink::kNativeClient, true, 0, client, packet);
  return true;
}

bool RouterShell::to_store(uint32_t endpoint, ByteView packet) {
  capture_.copy(CaptureLink::kStore, true, 0, endpoint, packet);
  return daemons_.to_store({endpoint, 0}, packet);
}

bool RouterShell::to_recoveryd(Lane lane, uint32_t endpoint, ByteView packet) {
  capture_.copy(CaptureLink::kRecoveryd, true, 0, endpoint, packet);
  return daemons_.to_recoveryd(lane, endpoint, packet);
}

CaptureLink RouterShell::way_of_link() const {
  return transport_->carried_by() == LinkKind::kVerbs ? CaptureLink::kVerbsLink : CaptureLink::kLink;
}

bool RouterShell::to_link(uint32_t pnn, Lane lane, ByteView packet) {
  if (!transport_->send(pnn, lane, packet)) return false;
  if (lane == Lane::kData) spin_.sent(packet);
  capture_.copy(way_of_link(), true, pnn, 0, packet);
  return true;
}

// Not at once: a client that goes is an event, and this is called from inside the core.
void RouterShell::close_client(uint32_t client) {
  loop_.at(loop_.now(), [this, client] {
    classic_.close(client, "its process is looked for on a node that is not active");
    native_.close(client, "its process is looked for on a node that is not active");
  });
}

void RouterShell::close_classic_clients() {
  loop_.at(loop_.now(), [this] { classic_.close_all("nobody on this node can take its records away"); });
}

// Not at once: links that go down are events, and this is called from inside the core.
void RouterShell::set_quiet(bool quiet) {
  loop_.at(loop_.now() + kFarewell, [this, quiet] {
    ++changes_;
    quiet_ = quiet;
    transport_->set_quiet(quiet);
  });
}

void RouterShell::shutdown() {
  log_notice("shutdown was asked for: this node stops");
  context_.exit_status = kExitShutDown;
  context_.why_ended = kShutDownText;
  loop_.at(loop_.now() + kFarewell, [this] {
    daemons_.shutdown();
    loop_.stop();
  });
}

int RouterShell::log_level() {
  return static_cast<int>(ctdb::log_level());
}

void RouterShell::set_log_level(int level) {
  log_set_level(static_cast<LogLevel>(level));
  log_notice("log level set to " + std::to_string(level));
}

std::vector<LinkReport> RouterShell::links() {
  std::vector<LinkReport> out;
  for (const uint32_t pnn : numbers_of(peers_)) out.push_back(transport_->report(pnn));
  return out;
}

std::string RouterShell::settings() {
  std::string text = noted_settings(context_.config, context_.name);
  if (daemons_.store_up()) text += noted_settings(context_.config, "ctdb-store");
  if (daemons_.recoveryd_up()) text += noted_settings(context_.config, "ctdb-recoveryd");
  return text;
}

OutsideFigures RouterShell::figures() {
  OutsideFigures out;
  if (Result<CountersSnapshot> store = read_counters(context_.config.counters_path("ctdb-store")); store) {
    out.calls = store->value(Counter::store_calls);
    out.calls_pending = store->value(Counter::store_calls_pending);
    out.locks_busy = store->value(Counter::store_locks_busy);
    out.lock_waiters = store->value(Counter::store_lock_waiters);
    out.hops_max = store->value(Counter::store_hops_max);
  }
  if (Result<CountersSnapshot> recoveryd = read_counters(context_.config.counters_path("ctdb-recoveryd"));
      recoveryd) {
    out.recoveries = recoveryd->value(Counter::recoveryd_recoveries);
  }
  out.calls_elsewhere = classic_.take_calls_elsewhere();
  out.keepalives_in = transport_->figures().keepalives_in;
  out.keepalives_out = transport_->figures().keepalives_out;
  out.memory_bytes = memory_bytes();
  return out;
}

std::string RouterShell::nodes_file(std::vector<RouterNode>& nodes) {
  std::vector<ConfigProblem> problems;
  const Result<std::vector<NodeAddress>> read = load_nodes(context_.config.nodes_file, problems);
  if (!read) return problems.empty() ? read.error().text() : problems.front().format();
  nodes = router_nodes(*read, context_.config.port);
  return "";
}

std::string RouterShell::edit_nodes_file(const EditNodes& edit) {
  const std::string& file = context_.config.nodes_file;
  const Result<std::string> text = read_config_file(file);
  if (!text) return text.error().text();
  std::vector<ConfigProblem> problems;
  const Result<std::vector<NodeAddress>> now = parse_nodes(file, *text, problems);
  if (!now) return problems.empty() ? now.error().text() : problems.front().format();
  if (node_list_digest(node_list(*now)) != edit.digest)
    return file + " was changed and is not in use yet: reload it";
  const Result<std::string> changed = edit_nodes(*text, {edit.add, edit.pnn, edit.address, edit.witness});
  if (!changed) return changed.error().context;
  return edit.write ? write_nodes_file(edit, *changed) : "";
}

// In a thread: a disk may take seconds, and heart-beats go through this loop.
std::string RouterShell::write_nodes_file(const EditNodes& edit, const std::string& text) {
  if (disk_ == nullptr) {
    Result<std::unique_ptr<WorkThread>> thread = WorkThread::start(loop_, "to write the nodes file");
    if (!thread) return thread.error().text();
    disk_ = std::move(*thread);
  }
  const std::string file = context_.config.nodes_file;
  const std::string done = file + ": node " + std::to_string(edit.pnn) + (edit.add ? " added" : " removed");
  disk_->run(
      [file, text] {
        const Result<void> written = replace_nodes_file(file, text);
        return written ? std::string() : written.error().text();
      },
      [this, done](const std::string& wrong) {
        if (wrong.empty()) log_notice(done);
        router_->on_nodes_file_edited(wrong);
      });
  return "";
}

// Not at once, as above.
void RouterShell::set_peers(const NodeList& peers) {
  peers_ = peers;
  if (linked_.size() < peers_.size()) linked_.resize(peers_.size());
  loop_.at(loop_.now(), [this] {
    ++changes_;
    transport_->set_peers(peers_);
  });
}

int64_t RouterShell::wall_clock_ns() {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec * kSecond + now.tv_nsec;
}

void RouterShell::log(const std::string& text) {
  log_notice(text);
}

void RouterShell::publish() {
  router_->on_calls_elsewhere(classic_.take_calls_elsewhere());
  ShellFigures shell;
  shell.wakeups = loop_.wakeups();
  for (const bool linked : linked_) shell.links_up += linked ? 1 : 0;
  shell.clients_cut = classic_.cut() + native_.cut();
  shell.skipped_packets = classic_.skipped();
  publisher_.put(*router_, transport_->figures(), shell);
  const std::string status = status_text();
  publisher_.put_status(status);
  context_.service->status(status);
}

// "links to 1 2, no link to 3; ctdb-store connected; ctdb-recoveryd missing". Why a node is not linked stands behind its number when
// one of the two refuses the other: that does not pass by itself.
std::string RouterShell::status_text() const {
  std::string up;
  std::string down;
  for (const uint32_t pnn : numbers_of(peers_)) {
    (linked_[pnn] ? up : down) += " " + std::to_string(pnn);
    if (const std::string why = transport_->refusal(pnn); !why.empty()) down += " (" + why + ")";
  }
  std::string text = quiet_ ? "quiet: links closed on request" : "";
  if (!quiet_ && up.empty() && down.empty()) text = "single node";
  if (!quiet_ && !up.empty()) text = "links to" + up;
  if (!quiet_ && !down.empty()) text += (text.empty() ? "no link to" : ", no link to") + down;
  text += daemons_.store_up() ? "; ctdb-store connected" : "; ctdb-store missing";
  text += daemons_.recoveryd_up() ? "; ctdb-recoveryd connected" : "; ctdb-recoveryd missing";
  return text;
}

}  // namespace ctdb
