// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbipc/runtime/service.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#include <algorithm>
#include <cstdlib>
#include <set>

#include "libctdbipc/runtime/setup_socket.h"

namespace ctdb {
namespace {

constexpr TimeNs kTellInterval = kSecond;
// Of the time after which the service manager takes us for hung.
constexpr uint64_t kFeedsPerPeriod = 4;

// One message is one line: what is quoted may hold others.
std::string one_line(std::string_view text) {
  std::string line(text);
  std::replace_if(
      line.begin(), line.end(), [](char c) { return c >= 0 && c < ' '; }, ' ');
  return line;
}

// Descriptors that have been handed out already.
std::set<int>& claimed() {
  static std::set<int> fds;
  return fds;
}

std::string path_of(int fd) {
  sockaddr_un address{};
  socklen_t size = sizeof address;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0 || address.sun_family != AF_UNIX)
    return "a socket that is not of the unix kind";
  return address.sun_path;
}

}  // namespace

void tell_service_manager(std::string_view status) {
  sd_notify(0, ("STATUS=" + one_line(status)).c_str());
}

Service::Service(EventLoop& loop) : loop_(loop), managed_(std::getenv("NOTIFY_SOCKET") != nullptr) {
  uint64_t period_us = 0;
  if (sd_watchdog_enabled(0, &period_us) <= 0) return;
  feed_interval_ = static_cast<TimeNs>(period_us / kFeedsPerPeriod) * kMicrosecond;
  feed();
}

Service::~Service() {
  loop_.cancel(tell_timer_);
  loop_.cancel(feed_timer_);
}

void Service::feed() {
  sd_notify(0, "WATCHDOG=1");
  feed_timer_ = loop_.at(loop_.now() + feed_interval_, [this] { feed(); });
}

void Service::ready() {
  if (ready_) return;
  ready_ = true;
  sd_notify(0, "READY=1");
}

void Service::status(const std::string& text) {
  if (!managed_ || text == status_) return;
  status_ = text;
  tell_soon();
}

void Service::note(const std::string& text) {
  if (!managed_) return;
  note_ = text;
  tell();
}

void Service::tell_soon() {
  if (tell_timer_ != 0) return;
  if (loop_.now() - told_at_ >= kTellInterval) return tell();
  tell_timer_ = loop_.at(told_at_ + kTellInterval, [this] {
    tell_timer_ = 0;
    tell();
  });
}

void Service::tell() {
  const std::string text = note_.empty() ? status_ : status_ + "; " + note_;
  if (text == told_) return;
  told_ = text;
  told_at_ = loop_.now();
  tell_service_manager(text);
}

void Service::reloading() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  const int64_t now_us = now.tv_sec * 1000000 + now.tv_nsec / 1000;
  sd_notify(0, ("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(now_us)).c_str());
}

void Service::reloaded() {
  sd_notify(0, "READY=1");
}

void Service::stopping() {
  sd_notify(0, "STOPPING=1");
}

Result<UniqueFd> service_socket(const std::string& path, int type, mode_t mode, int backlog) {
  const int count = sd_listen_fds(0);
  for (int fd = SD_LISTEN_FDS_START; fd < SD_LISTEN_FDS_START + count; ++fd) {
    if (sd_is_socket_unix(fd, type, 1, path.c_str(), 0) <= 0 || !claimed().insert(fd).second) continue;
    const int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
      return fail_errno("using the socket of the service manager for " + path);
    return UniqueFd(fd);
  }
  return listen_unix(path, type, mode, backlog);
}

std::string unclaimed_sockets() {
  std::string text;
  const int count = sd_listen_fds(0);
  for (int fd = SD_LISTEN_FDS_START; fd < SD_LISTEN_FDS_START + count; ++fd) {
    if (!claimed().contains(fd)) text += (text.empty() ? "" : ", ") + path_of(fd);
  }
  return text;
}

}  // namespace ctdb
