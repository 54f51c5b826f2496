// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-cli/service_status.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <string_view>

namespace ctdb::cli {

ServiceStatus::ServiceStatus() {
  const char* const named = std::getenv("NOTIFY_SOCKET");
  const std::string_view path = named == nullptr ? "" : named;
  sockaddr_un address{};
  if (path.empty() || path.size() >= sizeof address.sun_path) return;
  address.sun_family = AF_UNIX;
  std::copy(path.begin(), path.end(), address.sun_path);
  if (path[0] == '@') address.sun_path[0] = '\0';  // it has no file
  UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
  if (connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), size) == 0)
    socket_ = std::move(socket);
}

// One that is lost is told again with the next change, or never: nobody depends on it.
void ServiceStatus::tell(const std::string& status) {
  if (!socket_.valid() || status == told_) return;
  const std::string message = "STATUS=" + status;
  if (send(socket_.get(), message.data(), message.size(), MSG_NOSIGNAL) > 0) told_ = status;
}

}  // namespace ctdb::cli
