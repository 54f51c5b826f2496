// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-cli/connection.h"

#include <poll.h>

#include <algorithm>
#include <deque>

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

int ms_until(std::chrono::steady_clock::time_point deadline) {
  using std::chrono::milliseconds;
  const auto left = std::chrono::duration_cast<milliseconds>(deadline - std::chrono::steady_clock::now());
  return static_cast<int>(std::max<milliseconds::rep>(left.count(), 0));
}

Result<Bytes> data_of(const ctdb_reply& reply, const std::string& what) {
  if (reply.status < 0) {
    const std::string words = *reply.text != '\0' ? reply.text : "status " + std::to_string(reply.status);
    return fail(ErrorCode::kRefused, what + ": " + words);
  }
  const auto* bytes = static_cast<const uint8_t*>(reply.data.data);
  return Bytes(bytes, bytes + reply.data.size);
}

// A question to one node of several.
struct Question {
  uint32_t node = 0;
  std::string what;
  uint32_t id = 0;  // of the request, as long as there is no answer
  std::optional<Result<Bytes>> answer;
};

void on_answer(ctdb_client*, const ctdb_reply* reply, void* private_data) {
  auto& question = *static_cast<Question*>(private_data);
  if (reply->error != 0)
    question.answer = fail(code_of(reply->error), question.what + ": " + ctdb_strerror(reply->error));
  else
    question.answer = data_of(*reply, question.what);
}

Result<Bytes> no_answer(const std::string& what) {
  return fail(ErrorCode::kTimeout, what + ": no answer in time");
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
  return ms_until(deadline_);
}

Result<Bytes> Connection::control(uint32_t node, Control opcode, ByteView data) {
  const auto number = static_cast<uint32_t>(opcode);
  const std::string what = find_control(number)->name;
  const ctdb_control_request request{node, number, 0, 0, {data.data(), data.size()}};
  ctdb_reply reply{};
  if (const int code = ctdb_control(client_, &request, left_ms(), &reply); code != 0)
    return fail(error(code, what));
  return data_of(reply, what);
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
  const auto number = static_cast<uint32_t>(opcode);
  std::deque<Question> questions;  // requests keep pointers to them
  for (const NodeAnswer& node : *all) {
    if ((node.flags & (CTDB_NODE_DELETED | CTDB_NODE_DISCONNECTED)) != 0) continue;
    Question& question = questions.emplace_back(Question{node.pnn, find_control(number)->name, 0, {}});
    if (silent_.contains(node.pnn)) {
      question.answer = no_answer(question.what);
      continue;
    }
    const ctdb_control_request request{node.pnn, number, 0, 0, {data.data(), data.size()}};
    const int code = ctdb_control_send(client_, &request, on_answer, &question, &question.id);
    if (code != 0) question.answer = fail(error(code, question.what));
  }
  const auto answered = [](const Question& question) { return question.answer.has_value(); };
  const auto now = std::chrono::steady_clock::now();
  const Result<void> served = service_until([&] { return std::ranges::all_of(questions, answered); },
                                            std::min(deadline_, now + (deadline_ - now) / 2));
  std::string trouble;
  for (Question& question : questions) {
    if (!answered(question)) {
      (void)ctdb_cancel(client_, question.id);
      silent_.insert(question.node);
      question.answer = no_answer(question.what);
    }
    const Result<Bytes>& answer = *question.answer;
    if (answer && take(question.node, *answer)) continue;
    trouble += (trouble.empty() ? "node " : "; node ") + std::to_string(question.node) + ": " +
               (answer ? "its answer is malformed" : answer.error().text());
  }
  if (!served && served.error().code != ErrorCode::kTimeout) return fail(served.error());
  return trouble;
}

Result<ctdb_db*> Connection::attach(const std::string& name, uint32_t flags) {
  ctdb_db* db = nullptr;
  const int code = ctdb_attach(client_, name.c_str(), flags, left_ms(), &db);
  if (code != 0) return fail(error(code, "attaching to " + name));
  return db;
}

Result<void> Connection::service_until(const std::function<bool()>& done) {
  return service_until(done, deadline_);
}

Result<void> Connection::service_until(const std::function<bool()>& done, TimePoint deadline) {
  while (!done()) {
    const int left = ms_until(deadline);
    if (left == 0) return fail(ErrorCode::kTimeout, "no answer in time");
    pollfd watched{ctdb_fd(client_), static_cast<short>(ctdb_events(client_)), 0};
    if (poll(&watched, 1, left) < 0 && errno != EINTR) return fail_errno("poll");
    if (const int code = ctdb_service(client_, 0); code < 0) return fail(error(code, "waiting for answers"));
  }
  return {};
}

}  // namespace ctdb::cli
