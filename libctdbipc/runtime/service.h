// SPDX-License-Identifier: LGPL-3.0-or-later
// What a daemon and its service manager (systemd) have to do with each other: readiness, a line for people, the
// watchdog, sockets that were opened for us. Without a service manager nothing here does anything, and costs nothing.
#ifndef LIBCTDBIPC_RUNTIME_SERVICE_H_
#define LIBCTDBIPC_RUNTIME_SERVICE_H_

#include <sys/types.h>

#include <string>
#include <string_view>

#include "libctdbipc/base/result.h"
#include "libctdbipc/base/unique_fd.h"
#include "libctdbipc/runtime/event_loop.h"

namespace ctdb {

// The line of `systemctl status`, from a process that has no loop (yet, or any more).
void tell_service_manager(std::string_view status);

class Service {
 public:
  // Begins to feed the watchdog, if there is one, from a timer of the loop: a loop that hangs does not.
  explicit Service(EventLoop& loop);
  ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  // It serves from now on. Only the first call counts.
  void ready();
  // The line of `systemctl status`. Cheap when nothing changed; told at most once a second, the last one always.
  void status(const std::string& text);
  // Stays behind every status until there is another: what a person has to do.
  void note(const std::string& text);
  void reloading();
  void reloaded();
  void stopping();

 private:
  void tell_soon();
  void tell();
  void feed();

  EventLoop& loop_;
  const bool managed_;
  bool ready_ = false;
  std::string status_;
  std::string note_;
  std::string told_;
  TimeNs told_at_ = 0;
  EventLoop::TimerId tell_timer_ = 0;
  TimeNs feed_interval_ = 0;  // 0: no watchdog
  EventLoop::TimerId feed_timer_ = 0;
};

// The listening unix socket of `path`: the one that the service manager has opened (a socket unit), else one of our own as
// listen_unix() makes it. A socket of ours is not looked for twice.
Result<UniqueFd> service_socket(const std::string& path, int type, mode_t mode, int backlog);
// For the log: sockets that the service manager passed and nobody asked for, empty when there are none.
std::string unclaimed_sockets();

}  // namespace ctdb

#endif  // LIBCTDBIPC_RUNTIME_SERVICE_H_
