// SPDX-License-Identifier: GPL-3.0-or-later
// Votes, one node at a time: what it answers, what it keeps on disk first, when it leads.
#include <gtest/gtest.h>

#include <map>

#include "ctdb-recoveryd/core/context.h"
#include "ctdb-recoveryd/core/election.h"

namespace ctdb {
namespace {

struct Recorder : RecoverydOutput {
  TimeNs serve_until() override { return lease; }
  bool set_serve_until(TimeNs before, TimeNs when) override {
    EXPECT_EQ(lease, before);
    lease = when;
    return true;
  }
  bool records_taken() override { return true; }
  bool being_fenced() override { return false; }
  TimeNs store_beat() override { return kNever / 2; }
  TimeNs lease = 0;
  struct Sent {
    uint32_t to;
    Operation operation;
    Bytes payload;
    Bytes on_disk;  // when it was sent
  };
  void to_router(RecoverydLane, uint32_t, ByteView packet) override {
    const Header header = read_header(packet);
    sent.push_back(
        {header.destnode, static_cast<Operation>(header.operation), to_bytes(own_payload(packet)), disk});
  }
  bool persist(ByteView bytes) override {
    if (full) return false;
    disk = to_bytes(bytes);
    return true;
  }
  void want_lock(bool wanted) override { wishes += wanted ? 1 : 0; }
  int wishes = 0;  // for the cluster lock
  void access_register(uint64_t, ByteView) override {}
  int64_t wall_clock_ns() override { return 0; }
  void log(RecoverydLog, const std::string&) override {}

  std::vector<Sent> sent;
  Bytes disk;
  bool full = false;
};

class OneNode : public ::testing::Test {
 protected:
  explicit OneNode(uint32_t nodes = 3) : OneNode(options(nodes)) {}
  explicit OneNode(const RecoverydOptions& given) : random(1), c(given, random, out, kSecond), election(c) {
    c.router_up = true;
    for (Link& link : c.links) link = {true, 1};
  }
  static RecoverydOptions options(uint32_t nodes) {
    RecoverydOptions o;
    o.pnn = 0;
    for (uint32_t node = 0; node < nodes; ++node) o.nodes.push_back("10.0.0." + std::to_string(node + 1));
    return o;
  }
  void wait(TimeNs duration) {
    const TimeNs end = c.now + duration;
    while (election.next_deadline() <= end) {
      c.now = std::max(c.now, election.next_deadline());
      election.work(true);
    }
    c.now = end;
    election.work(true);
  }
  VoteReply asked(uint32_t from, uint64_t term, bool trial = false,
                  uint32_t generation = CTDB_INVALID_GENERATION) {
    out.sent.clear();
    election.on_vote_request(from, {term, generation, trial, node_list_digest(c.nodes)});
    if (out.sent.size() != 1 || out.sent[0].to != from || out.sent[0].operation != Operation::VOTE_REPLY)
      return {};
    return *VoteReply::decode(out.sent[0].payload);
  }
  // What the node last asked node 1.
  VoteRequest last_request() {
    VoteRequest request;
    for (const Recorder::Sent& sent : out.sent) {
      if (sent.operation == Operation::VOTE_REQUEST && sent.to == 1)
        request = *VoteRequest::decode(sent.payload);
    }
    return request;
  }
  void lead(uint64_t term) {
    c.durable.term = term - 1;
    election.work(true);
    wait(c.timing().backoff_max);
    election.on_vote_reply(1, {term, true, true});
    election.on_vote_reply(1, {term, true, false});
    ASSERT_TRUE(election.leading());
    ASSERT_EQ(election.term(), term);
  }

  Recorder out;
  Random random;
  Context c;
  Election election;
};

TEST_F(OneNode, AsksFirstWhetherItWouldBeElectedAndOnlyThenRaisesItsTerm) {
  election.work(true);
  wait(c.timing().backoff_max);
  EXPECT_EQ(election.role(), Role::kTrial);
  EXPECT_EQ(election.term(), 0u);
  EXPECT_TRUE(last_request().trial);
  EXPECT_EQ(last_request().term, 1u);
  election.on_vote_reply(1, {1, true, true});
  EXPECT_EQ(election.role(), Role::kCandidate);
  EXPECT_EQ(election.term(), 1u);
  EXPECT_FALSE(last_request().trial);
  election.on_vote_reply(2, {1, true, true});
  EXPECT_FALSE(election.leading()) << "a late yes to the trial is no vote";
  election.on_vote_reply(2, {1, true, false});
  EXPECT_TRUE(election.leading());
}

// What its votes allow counts from there: another one may have been elected since they were given.
TEST_F(OneNode, KnowsWhenItAskedForItsVotes) {
  election.work(true);
  wait(c.timing().backoff_max);
  const TimeNs asked_at = c.now;
  election.on_vote_reply(1, {1, true, true});
  c.now += 5 * kSecond;  // it was stopped meanwhile, and the vote lay there unread
  election.on_vote_reply(1, {1, true, false});
  EXPECT_TRUE(election.leading());
  EXPECT_EQ(election.votes_asked_at(), asked_at);
}

TEST_F(OneNode, ItsOwnVoteIsOnDiskBeforeItAsks) {
  election.work(true);
  wait(c.timing().backoff_max);
  election.on_vote_reply(1, {1, true, true});
  ASSERT_EQ(out.sent.back().operation, Operation::VOTE_REQUEST);
  EXPECT_EQ(DurableState::decode(out.sent.back().on_disk)->term, 1u);
  EXPECT_EQ(DurableState::decode(out.sent.back().on_disk)->voted_for, 0u);
}

TEST_F(OneNode, AVoteIsOnDiskBeforeItIsTold) {
  EXPECT_TRUE(asked(1, 5).granted);
  EXPECT_EQ(DurableState::decode(out.sent[0].on_disk)->term, 5u);
  EXPECT_EQ(DurableState::decode(out.sent[0].on_disk)->voted_for, 1u);
}

TEST_F(OneNode, WithoutDiskItDoesNotVote) {
  out.full = true;
  EXPECT_FALSE(asked(1, 5).granted);
  EXPECT_TRUE(out.sent.empty());
  EXPECT_EQ(election.term(), 0u);
}

TEST_F(OneNode, VotesOnceInATerm) {
  EXPECT_TRUE(asked(1, 5).granted);
  EXPECT_FALSE(asked(2, 5).granted);
  EXPECT_TRUE(asked(1, 5).granted) << "the same vote again";
  EXPECT_TRUE(asked(2, 6).granted) << "another term, another vote";
}

TEST_F(OneNode, DoesNotVoteTwiceAfterARestart) {
  EXPECT_TRUE(asked(1, 5).granted);
  Context again(options(3), random, out, c.now);
  again.router_up = true;
  again.durable = *DurableState::decode(out.disk);
  Election restarted(again);
  out.sent.clear();
  restarted.on_vote_request(2, {5, CTDB_INVALID_GENERATION, false});
  ASSERT_EQ(out.sent.size(), 1u);
  EXPECT_FALSE(VoteReply::decode(out.sent[0].payload)->granted);
}

TEST_F(OneNode, RefusesStaleTermsAndSaysWhereItIs) {
  EXPECT_TRUE(asked(1, 5).granted);
  const VoteReply reply = asked(2, 4);
  EXPECT_FALSE(reply.granted);
  EXPECT_EQ(reply.term, 5u);
  EXPECT_FALSE(asked(2, 5, true).granted) << "a trial is about a term that does not exist yet";
}

TEST_F(OneNode, TellsWhomItRefusesOfTheLeaderItHears) {
  ASSERT_TRUE(election.accept_leader(2, 5));
  EXPECT_EQ(asked(1, 6, true).leader, 2u);
  EXPECT_EQ(asked(2, 6, true).leader, CTDB_UNKNOWN_PNN) << "the leader itself needs not be told";
}

TEST_F(OneNode, RemembersWhoToldItOfALeaderUntilItHearsOne) {
  election.work(true);
  wait(c.timing().backoff_max);
  election.on_vote_reply(2, {5, false, true, 1});
  EXPECT_EQ(election.told().leader, 1u);
  EXPECT_EQ(election.told().by, 2u);
  ASSERT_TRUE(election.accept_leader(1, 5));
  EXPECT_EQ(election.told().leader, CTDB_UNKNOWN_PNN);
}

TEST_F(OneNode, RefusesWhoKnowsLess) {
  c.durable.decided_generation = 700;
  EXPECT_FALSE(asked(1, 5, true, 699).granted);
  EXPECT_FALSE(asked(1, 5, false, 699).granted);
  EXPECT_FALSE(asked(1, 5, false).granted);
  EXPECT_TRUE(asked(1, 5, false, 700).granted);
}

TEST_F(OneNode, ATrialBindsNobody) {
  EXPECT_TRUE(asked(1, 5, true).granted);
  EXPECT_TRUE(asked(2, 5, true).granted);
  EXPECT_EQ(election.term(), 0u);
  EXPECT_TRUE(out.disk.empty());
}

TEST_F(OneNode, KeepsToALeaderThatLivesAndVotesWhenItIsGone) {
  ASSERT_TRUE(election.accept_leader(1, 3));
  EXPECT_FALSE(asked(2, 4, true).granted);
  EXPECT_FALSE(asked(2, 4).granted);
  EXPECT_EQ(election.term(), 3u) << "nor does the term move";
  c.links[1].up = false;
  EXPECT_TRUE(asked(2, 4).granted);
}

TEST_F(OneNode, ALeaderThatIsSilentTooLongIsGone) {
  ASSERT_TRUE(election.accept_leader(1, 3));
  wait(c.timing().leader_silence - 1);
  EXPECT_EQ(election.leader(), 1u);
  wait(1);
  EXPECT_EQ(election.leader(), CTDB_UNKNOWN_PNN);
}

TEST_F(OneNode, ALeaderStepsDownForANewerTermOnly) {
  lead(7);
  election.saw_term(7);
  EXPECT_TRUE(election.leading());
  EXPECT_FALSE(election.accept_leader(1, 7)) << "two leaders in one term cannot be";
  EXPECT_FALSE(election.accept_leader(1, 6));
  EXPECT_TRUE(election.leading());
  EXPECT_TRUE(election.accept_leader(1, 8));
  EXPECT_FALSE(election.leading());
  EXPECT_EQ(election.leader(), 1u);
}

TEST_F(OneNode, ALostCampaignIsRepeatedAfterLongerAndLongerPauses) {
  election.work(true);
  wait(20 * kSecond);  // nobody answers
  const size_t in_twenty_seconds = out.sent.size() / 2;
  EXPECT_GT(in_twenty_seconds, 10u);
  EXPECT_LT(in_twenty_seconds, 60u);
  EXPECT_EQ(election.term(), 0u) << "trials raise no term, however long they last";
}

TEST_F(OneNode, AnswersThatWereNotAskedForAreNoVotes) {
  election.on_vote_reply(1, {1, true, false});
  election.on_vote_reply(2, {1, true, false});
  EXPECT_FALSE(election.leading());
  election.work(true);
  wait(c.timing().backoff_max);
  election.on_vote_reply(1, {2, true, true});
  EXPECT_EQ(election.role(), Role::kTrial) << "of another term";
}

TEST_F(OneNode, AnswersThatNobodyAskedForAreRefusedAndTold) {
  election.on_vote_reply(1, {1, true, true});
  EXPECT_EQ(c.counts.refused, 1u) << "nothing was asked";
  election.work(true);
  wait(c.timing().backoff_max);
  election.on_vote_reply(1, {7, false, true});
  EXPECT_EQ(c.counts.refused, 1u);
  election.on_vote_reply(1, {9, false, true});
  EXPECT_EQ(c.counts.refused, 2u) << "it has answered";
  EXPECT_EQ(election.term(), 7u);
  c.voters = Voters({0, 1, 3}, true);
  election.on_vote_reply(2, {9, false, true});
  EXPECT_EQ(c.counts.refused, 3u) << "it has no vote";
  EXPECT_EQ(election.term(), 7u);
}

TEST_F(OneNode, WhoHasNoVoteGetsNoneUnlessItKnowsANewerDecision) {
  c.durable.decided_generation = 257;
  c.voters = Voters({0, 1}, true);
  EXPECT_FALSE(asked(2, 3, false, 257).granted);
  EXPECT_EQ(c.counts.refused, 1u);
  EXPECT_EQ(election.term(), 0u);
  EXPECT_TRUE(asked(2, 3, false, 258).granted);
}

// One word about a term that nobody ever had would use the terms up for ever.
TEST_F(OneNode, TermsOfOthersAreFollowedSoFarAndNoFarther) {
  c.durable.term = 5;
  for (const uint64_t term : {kTermMax, 5 + kTermsAheadMax + 1}) {
    const uint64_t before = c.counts.refused;
    EXPECT_FALSE(election.plausible(term));
    election.saw_term(term);
    EXPECT_FALSE(asked(1, term).granted);
    EXPECT_EQ(c.counts.refused, before + 2);
    EXPECT_EQ(election.term(), 5u);
  }
  election.saw_term(5 + kTermsAheadMax);
  EXPECT_EQ(election.term(), 5 + kTermsAheadMax);
  EXPECT_FALSE(election.plausible(election.term() + 1)) << "not again at once";
  c.now += 10 * kSecond;
  EXPECT_TRUE(election.plausible(election.term() + 10 * kTermsAheadPerSecond));
  EXPECT_FALSE(election.plausible(election.term() + 10 * kTermsAheadPerSecond + 1));
}

TEST_F(OneNode, ANewNodeFollowsToAnyTerm) {
  ASSERT_TRUE(election.plausible(kTermMax - 1));
  EXPECT_TRUE(election.accept_leader(1, kTermMax - 1));
  EXPECT_TRUE(election.plausible(kTermMax));
}

TEST_F(OneNode, ImpossibleTermsChangeNothing) {
  for (const uint64_t term : {uint64_t{0}, kTermMax + 1, ~uint64_t{0}}) {
    EXPECT_FALSE(asked(1, term).granted);
    EXPECT_FALSE(election.accept_leader(1, term));
    election.saw_term(term);
    EXPECT_EQ(election.term(), 0u);
  }
}

TEST_F(OneNode, WithoutLinksToAMajorityItDoesNotCampaign) {
  c.links[1].up = c.links[2].up = false;
  election.work(true);
  wait(5 * kSecond);
  EXPECT_TRUE(out.sent.empty());
  EXPECT_EQ(election.next_deadline(), kNever);
}

TEST_F(OneNode, WhoMayNotLeadDoesNotCampaign) {
  election.work(false);
  EXPECT_EQ(election.next_deadline(), kNever);
}

// When it has asked for the cluster lock for the n-th time, counted from the first.
class LockNode : public OneNode {
 protected:
  static std::vector<TimeNs> attempts(uint32_t pnn, const std::string& lock, TimeNs for_time) {
    RecoverydOptions o = options(3);
    o.pnn = pnn;
    o.majority_quorum = false;
    o.lock_quorum = true;
    o.cluster_lock = lock;
    Recorder out;
    Random random(7);
    Context c(o, random, out, kSecond);
    c.router_up = true;
    for (Link& link : c.links) link = {true, 1};
    Election election(c);
    std::vector<TimeNs> times;
    const TimeNs end = c.now + for_time;
    for (election.work(true); election.next_deadline() <= end;) {
      c.now = std::max(c.now, election.next_deadline());
      const int before = out.wishes;
      election.work(true);
      if (out.wishes == before) continue;
      times.push_back(c.now - kSecond);
      election.on_lock(LockState::kElsewhere, "another node has it");
      election.work(true);
    }
    return times;
  }
};

TEST_F(LockNode, AFileIsTriedAgainSoonWhoeverHasIt) {
  const std::vector<TimeNs> times = attempts(0, "/shared/lock", 60 * kSecond);
  EXPECT_GT(times.size(), 60u);
}

TEST_F(LockNode, WithAHelperOfOthersAttemptsAreFarApartWhenTheFirstHaveFailed) {
  const std::vector<TimeNs> first = attempts(0, "!/helper", 60 * kSecond);
  ASSERT_GT(first.size(), 6u);
  EXPECT_LT(first[4], 5 * kSecond) << "the lock of one that died may be free at once";
  for (size_t i = 6; i < first.size(); ++i) EXPECT_GT(first[i] - first[i - 1], 10 * kSecond);
  // In the time that the first one's attempts are apart nobody else tries: what they left behind is forgotten by then.
  const std::vector<TimeNs> second = attempts(1, "!/helper", 60 * kSecond);
  EXPECT_GT(second[5], first[5] + 10 * kSecond);
}

class FiveNodes : public OneNode {
 protected:
  FiveNodes() : OneNode(5) {}
};

TEST_F(FiveNodes, ASplitVoteElectsNobodyAndTheNextTermDecides) {
  election.work(true);
  wait(c.timing().backoff_max);
  for (uint32_t pnn : {1u, 2u}) election.on_vote_reply(pnn, {1, true, true});
  ASSERT_EQ(election.role(), Role::kCandidate);
  election.on_vote_reply(1, {1, true, false});
  election.on_vote_reply(1, {1, true, false});  // twice is once
  election.on_vote_reply(2, {1, false, false});
  EXPECT_FALSE(election.leading());
  wait(c.timing().vote_timeout + 2 * c.timing().backoff_max);
  EXPECT_EQ(last_request().term, 2u);
  for (uint32_t pnn : {3u, 4u}) election.on_vote_reply(pnn, {2, true, true});
  for (uint32_t pnn : {3u, 4u}) election.on_vote_reply(pnn, {2, true, false});
  EXPECT_TRUE(election.leading());
  EXPECT_EQ(election.term(), 2u);
}

}  // namespace
}  // namespace ctdb
