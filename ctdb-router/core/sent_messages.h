// SPDX-License-Identifier: GPL-3.0-or-later
// Which client sent which message to another node, for as long as the message may still wait for its link: the number
// travels as the packet's reqid, so a packet that was lost in a queue leads back to its sender. Only the newest
// kRememberedMax are known; a queue that holds more small messages than that has lost its oldest senders.
#ifndef CTDB_ROUTER_CORE_SENT_MESSAGES_H_
#define CTDB_ROUTER_CORE_SENT_MESSAGES_H_

#include <cstdint>
#include <optional>
#include <vector>

namespace ctdb {

struct MessageSender {
  uint32_t client = 0;
  uint32_t tag = 0;  // the client's own name for the message
};

class SentMessages {
 public:
  static constexpr uint32_t kRememberedMax = 65536;

  // Reserved, so that the packet path does not allocate; memory is touched only as messages are sent.
  SentMessages() { slots_.reserve(kRememberedMax); }

  // The number to travel, never 0.
  uint32_t add(const MessageSender& sender) {
    if (++last_ == 0) ++last_;
    const uint32_t index = last_ % kRememberedMax;
    while (slots_.size() <= index) slots_.emplace_back();
    slots_[index] = {last_, sender};
    return last_;
  }
  std::optional<MessageSender> find(uint32_t number) const {
    const uint32_t index = number % kRememberedMax;
    if (number == 0 || index >= slots_.size() || slots_[index].number != number) return std::nullopt;
    return slots_[index].sender;
  }

 private:
  struct Slot {
    uint32_t number = 0;
    MessageSender sender;
  };
  std::vector<Slot> slots_;
  uint32_t last_ = 0;
};

}  // namespace ctdb

#endif  // CTDB_ROUTER_CORE_SENT_MESSAGES_H_
