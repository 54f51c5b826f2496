// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-recoveryd/shell.h"

#include <sys/random.h>
#include <time.h>

#include <iterator>

#include "libctdbipc/runtime/data_directory.h"
#include "libctdbipc/runtime/log.h"

namespace ctdb {
namespace {

constexpr size_t kQueueBytesMax = 64u << 20;

RecoverydOptions options_of(const Config& config) {
  RecoverydOptions options;
  options.pnn = config.pnn;
  options.nodes = node_list(config.nodes);
  options.majority_quorum = config.quorum == Quorum::kMajority;
  options.lock_quorum = config.quorum == Quorum::kLock;
  options.leader_capability = config.leader_capability;
  options.lmaster_capability = config.lmaster_capability;
  options.start_as_stopped = config.start_as_stopped;
  options.start_as_disabled = config.start_as_disabled;
  options.cluster_lock = config.cluster_lock;
  options.lock_register = config.lock_register;
  options.timing.client_grace = config.client_grace == 0 ? kNever : config.client_grace * kSecond;
  return options;
}

uint64_t random_seed() {
  uint64_t seed = 0;
  if (getrandom(&seed, sizeof seed, 0) != sizeof seed) seed = static_cast<uint64_t>(time(nullptr));
  return seed;
}

const char* runstate_name(uint32_t runstate) {
  static const char* const kNames[] = {"UNKNOWN", "INIT",    "SETUP",   "FIRST_RECOVERY",
                                       "STARTUP", "RUNNING", "SHUTDOWN"};
  return runstate < std::size(kNames) ? kNames[runstate] : "UNKNOWN";
}

std::string status_line(const ClusterState& state) {
  std::string text = runstate_name(state.runstate);
  const bool said = state.reason.rfind("no leader", 0) == 0;  // and why
  if (said) return text + ", " + state.reason;
  text += state.leader == CTDB_UNKNOWN_PNN ? ", no leader" : ", leader " + std::to_string(state.leader);
  if (state.generation != CTDB_INVALID_GENERATION) text += ", generation " + std::to_string(state.generation);
  if (!state.reason.empty()) text += ": " + state.reason;
  return text;
}

}  // namespace

RecoverydShell::RecoverydShell(DaemonContext& context, StateFile file)
    : context_(context),
      loop_(*context.loop),
      file_(std::move(file)),
      lock_(context.config, loop_,
            {[this](LockState state, const std::string& why) {
               ++events_;
               core_->on_lock(state, why, loop_.now());
             },
             [this](const RegisterAnswer& answer) {
               ++events_;
               core_->on_register(answer, loop_.now());
             }}),
      link_(loop_, context.config.setup_socket_path, DaemonRole::kRecoveryd, context.config.pnn,
            {[this](SetupMessage& reply) { return on_router_up(reply); },
             [this](SetupMessage& message) { on_setup_message(message); }, [this] { on_router_down(); }}) {}

Result<std::unique_ptr<RecoverydShell>> RecoverydShell::create(DaemonContext& context) {
  if (Result<void> made = check_data_directory(context.config.state_directory, "state database directory");
      !made)
    return fail(std::move(made.error()));
  Result<StateFile> file = StateFile::open(context.config.state_directory, "recoveryd.state");
  if (!file) return fail(std::move(file.error()));
  auto shell = std::unique_ptr<RecoverydShell>(new RecoverydShell(context, std::move(*file)));
  shell->start();
  return shell;
}

void RecoverydShell::start() {
  if (file_.damaged()) log_error(file_.path() + " is damaged; it is kept as " + file_.path() + ".damaged");
  random_ = std::make_unique<Random>(random_seed());
  core_ = std::make_unique<ClusterNode>(options_of(context_.config), *random_, *this, file_.contents(),
                                        loop_.now());
  loop_.add_flush_hook([this] { end_of_turn(); });
  publish_counters();
  link_.start();
}

// ---- the router ----

Result<void> RecoverydShell::on_router_up(SetupMessage& reply) {
  std::vector<ChannelFds>& channels = reply.channels;
  if (channels.size() != 2) return fail(ErrorCode::kInvalid, "the router handed out no two channels");
  ++connections_;
  // The loop drains channels in the order they came: what is urgent first.
  Result<std::unique_ptr<ChannelQueue>> control =
      open_channel(std::move(channels[1]), RecoverydLane::kControl);
  if (!control) return fail(std::move(control.error()));
  Result<std::unique_ptr<ChannelQueue>> data = open_channel(std::move(channels[0]), RecoverydLane::kData);
  if (!data) return fail(std::move(data.error()));
  control_ = std::move(*control);
  data_ = std::move(*data);
  ++events_;
  core_->on_router_up(loop_.now());
  context_.service->ready();
  return {};
}

Result<std::unique_ptr<ChannelQueue>> RecoverydShell::open_channel(ChannelFds fds, RecoverydLane lane) {
  const auto on_frame = [this, lane](const Channel::Frame& frame) {
    ++events_;
    hooks_.arrived(frame.packet);
    core_->on_packet(lane, frame.info.endpoint, frame.packet, loop_.now());
  };
  const auto on_dead = [this, connection = connections_](const char* why) {
    if (connection == connections_) link_.give_up(std::string("its channel is dead: ") + why);
  };
  return ChannelQueue::create(loop_, std::move(fds), ChannelSide::kClient, kQueueBytesMax, on_frame, on_dead);
}

// The router has nothing else to say to recoveryd; newer ones may.
void RecoverydShell::on_setup_message(const SetupMessage& message) {
  if (message.kind != SetupKind::kShutdown) return;
  log_notice("the router was asked to shut this node down");
  loop_.stop();
}

void RecoverydShell::on_router_down() {
  control_.reset();
  data_.reset();
  ++events_;
  core_->on_router_down(loop_.now());
}

// ---- RecoverydOutput ----

void RecoverydShell::to_router(RecoverydLane lane, uint32_t endpoint, ByteView packet) {
  ChannelQueue* channel = lane == RecoverydLane::kControl ? control_.get() : data_.get();
  if (channel != nullptr) channel->send({endpoint, 0}, packet);
}

bool RecoverydShell::persist(ByteView bytes) {
  Result<void> written = file_.replace(bytes);
  if (written) return true;
  context_.counters->error(written.error().text(), wall_clock_ns());
  log_error(written.error().text());
  return false;
}

// An extension needs no bell: the keeper looks again when the lease it knows is over.
bool RecoverydShell::set_serve_until(TimeNs before, TimeNs when) {
  if (!context_.node_page->change_serve_until(before, when)) return false;
  if (before == 0 || when < before)
    (void)connect_unix(context_.config.keeper_socket_path());  // that somebody connects is all it need know
  return true;
}

int64_t RecoverydShell::wall_clock_ns() {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec * kSecond + now.tv_nsec;
}

void RecoverydShell::log(RecoverydLog level, const std::string& text) {
  switch (level) {
    case RecoverydLog::kError:
      return log_error(text);
    case RecoverydLog::kWarning:
      return log_warning(text);
    case RecoverydLog::kNotice:
      return log_notice(text);
    case RecoverydLog::kInfo:
      return log_info(text);
  }
}

// ---- time and counters ----

void RecoverydShell::end_of_turn() {
  const TimeNs deadline = core_->next_deadline();
  if (deadline != timer_deadline_) {
    loop_.cancel(timer_);
    timer_ = 0;
    timer_deadline_ = deadline;
    if (deadline != kNever) {
      timer_ = loop_.at(deadline, [this] {
        timer_deadline_ = kNever;
        ++events_;
        core_->tick(loop_.now());
      });
    }
  }
  if (events_ != published_) publish_counters();
}

void RecoverydShell::publish_counters() {
  published_ = events_;
  Counters& counters = *context_.counters;
  const ClusterState& state = core_->state();
  const RecoverydCounts& counts = core_->counts();
  counters.set(Counter::recoveryd_wakeups, loop_.wakeups());
  counters.set(Counter::recoveryd_generation, core_->open_generation());
  counters.set(Counter::recoveryd_leader, state.leader);
  counters.set(Counter::recoveryd_term, state.term);
  counters.set(Counter::recoveryd_recovery_mode, state.recovery_mode);
  counters.set(Counter::recoveryd_runstate, state.runstate);
  counters.set(Counter::recoveryd_members, state.members.size());
  const QuorumView quorum = core_->quorum();
  counters.set(Counter::recoveryd_voters, quorum.voters);
  counters.set(Counter::recoveryd_voters_reachable, quorum.reachable);
  counters.set(Counter::recoveryd_votes_needed, quorum.needed);
  counters.set(Counter::recoveryd_recoveries, counts.recoveries);
  counters.set(Counter::recoveryd_recovery_last_us,
               static_cast<uint64_t>(counts.last_recovery / kMicrosecond));
  counters.set(Counter::recoveryd_elections, counts.elections);
  counters.set(Counter::recoveryd_refused, counts.refused);
  const std::string status = status_line(state);
  counters.set_status(status);
  context_.service->status(status);
}

}  // namespace ctdb
