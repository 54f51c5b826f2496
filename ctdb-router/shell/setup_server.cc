// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-router/shell/setup_server.h"

#include <sys/socket.h>

#include "libctdbipc/runtime/log.h"

namespace ctdb {
namespace {

constexpr mode_t kSocketMode = 0700;
constexpr size_t kStrangersMax = 256;  // beyond that the oldest is sent away

}  // namespace

Result<void> SetupServer::listen(const std::string& path) {
  Result<std::unique_ptr<Listener>> listener = Listener::create_local(
      loop_, path, SOCK_SEQPACKET, kSocketMode, [this](UniqueFd fd) { accept_one(std::move(fd)); });
  if (!listener) return fail(std::move(listener.error()));
  listener_ = std::move(*listener);
  return {};
}

void SetupServer::accept_one(UniqueFd socket) {
  Result<std::unique_ptr<SetupPeer>> connection = SetupPeer::create(loop_, std::move(socket));
  if (!connection) return log_error("set-up socket: " + connection.error().text());
  const uint64_t stranger = next_stranger_++;
  (*connection)
      ->set_handlers([this, stranger](SetupMessage request) { on_request(stranger, request); },
                     [this, stranger] { strangers_.erase(stranger); });
  if (strangers_.size() >= kStrangersMax) strangers_.erase(strangers_.begin());
  strangers_.emplace(stranger, std::move(*connection));
}

void SetupServer::on_request(uint64_t stranger, const SetupMessage& request) {
  const auto found = strangers_.find(stranger);
  if (found == strangers_.end()) return;
  std::unique_ptr<SetupPeer> connection = std::move(found->second);
  strangers_.erase(found);
  if (request.kind != SetupKind::kRequest) return;
  Result<void> given = give_away(request, connection);
  if (given) return;
  log_notice("set-up socket: refused process " + std::to_string(connection->credentials().pid) + ": " +
             given.error().text());
  SetupMessage refused;
  refused.kind = SetupKind::kRefused;
  refused.text = given.error().text();
  connection->send(std::move(refused));
}

Result<void> SetupServer::give_away(const SetupMessage& request, std::unique_ptr<SetupPeer>& connection) {
  if (request.role == DaemonRole::kClient) return clients_.connect(request, connection);
  return daemons_.connect(request, connection, generation_());
}

}  // namespace ctdb
