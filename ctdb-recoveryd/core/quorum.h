// SPDX-License-Identifier: GPL-3.0-or-later
// Whose votes count and how many decide: a majority of the voters. Who they are is decided with each generation
// (ARCHITECTURE §5, "Who votes"); the nodes file is what an administrator wishes, and next_voters() the way there, one
// voter at a time. Pure. Administratively stopped nodes go on voting: their recoveryd lives.
#ifndef CTDB_RECOVERYD_CORE_QUORUM_H_
#define CTDB_RECOVERYD_CORE_QUORUM_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace ctdb {

class Voters {
 public:
  // `numbers` ascend. `majority` false is "quorum = none": one vote decides. For tests and single nodes.
  Voters(std::vector<uint32_t> numbers, bool majority) : numbers_(std::move(numbers)), majority_(majority) {}

  bool is_voter(uint32_t pnn) const;
  bool majority() const { return majority_; }
  size_t count() const { return numbers_.size(); }
  const std::vector<uint32_t>& numbers() const { return numbers_; }
  size_t needed() const { return majority_ ? numbers_.size() / 2 + 1 : 1; }
  bool enough(size_t votes) const { return votes >= needed(); }

 private:
  std::vector<uint32_t> numbers_;
  bool majority_;
};

bool contains(const std::vector<uint32_t>& ascending, uint32_t pnn);
// Ascending, no doubles, all of them in `all`.
bool is_part(const std::vector<uint32_t>& part, const std::vector<uint32_t>& all);

// What the leader knows of a node when it thinks about voters.
struct VoterFacts {
  bool member = false;      // of the newest decided generation
  bool present = false;     // linked, and it answers
  bool other_list = false;  // its nodes file is not the leader's
};
struct NextVoters {
  std::vector<uint32_t> numbers;  // at most one more or one less than now
  std::string why_not;            // what keeps the wish from being fulfilled, if anything does
};
// Nothing moves while a node that takes part, and is to go on, has another list. A node goes when it takes part no more, and comes when it is
// present; those that go first, because they can no longer vote.
NextVoters next_voters(const std::vector<uint32_t>& now, const std::vector<uint32_t>& wish,
                       const std::vector<VoterFacts>& facts);

}  // namespace ctdb

#endif  // CTDB_RECOVERYD_CORE_QUORUM_H_
