// SPDX-License-Identifier: GPL-3.0-or-later
// Rise and fall: what the two sides tell each other by TCP. Chunks: verbs_link_chunks.cc.
#include "ctdb-router/transport/verbs/verbs_link.h"

#include <algorithm>
#include <utility>

#include "libctdbipc/base/limits.h"
#include "libctdbipc/base/printable.h"

namespace ctdb {
namespace {

constexpr TimeNs kRetryFirst = 100 * kMillisecond;
constexpr TimeNs kRetryAfterFall = 5 * kSecond;
constexpr TimeNs kRetryAfterRefusal = 60 * kSecond;
// How long record packets go through the router because an offer may be accepted.
constexpr TimeNs kStreamAfterOffer = 2 * kSecond;
// For VERBS_DOWN. Checks are counted, as with the heart-beat.
constexpr TimeNs kDownCheckInterval = kSecond;
constexpr int kDownChecksMax = 5;

constexpr uint32_t kNumberMax = (1u << 24) - 1;  // of queue pairs and packet sequence numbers
constexpr uint32_t kMtuCodeMax = 5;
constexpr uint32_t kLidMax = 0xbfff;  // above are multicast groups
constexpr uint32_t kWindowMin = 4, kWindowMax = 65536;
constexpr uint32_t kTheirChunkMin = 256, kTheirChunkMax = 1u << 20;

// What is impossible about it; nullptr: nothing.
const char* impossible(const QueuePair& theirs) {
  if (theirs.number == 0 || theirs.number > kNumberMax) return "an impossible queue pair number";
  if (theirs.first_psn > kNumberMax) return "an impossible packet sequence number";
  if (theirs.mtu < 1 || theirs.mtu > kMtuCodeMax) return "an impossible MTU";
  if (theirs.window < kWindowMin || theirs.window > kWindowMax)
    return "an impossible number of receive buffers";
  if (theirs.chunk_bytes < kTheirChunkMin || theirs.chunk_bytes > kTheirChunkMax)
    return "an impossible size of receive buffers";
  if (theirs.lid > kLidMax) return "an impossible LID";
  if (theirs.lid == 0 && theirs.gid == Gid{}) return "no address";
  return nullptr;
}

std::string their(const std::string& reason) {
  return "the other side says: " + quoted(reason);
}

}  // namespace

void VerbsLink::on_up(bool offers, bool able, TimeNs now) {
  phase_ = Phase::kTcp;
  offers_ = offers;
  attempt_ = 0;
  since_ = now;
  retry_delay_ = kRetryFirst;
  next_try_ = offers && able ? now : kNever;
  stream_at_ = records_ && offers && able ? now + kStreamAfterOffer : 0;
  why_ = !able    ? "the other side runs a version that has no verbs"
         : offers ? "not tried yet"
                  : "the other side has not offered it yet";
}

void VerbsLink::on_down(TimeNs now) {
  if (phase_ >= Phase::kOffered && phase_ <= Phase::kVerbs) out_.drop_queue_pair();
  phase_ = Phase::kNoLink;
  since_ = now;
  next_try_ = next_check_ = kNever;
}

bool VerbsLink::on_told(Operation operation, ByteView payload, TimeNs now) {
  if (phase_ == Phase::kNoLink) return false;
  switch (operation) {
    case Operation::VERBS_OFFER:
      return on_offer(payload, now);
    case Operation::VERBS_ACCEPT:
      return on_accept(payload, now);
    case Operation::VERBS_SWITCH:
      return on_switch(payload, now);
    case Operation::VERBS_DOWN:
      return on_told_down(payload, now);
    default:
      return false;
  }
}

// ---- rise ----

void VerbsLink::tick(TimeNs now) {
  if (phase_ == Phase::kTcp && now >= next_try_) offer(now);
  if (stream_at_ != kNever && now >= stream_at_) stream_at_ = 0;
  if (phase_ == Phase::kVerbs && now >= next_check_) heartbeat(now);
  if (phase_ == Phase::kFallen && now >= next_check_) wait_for_down(now);
}

TimeNs VerbsLink::next_deadline() const {
  if (phase_ == Phase::kVerbs) return next_check_;
  const TimeNs stream = phase_ == Phase::kNoLink || stream_at_ == 0 ? kNever : stream_at_;
  if (phase_ == Phase::kFallen) return std::min(next_check_, stream);
  return phase_ == Phase::kTcp ? std::min(next_try_, stream) : stream;
}

void VerbsLink::try_again(TimeNs now) {
  if (phase_ != Phase::kTcp || !offers_) return;
  retry_delay_ = kRetryFirst;
  next_try_ = now;
}

// Everything of an attempt begins anew.
Result<void> VerbsLink::begin() {
  Result<QueuePair> made = out_.make_queue_pair();
  if (!made) return fail(std::move(made.error()));
  mine_ = *made;
  mine_.attempt = attempt_;
  packets_.clear();
  reader_.emplace(FrameReader::Policy::kLink, kPacketBytesMax);
  posted_ = sent_ = arrived_ = consumed_ = received_ = 0;
  told_ = kChunkWindow;
  switched_ = posted_since_check_ = false;
  pong_due_.reset();
  ping_sent_ = 0;
  sent_at_check_ = 0;
  checks_ = 0;
  return {};
}

Result<void> VerbsLink::connect(const QueuePair& theirs) {
  if (const char* fault = impossible(theirs); fault != nullptr)
    return fail(ErrorCode::kRefused, std::string("the other side announced ") + fault);
  limit_ = their_window_ = theirs.window;
  payload_max_ = std::min<size_t>(theirs.chunk_bytes, kChunkBytes) - kChunkHeaderBytes;
  why_ = "its queue pair is being connected";
  return out_.connect(theirs);
}

void VerbsLink::offer(TimeNs now) {
  ++attempt_;
  ++attempts_;
  // A stream that is there already stays until verbs have risen: the offer may be refused.
  if (stream_at_ != 0) stream_at_ = std::max(stream_at_, now + kStreamAfterOffer);
  const Result<void> begun = begin();
  if (begun) {
    phase_ = Phase::kOffered;
    return out_.tell(Lane::kControl, Operation::VERBS_OFFER, mine_.encode());
  }
  if (begun.error().code != ErrorCode::kTimeout) retry_delay_ = kRetryAfterRefusal;
  refused(begun.error().text(), now);
  out_.tell(Lane::kControl, Operation::VERBS_DOWN, VerbsDown{0, 0, why_}.encode());
}

bool VerbsLink::on_offer(ByteView payload, TimeNs now) {
  const std::optional<QueuePair> theirs = QueuePair::decode(payload);
  if (!theirs || offers_ || phase_ != Phase::kTcp || theirs->attempt <= attempt_) return false;
  attempt_ = theirs->attempt;
  ++attempts_;
  if (const Result<void> begun = begin(); !begun) {
    refuse(begun.error().text(), now);
  } else if (const Result<void> connects = connect(*theirs); !connects) {
    out_.drop_queue_pair();
    refuse(connects.error().text(), now);
  } else {
    phase_ = Phase::kAccepting;
  }
  return true;
}

bool VerbsLink::on_accept(ByteView payload, TimeNs now) {
  const std::optional<QueuePair> theirs = QueuePair::decode(payload);
  if (!theirs || !offers_ || theirs->attempt != attempt_) return false;
  if (phase_ == Phase::kFallen) return true;  // it crossed our VERBS_DOWN
  if (phase_ != Phase::kOffered) return false;
  if (const Result<void> connects = connect(*theirs); !connects) {
    fall(connects.error().text(), now);
  } else {
    phase_ = Phase::kConnecting;
  }
  return true;
}

void VerbsLink::on_connected(const std::string& why_not, TimeNs now) {
  if (phase_ == Phase::kConnecting) return why_not.empty() ? switch_over(now) : fall(why_not, now);
  if (phase_ != Phase::kAccepting) return;
  if (!why_not.empty()) return fall(why_not, now);
  phase_ = Phase::kAccepted;
  why_ = "the other side has not changed over yet";
  out_.tell(Lane::kControl, Operation::VERBS_ACCEPT, mine_.encode());
}

// The other side's queue pair is ready to receive.
void VerbsLink::switch_over(TimeNs now) {
  out_.tell(Lane::kData, Operation::VERBS_SWITCH, VerbsSwitch{attempt_}.encode());
  phase_ = Phase::kVerbs;
  since_ = now;
  why_.clear();
  next_check_ = now;
  stream_at_ = records_ && offers_ ? kNever : 0;
  out_.risen();
}

bool VerbsLink::on_switch(ByteView payload, TimeNs now) {
  const std::optional<VerbsSwitch> said = VerbsSwitch::decode(payload);
  if (!said || said->attempt > attempt_) return false;
  // Data that waited before it let VERBS_DOWN overtake it.
  if (said->attempt < attempt_ || phase_ == Phase::kTcp || phase_ == Phase::kFallen) return true;
  if (phase_ == Phase::kAccepted) {
    switch_over(now);
  } else if (phase_ != Phase::kVerbs || switched_) {
    return false;
  }
  switched_ = true;
  consumed_ = arrived_;
  deliver();
  return true;
}

// ---- fall ----

void VerbsLink::on_failed(const std::string& why, TimeNs now) {
  fall(why, now);
}

void VerbsLink::fall(const std::string& why, TimeNs now) {
  if (phase_ < Phase::kOffered || phase_ > Phase::kVerbs) return;
  if (phase_ == Phase::kAccepting) {  // the other side waits for an answer, not for a count
    out_.drop_queue_pair();
    return refuse(why, now);
  }
  if (phase_ == Phase::kVerbs) {
    ++falls_;
    if (now - since_ > kRetryAfterFall) retry_delay_ = kRetryFirst;
    since_ = now;
    out_.fallen(why);
  }
  phase_ = Phase::kFallen;
  why_ = why;
  next_check_ = now + kDownCheckInterval;
  checks_ = 0;
  out_.drop_queue_pair();
  out_.tell(Lane::kControl, Operation::VERBS_DOWN, VerbsDown{attempt_, received_, why}.encode());
}

// Until the other side has said how far it got, nothing of the data lane can go by TCP.
void VerbsLink::wait_for_down(TimeNs now) {
  next_check_ = now + kDownCheckInterval;
  if (++checks_ < kDownChecksMax) return;
  next_check_ = kNever;
  out_.cut("it does not say how far it got over verbs");
}

bool VerbsLink::on_told_down(ByteView payload, TimeNs now) {
  const std::optional<VerbsDown> said = VerbsDown::decode(payload);
  if (!said || said->attempt > attempt_) return false;
  if (phase_ == Phase::kTcp) why_ = their(said->reason);
  if (said->attempt < attempt_ || phase_ == Phase::kTcp) return true;
  if (phase_ == Phase::kOffered) {
    out_.drop_queue_pair();
    refused(their(said->reason), now);
    return true;
  }
  fall(their(said->reason), now);
  return phase_ != Phase::kFallen || finish(said->received, now);
}

void VerbsLink::refused(const std::string& why, TimeNs now) {
  phase_ = Phase::kTcp;
  why_ = why;
  stream_at_ = 0;
  retry_at(now, kRetryAfterRefusal);
}

// An offer of the other side's.
void VerbsLink::refuse(const std::string& why, TimeNs now) {
  refused(why, now);
  out_.tell(Lane::kControl, Operation::VERBS_DOWN, VerbsDown{attempt_, 0, why_}.encode());
}

// Both sides have said how far they got.
bool VerbsLink::finish(uint64_t received, TimeNs now) {
  if (!packets_.received(received)) return false;
  phase_ = Phase::kTcp;
  packets_.for_each([this](ByteView packet) { out_.send_by_tcp(packet); });
  packets_.clear();
  // A path that connects and then carries nothing would rise and fall for ever.
  const bool mute = arrived_ == 0 || sent_ == 0;
  retry_at(now, mute ? kRetryAfterRefusal : kRetryAfterFall);
  // Each change between stream and link costs a recovery, so there is none before the next attempt has failed.
  stream_at_ = records_ && offers_ ? next_try_ + kStreamAfterOffer : 0;
  return true;
}

void VerbsLink::retry_at(TimeNs now, TimeNs delay_max) {
  if (!offers_) return;
  next_try_ = now + std::min(retry_delay_, delay_max);
  retry_delay_ = std::min(2 * retry_delay_, delay_max);
}

void VerbsLink::describe(LinkReport& report, TimeNs now) const {
  report.verbs_out = packets_out_;
  report.verbs_in = packets_in_;
  report.attempts = attempts_;
  report.falls = falls_;
  report.round_trips = round_trips_;
  if (phase_ == Phase::kNoLink) return;
  report.kind = on_verbs() ? LinkKind::kVerbs : LinkKind::kTcp;
  report.age_ns = static_cast<uint64_t>(now - since_);
  report.why = why_;
  if (on_verbs()) report.credits = limit_ - posted_;
}

}  // namespace ctdb
