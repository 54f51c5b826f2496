// SPDX-License-Identifier: GPL-2.0-or-later
// The packets of each record in the order of the capture, and what the protocol forbids them: ownership granted to two, sequence
// numbers that go back, generations that were left. No Wireshark in here.
#ifndef WIRESHARK_RECORDS_H_
#define WIRESHARK_RECORDS_H_

#include <cstdint>
#include <deque>
#include <string>
#include <unordered_map>
#include <vector>

namespace ctdbx {

struct Record {
  uint32_t number = 0;
  std::vector<uint32_t> frames;  // ascending
  uint32_t generation = 0;       // of the last packet that moved it
  uint64_t rsn = 0;
  uint32_t granted_by = 0, granted_to = 0;
  bool granted = false;  // by that lmaster to that node, which has not given it up
};

struct Sighting {
  uint32_t frame = 0, index = 0;
  uint32_t operation = 0, srcnode = 0, destnode = 0, generation = 0;
  uint32_t dmaster = 0;  // REQ_DMASTER
  bool has_rsn = false, has_key = false;
  uint64_t rsn = 0;
  uint32_t db_id = 0;
  std::string key;
};

struct Judgement {
  Record* record = nullptr;
  bool granted_twice = false, rsn_back = false, old_generation = false;
};

class Records {
 public:
  const Judgement& judge(const Sighting& sighting);
  // nullptr: there is no record of that number.
  Record* find(uint32_t number);
  void clear();

 private:
  Judgement find_judgement(const Sighting& s);
  Record& record_of(const Sighting& s);
  bool left_generation(const Sighting& s);

  std::deque<Record> records_;
  std::unordered_map<std::string, Record*> by_key_;
  std::unordered_map<uint64_t, Judgement> judgements_;
  std::unordered_map<uint32_t, uint32_t> order_;      // generation -> when it was first seen, counting
  std::unordered_map<uint32_t, uint32_t> newest_of_;  // node -> place in that order of the newest it has used
};

}  // namespace ctdbx

#endif  // WIRESHARK_RECORDS_H_
