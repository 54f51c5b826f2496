// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-router/core/life_questions.h"

#include <algorithm>

#include "libctdbipc/wire/operations.h"

namespace ctdb {
namespace {

constexpr size_t kQuestionsMax = 4096;

}  // namespace

bool LifeQuestions::is_one(uint32_t opcode) {
  return opcode == static_cast<uint32_t>(Control::PROCESS_EXISTS) ||
         opcode == static_cast<uint32_t>(Control::CHECK_PID_SRVID);
}

bool LifeQuestions::add(const Origin& origin, uint32_t node, ByteView packet, TimeNs until) {
  if (waiting_.size() >= kQuestionsMax) return false;
  waiting_.push_back({origin, node, to_bytes(packet), until});
  return true;
}

template <typename Condition>
std::vector<LifeQuestions::Question> LifeQuestions::take_if(const Condition& condition) {
  std::vector<Question> taken;
  for (Question& question : waiting_) {
    if (condition(question)) taken.push_back(question);
  }
  if (!taken.empty()) std::erase_if(waiting_, condition);
  return taken;
}

std::vector<LifeQuestions::Question> LifeQuestions::take(uint32_t node) {
  return take_if([node](const Question& question) { return question.node == node; });
}

std::vector<LifeQuestions::Question> LifeQuestions::take_expired(TimeNs now) {
  return take_if([now](const Question& question) { return question.until <= now; });
}

void LifeQuestions::client_gone(uint32_t client) {
  std::erase_if(waiting_, [client](const Question& question) { return question.origin.client == client; });
}

TimeNs LifeQuestions::next_deadline() const {
  TimeNs next = kNever;
  for (const Question& question : waiting_) next = std::min(next, question.until);
  return next;
}

}  // namespace ctdb
