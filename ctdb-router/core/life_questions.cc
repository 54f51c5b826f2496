// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-router/core/life_questions.h"

#include <iterator>

#include "libctdbipc/wire/operations.h"

namespace ctdb {
namespace {

constexpr size_t kQuestionsMax = 4096;  // of one sender, a local client or another node
constexpr size_t kProcessBytes = 4, kProcessAndServiceBytes = 12;  // what the two ask about

}  // namespace

bool LifeQuestions::is_one(const ReqControl& control) {
  switch (static_cast<Control>(control.opcode)) {
    case Control::PROCESS_EXISTS:
      return control.data.size() == kProcessBytes;
    case Control::CHECK_PID_SRVID:
      return control.data.size() == kProcessAndServiceBytes;
    default:
      return false;
  }
}

// Whoever is refused hears that nobody lives there: it must not be others who have filled the room.
bool LifeQuestions::add(const Origin& origin, uint32_t node, ByteView packet, TimeNs until) {
  size_t& count = counts_[sender_of(origin)];
  if (count >= kQuestionsMax) return false;
  ++count;
  waiting_.emplace(until, Question{origin, node, to_bytes(packet)});
  return true;
}

// Returns the next one.
LifeQuestions::Waiting::iterator LifeQuestions::take(Waiting::iterator at, std::vector<Question>& taken) {
  const auto count = counts_.find(sender_of(at->second.origin));
  if (--count->second == 0) counts_.erase(count);
  taken.push_back(std::move(at->second));
  return waiting_.erase(at);
}

std::vector<LifeQuestions::Question> LifeQuestions::take(uint32_t node) {
  std::vector<Question> taken;
  for (auto at = waiting_.begin(); at != waiting_.end();)
    at = at->second.node == node ? take(at, taken) : std::next(at);
  return taken;
}

std::vector<LifeQuestions::Question> LifeQuestions::take_expired(TimeNs now) {
  std::vector<Question> taken;
  while (next_deadline() <= now) take(waiting_.begin(), taken);
  return taken;
}

void LifeQuestions::client_gone(uint32_t client) {
  if (counts_.erase({client, 0}) == 0) return;
  std::erase_if(waiting_, [client](const auto& one) { return one.second.origin.client == client; });
}

}  // namespace ctdb
