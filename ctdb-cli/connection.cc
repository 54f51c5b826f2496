// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-cli/connection.h"

#include <poll.h>

#include <algorithm>

#include "ctdb-cli/text.h"

namespace ctdb::cli {
namespace {

ErrorCode code_of(int error) {
  switch (error) {
    case CTDB_ERR_TIMEOUT:
      return ErrorCode::kTimeout;
    case CTDB_ERR_DISCONNECTED:
      return ErrorCode::kDisconnected;
    case CTDB_ERR_NOT_FOUND:
      return ErrorCode::kNotFound;
    case CTDB_ERR_INVALID:
    case CTDB_ERR_PROTOCOL:
      return ErrorCode::kInvalid;
    case CTDB_ERR_DATABASE:
      return ErrorCode::kCorrupt;
    case CTDB_ERR_TOO_BIG:
    case CTDB_ERR_NO_MEMORY:
    case CTDB_ERR_FULL:
      return ErrorCode::kLimit;
    case CTDB_ERR_SYSTEM:
      return ErrorCode::kSystem;
    default:
      return ErrorCode::kRefused;
  }
}

std::string detail(const ctdb_client* client, int code) {
  const std::string text = ctdb_error_text(client);
  return text.empty() ? ctdb_strerror(code) : text;
}

}  // namespace

Outcome failed(const Error& error) {
  switch (error.code) {
    case ErrorCode::kDisconnected:
      return failed(Exit::kNoDaemon, error.text());
    case ErrorCode::kTimeout:
      return failed(Exit::kNotHealthy, error.text());
    default:
      return failed(Exit::kFailed, error.text());
  }
}

Connection::Connection(ctdb_client* client, int timeout_ms)
    : client_(client), deadline_(std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms)) {}

Connection::~Connection() {
  ctdb_disconnect(client_);
}

Result<std::unique_ptr<Connection>> Connection::open(const Invocation& invocation) {
  ctdb_client* client = nullptr;
  std::unique_ptr<Connection> connection(new Connection(nullptr, invocation.timeout_ms));
  const int code = ctdb_connect(invocation.place.setup_socket.c_str(), invocation.timeout_ms, &client);
  if (code != 0) {
    Error error = connection->error(code, "no connection to this node's router");
    // No socket, or nobody behind it.
    if (error.code == ErrorCode::kSystem) error.code = ErrorCode::kDisconnected;
    return fail(std::move(error));
  }
  connection->client_ = client;
  return connection;
}

Error Connection::error(int code, const std::string& what) const {
  return Error{code_of(code), 0, what + ": " + detail(client_, code)};
}

void Connection::leave_ms(int ms) {
  deadline_ = std::max(deadline_, std::chrono::steady_clock::now() + std::chrono::milliseconds(ms));
}

int Connection::left_ms() const {
  using std::chrono::milliseconds;
  const auto left = std::chrono::duration_cast<milliseconds>(deadline_ - std::chrono::steady_clock::now());
  return static_cast<int>(std::max<milliseconds::rep>(left.count(), 0));
}

Result<Bytes> Connection::control(uint32_t node, Control opcode, ByteView data) {
  const auto number = static_cast<uint32_t>(opcode);
  const std::string what = find_control(number)->name;
  const ctdb_control_request request{node, number, 0, 0, {data.data(), data.size()}};
  ctdb_reply reply{};
  if (const int code = ctdb_control(client_, &request, left_ms(), &reply); code != 0)
    return fail(error(code, what));
  if (reply.status < 0) {
    const std::string words = *reply.text != '\0' ? reply.text : "status " + std::to_string(reply.status);
    return fail(ErrorCode::kRefused, what + ": " + words);
  }
  const auto* bytes = static_cast<const uint8_t*>(reply.data.data);
  return Bytes(bytes, bytes + reply.data.size);
}

Result<std::vector<NodeAnswer>> Connection::nodes() {
  const Result<Bytes> answer = control(CTDB_PNN_CURRENT, Control::GET_NODEMAP, {});
  if (!answer) return fail(answer.error());
  std::optional<std::vector<NodeAnswer>> nodes = decode_node_map(*answer);
  if (!nodes) return fail(ErrorCode::kInvalid, "the router's list of nodes is malformed");
  return std::move(*nodes);
}

Result<std::string> Connection::ask_all(Control opcode,
                                        const std::function<bool(uint32_t node, ByteView answer)>& take,
                                        ByteView data) {
  const Result<std::vector<NodeAnswer>> all = nodes();
  if (!all) return fail(all.error());
  std::string trouble;
  for (const NodeAnswer& node : *all) {
    if ((node.flags & (CTDB_NODE_DELETED | CTDB_NODE_DISCONNECTED)) != 0) continue;
    const Result<Bytes> answer = control(node.pnn, opcode, data);
    if (answer && take(node.pnn, *answer)) continue;
    trouble += (trouble.empty() ? "node " : "; node ") + std::to_string(node.pnn) + ": " +
               (answer ? "its answer is malformed" : answer.error().text());
  }
  return trouble;
}

Result<ctdb_db*> Connection::attach(const std::string& name, uint32_t flags) {
  ctdb_db* db = nullptr;
  const int code = ctdb_attach(client_, name.c_str(), flags, left_ms(), &db);
  if (code != 0) return fail(error(code, "attaching to " + name));
  return db;
}

Result<void> Connection::service_until(const std::function<bool()>& done) {
  while (!done()) {
    const int left = left_ms();
    if (left == 0) return fail(ErrorCode::kTimeout, "no answer in time");
    pollfd watched{ctdb_fd(client_), static_cast<short>(ctdb_events(client_)), 0};
    if (poll(&watched, 1, left) < 0 && errno != EINTR) return fail_errno("poll");
    if (const int code = ctdb_service(client_, 0); code < 0) return fail(error(code, "waiting for answers"));
  }
  return {};
}

}  // namespace ctdb::cli
