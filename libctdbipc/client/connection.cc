// SPDX-License-Identifier: LGPL-3.0-or-later
// Connecting, losing and re-making the connection; error names and texts; settings.
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "libctdbipc/client/client.h"
#include "libctdbipc/include/ctdb_local.h"

namespace {

constexpr const char* kDefaultSetupSocket = "/run/ctdb/setup.socket";

std::string& connect_error() {
  static thread_local std::string text;
  return text;
}

int code_of(const ctdb::Error& error) {
  switch (error.code) {
    case ctdb::ErrorCode::kSystem:
      return error.saved_errno == ENOMEM ? CTDB_ERR_NO_MEMORY : CTDB_ERR_SYSTEM;
    case ctdb::ErrorCode::kInvalid:
      return CTDB_ERR_PROTOCOL;
    case ctdb::ErrorCode::kNotFound:
      return CTDB_ERR_NOT_FOUND;
    case ctdb::ErrorCode::kRefused:
      return CTDB_ERR_REFUSED;
    case ctdb::ErrorCode::kLimit:
      return CTDB_ERR_FULL;
    case ctdb::ErrorCode::kDisconnected:
      return CTDB_ERR_DISCONNECTED;
    case ctdb::ErrorCode::kTimeout:
      return CTDB_ERR_TIMEOUT;
    case ctdb::ErrorCode::kCorrupt:
      return CTDB_ERR_DATABASE;
  }
  return CTDB_ERR_SYSTEM;
}

const char* socket_path(const char* given) {
  if (given != nullptr) return given;
  const char* from_environment = std::getenv("CTDB_SETUP_SOCKET");
  return from_environment != nullptr && *from_environment != '\0' ? from_environment : kDefaultSetupSocket;
}

// `connect` joins it to a node, or to a directory.
template <typename Connect>
int new_client(ctdb_client** client, Connect connect) {
  auto made = std::make_unique<ctdb_client>();
  int error = 0;
  if (ctdb::Result<void> claimed = made->guard.claim(); !claimed) error = made->fail(claimed.error());
  if (ctdb::Result<void> ready = made->link.prepare(); error == 0 && !ready)
    error = made->fail(ready.error());
  if (error == 0) error = connect(*made);
  if (error != 0) {
    connect_error() = made->error_text;
    return error;
  }
  *client = made.release();
  return 0;
}

int connect_to_node(ctdb_client& client, const char* setup_socket, int timeout_ms) {
  client.path = socket_path(setup_socket);
  client.link.on_control = [&client](uint32_t id, uint64_t position) {
    ctdb::Request* request = client.requests.find(id);
    if (request != nullptr && request->peer == ctdb::Peer::kRouter) request->sent_at = position;
  };
  return client.connect(timeout_ms);
}

int connect_to_directory(ctdb_client& client, const char* directory) {
  std::error_code failed;
  const std::filesystem::path path = std::filesystem::canonical(directory, failed);
  const bool is_directory = !failed && std::filesystem::is_directory(path, failed);
  if (!is_directory) {
    const std::string why = failed ? failed.message() : "it is no directory";
    return client.fail(CTDB_ERR_SYSTEM, std::string(directory) + ": " + why);
  }
  client.path = path;
  client.link.work_locally();
  return 0;
}

}  // namespace

ctdb_client::ctdb_client() = default;

ctdb_client::~ctdb_client() {
  const bool forked = !guard.owned();
  if (in_service != nullptr) *in_service = true;
  for (auto& db : databases) {
    if (!forked && db->record.locked) ctdb::unlock_record(db->record);
    if (!forked && db->transaction != nullptr && link.local()) ctdb::unlock_transactions(*db);
    if (db->file != nullptr) std::erase(db->file->waiting, this);
    ctdb::LocalFile::close(db->file);
  }
  if (forked) {
    link.abandon();
  } else {
    link.flush();
  }
}

int ctdb_client::fail(int error, std::string text) {
  error_text = std::move(text);
  return error;
}

int ctdb_client::fail(const ctdb::Error& error) {
  return fail(code_of(error), error.text());
}

int ctdb_client::connect(int timeout_ms) {
  if (ctdb::Result<void> connected = link.connect(path, timeout_ms); !connected)
    return fail(connected.error());
  loss_told_ = false;
  settle();
  return 0;
}

int ctdb_client::restore(int timeout_ms) {
  const ctdb::Deadline deadline(timeout_ms);
  if (const int error = ctdb::register_again(*this, deadline); error != 0) return error;
  for (auto& db : databases) {
    if (db->file == nullptr) continue;
    int error = ctdb::attach_blocking(*this, *db, deadline);
    // After a restart of the router the store needs a moment to find it.
    while (error == CTDB_ERR_REMOTE && deadline.left_ms() != 0 && link.up()) {
      rest(deadline);
      error = ctdb::attach_blocking(*this, *db, deadline);
    }
    if (error != 0) return error;
  }
  return 0;
}

void ctdb_client::lose(std::string why) {
  if (link.up()) link.disconnect(std::move(why));
  inbox_.clear();
  inbox_bytes_ = 0;
  restarts_untold_ = 0;
  requests.for_each([this](Request& request) {
    const int error = request.may_be_done() ? CTDB_ERR_UNKNOWN : CTDB_ERR_DISCONNECTED;
    if (request.state == Request::State::kSent && request.sync) {
      request.step(*this, request, {error, 0, {}, {}});
    } else if (request.state == Request::State::kSent || request.state == Request::State::kNoStore ||
               request.state == Request::State::kParked || request.state == Request::State::kWaits) {
      make_ready(request, error);
    } else if (request.state == Request::State::kPauses) {
      stop_timer(request);
      make_ready(request, error);
    }
  });
  error_text = link.why_down();
}

extern "C" {

int ctdb_connect(const char* setup_socket, int timeout_ms, ctdb_client** client) {
  return ctdb::guarded([&]() -> int {
    connect_error().clear();
    if (client == nullptr || timeout_ms < -1) return CTDB_ERR_INVALID;
    return new_client(client,
                      [&](ctdb_client& made) { return connect_to_node(made, setup_socket, timeout_ms); });
  });
}

int ctdb_connect_local(const char* directory, ctdb_client** client) {
  return ctdb::guarded([&]() -> int {
    connect_error().clear();
    if (client == nullptr || directory == nullptr) return CTDB_ERR_INVALID;
    return new_client(client, [&](ctdb_client& made) { return connect_to_directory(made, directory); });
  });
}

int ctdb_is_local(const ctdb_client* client) {
  const int error = ctdb::check(client);
  return error != 0 ? error : client->link.local() ? 1 : 0;
}

void ctdb_disconnect(ctdb_client* client) {
  if (client == nullptr) return;
  if (client->in_service != nullptr && client->guard.owned()) {
    client->closing = true;  // service() deletes it when it is done with it
    return;
  }
  delete client;
}

int ctdb_reconnect(ctdb_client* client, int timeout_ms) {
  return ctdb::guarded([&]() -> int {
    if (const int error = ctdb::check(client); error != 0) return error;
    if (timeout_ms < -1) return CTDB_ERR_INVALID;
    if (client->link.up()) return 0;
    if (const int error = client->may_wait(); error != 0) return error;
    const uint32_t pnn = client->link.pnn();
    int error = client->connect(timeout_ms);
    if (error == 0 && client->link.pnn() != pnn) {
      error = client->fail(CTDB_ERR_REFUSED, "the socket now belongs to another node");
    }
    if (error == 0) error = client->restore(timeout_ms);
    if (error != 0) {
      const std::string why = client->error_text;
      client->lose(why);
      client->error_text = why;
    }
    return error;
  });
}

const char* ctdb_error_text(const ctdb_client* client) {
  return client == nullptr ? connect_error().c_str() : client->error_text.c_str();
}

int ctdb_pnn(const ctdb_client* client, uint32_t* pnn) {
  if (const int error = ctdb::check(client); error != 0) return error;
  if (pnn == nullptr) return CTDB_ERR_INVALID;
  *pnn = client->link.pnn();
  return 0;
}

int ctdb_set_spin(ctdb_client* client, int mode) {
  if (const int error = ctdb::check(client); error != 0) return error;
  if (mode < CTDB_SPIN_NEVER || mode > CTDB_SPIN_ALWAYS) return CTDB_ERR_INVALID;
  client->spin_mode = mode;
  return 0;
}

int ctdb_get_stats(const ctdb_client* client, ctdb_stats* stats, size_t bytes) {
  if (const int error = ctdb::check(client); error != 0) return error;
  if (stats == nullptr) return CTDB_ERR_INVALID;
  std::memset(stats, 0, bytes);
  std::memcpy(stats, &client->stats, std::min(bytes, sizeof client->stats));
  return 0;
}

const char* ctdb_strerror(int error) {
  switch (error) {
    case 0:
      return "success";
    case CTDB_ERR_INVALID:
      return "invalid argument";
    case CTDB_ERR_NO_MEMORY:
      return "out of memory";
    case CTDB_ERR_SYSTEM:
      return "system call failed";
    case CTDB_ERR_TIMEOUT:
      return "timed out";
    case CTDB_ERR_DISCONNECTED:
      return "disconnected";
    case CTDB_ERR_FORKED:
      return "the connection belongs to the parent process";
    case CTDB_ERR_BUSY:
      return "not while a record is locked or a callback runs";
    case CTDB_ERR_NOT_LOCKED:
      return "the record is not locked";
    case CTDB_ERR_TOO_BIG:
      return "too big";
    case CTDB_ERR_FULL:
      return "too much under way";
    case CTDB_ERR_REFUSED:
      return "connection refused by the router";
    case CTDB_ERR_REMOTE:
      return "a daemon reported a failure";
    case CTDB_ERR_PROTOCOL:
      return "malformed answer";
    case CTDB_ERR_DATABASE:
      return "local database failed";
    case CTDB_ERR_DAMAGED:
      return "the local database is being repaired";
    case CTDB_ERR_EXISTS:
      return "exists already";
    case CTDB_ERR_FENCED:
      return "the node may not serve now: nothing was written";
    case CTDB_ERR_CONFLICT:
      return "the transaction lost its lock: nothing was written";
    case CTDB_ERR_UNEQUAL:
      return "the condition does not hold";
    case CTDB_ERR_NO_COUNTER:
      return "the record is not a counter";
    case CTDB_ERR_OVERFLOW:
      return "the sum does not fit into 64 bits";
    case CTDB_ERR_UNKNOWN:
      return "it may have been done or not";
    case CTDB_ERR_NOT_COPIED:
      return "the change may be on no other node";
    case CTDB_ERR_NOT_FOUND:
      return "not found";
    default:
      return "unknown error";
  }
}

}  // extern "C"
