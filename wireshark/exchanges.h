// SPDX-License-Identifier: GPL-2.0-or-later
// Which reply belongs to which request, and which packets a call took on its way. No Wireshark in here: frames go in by
// number, in the order of the capture, and what was found about each is remembered for when it is shown again.
//
// Between nodes an exchange is known by (request id, who asked, who answers): request and reply take different connections in a
// classic cluster, so the connection says nothing. Any node may answer a call. On a client's connection the request ids are the
// client's own, so there it is (request id, connection).
#ifndef WIRESHARK_EXCHANGES_H_
#define WIRESHARK_EXCHANGES_H_

#include <cstdint>
#include <deque>
#include <map>
#include <tuple>
#include <unordered_map>
#include <vector>

namespace ctdbx {

struct Exchange {
  uint32_t number = 0;
  uint32_t operation = 0;
  uint32_t control = 0;  // of a REQ_CONTROL
  uint32_t callid = 0;   // of a REQ_CALL
  uint32_t request_frame = 0, reply_frame = 0;
  int64_t request_ns = 0, reply_ns = 0;
  uint32_t replier = 0;
  uint32_t hopcount = 0;
  uint32_t record = 0;  // number of the record a call is about; 0: none yet
  bool wants_reply = true;
  std::vector<uint32_t> steps;  // frames of its other packets
};

// What the packet's fixed part says.
struct Arrival {
  uint32_t frame = 0, index = 0;  // of the packet in its frame
  int64_t time_ns = 0;
  uint64_t connection = 0;  // 0: between nodes
  uint32_t operation = 0, srcnode = 0, destnode = 0, reqid = 0;
  uint32_t control = 0, control_flags = 0;  // REQ_CONTROL
  uint32_t hopcount = 0, callid = 0;        // REQ_CALL
  uint32_t dmaster = 0;                     // REQ_DMASTER: who asked
};

enum class Part : uint8_t { kNone, kRequest, kStep, kReply };
struct Place {
  Exchange* exchange = nullptr;
  Part part = Part::kNone;
  bool orphan = false;        // a reply whose request is not in the capture
  bool second_reply = false;  // from another node than the first
  bool hop_back = false;
};

class Exchanges {
 public:
  // The packet's place; found out when it is seen for the first time.
  const Place& place_of(const Arrival& arrival);
  void clear();

 private:
  using Key = std::tuple<uint32_t, uint64_t, uint32_t, uint32_t, uint32_t>;
  Place find_place(const Arrival& a);
  Place place_call(const Arrival& a);
  Place place_request(const Arrival& a);
  Place place_step(const Arrival& a);
  Place place_reply(const Arrival& a, uint32_t request);
  Exchange* open(const Key& key, const Arrival& a);
  Exchange* find(const Key& key);

  std::deque<Exchange> exchanges_;  // does not move what it holds
  std::map<Key, Exchange*> newest_;
  std::unordered_map<uint64_t, Place> places_;
};

}  // namespace ctdbx

#endif  // WIRESHARK_EXCHANGES_H_
