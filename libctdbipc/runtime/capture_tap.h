// SPDX-License-Identifier: LGPL-3.0-or-later
// Copies packets that a daemon handles to programs that ask for them on a socket of their own (<run>/<daemon>.capture). Only root
// and the daemon's own user may. While nobody asks it costs one comparison a packet, and what the flight recorder costs;
// while somebody does, what the program does not read fast enough is dropped and counted: routing never waits.
#ifndef LIBCTDBIPC_RUNTIME_CAPTURE_TAP_H_
#define LIBCTDBIPC_RUNTIME_CAPTURE_TAP_H_

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "libctdbipc/base/unique_fd.h"
#include "libctdbipc/ring/channel.h"
#include "libctdbipc/runtime/event_loop.h"
#include "libctdbipc/runtime/flight_recorder.h"
#include "libctdbipc/runtime/listener.h"
#include "libctdbipc/wire/capture.h"

namespace ctdb {

class CaptureTap {
 public:
  CaptureTap(EventLoop& loop, uint32_t pnn) : loop_(loop), pnn_(pnn) {}
  ~CaptureTap();
  CaptureTap(const CaptureTap&) = delete;
  CaptureTap& operator=(const CaptureTap&) = delete;

  Result<void> listen(const std::string& path);
  // From now on the beginnings of all packets go into this daemon's flight recorder too, if there is to be one; else what an earlier
  // life kept is taken away. That it cannot be made, or taken away, is a line in the log.
  void keep_last(const Config& config, const std::string& daemon);
  bool on() const { return capturing_ > 0 || recorder_ != nullptr; }
  void copy(CaptureLink link, bool outgoing, uint32_t number, uint32_t client, ByteView packet) {
    if (on()) copy_to_all(link, outgoing, number, {client, 0}, packet);
  }
  // A frame between router and store that is about a client's connection. The flight recorder does without: it has the packets.
  void copy_frame(bool outgoing, FrameInfo info, ByteView content) {
    if (capturing_ > 0) copy_to_all(CaptureLink::kStore, outgoing, 0, info, content);
  }

 private:
  struct Session {
    UniqueFd fd;
    bool allowed = false;
    bool ending = false;  // wants no more; gets what is left
    bool write_wanted = false;
    Bytes request;
    Bytes answer;  // not sent yet
    std::optional<CaptureBuffer> buffer;
  };
  void accept_one(UniqueFd fd);
  void on_event(int fd, uint32_t events);
  void read_some(Session& session);
  void take_request(Session& session);
  bool write_some(Session& session);
  void end(int fd);
  void flush();
  int64_t time_of_turn();
  void copy_to_all(CaptureLink link, bool outgoing, uint32_t number, FrameInfo info, ByteView packet);

  EventLoop& loop_;
  const uint32_t pnn_;
  std::unique_ptr<Listener> listener_;
  std::map<int, Session> sessions_;
  int capturing_ = 0;
  std::unique_ptr<FlightRecorder> recorder_;
  TimeNs compared_at_ = 0;  // the loop's clock with the wall clock; 0: never
  int64_t wall_ahead_ns_ = 0;
};

}  // namespace ctdb

#endif  // LIBCTDBIPC_RUNTIME_CAPTURE_TAP_H_
