// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/clients/classic_client.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "libctdbipc/base/limits.h"
#include "libctdbipc/wire/reader.h"

namespace ctdb {
namespace {

// Builders pad as daemons do; smbd does not.
void make_exact(Bytes& packet, size_t bytes) {
  packet.resize(bytes);
  ctdb::store(packet.data() + CTDB_OFF_LENGTH, static_cast<uint32_t>(bytes));
}

Bytes name_with_nul(const std::string& name) {
  Bytes bytes = to_bytes(as_bytes(name));
  bytes.push_back(0);
  return bytes;
}

}  // namespace

ClassicClient::ClassicClient(UniqueFd socket)
    : socket_(std::move(socket)), reader_(FrameReader::Policy::kClient, kPacketBytesMax) {}

ClassicClient::~ClassicClient() {
  for (auto& database : databases_) {
    if (!database->key.empty()) unlock(*database);
    LocalFile::close(database->file);
  }
}

Result<std::unique_ptr<ClassicClient>> ClassicClient::connect(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return fail(ErrorCode::kInvalid, path + " is too long for a socket");
  path.copy(address.sun_path, path.size());
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return fail_errno("socket");
  if (::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    return fail_errno("connecting to " + path);
  }
  std::unique_ptr<ClassicClient> client(new ClassicClient(std::move(socket)));
  Result<Reply> reply = client->control(CTDB_CURRENT_NODE, Control::GET_PNN, 0, {});
  if (!reply) return fail(std::move(reply.error()));
  client->pnn_ = static_cast<uint32_t>(reply->status);
  return client;
}

Result<void> ClassicClient::send_packet() {
  ByteView left = out_;
  while (!left.empty()) {
    const ssize_t sent = ::send(socket_.get(), left.data(), left.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return fail(ErrorCode::kDisconnected, "the daemon closed the connection");
    left = left.subspan(static_cast<size_t>(sent));
  }
  return {};
}

bool ClassicClient::connected() const {
  uint8_t byte = 0;
  const ssize_t got = ::recv(socket_.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

Result<void> ClassicClient::read_socket() {
  const MutableBytes room = reader_.room();
  ssize_t got = 0;
  do {
    got = ::read(socket_.get(), room.data(), room.size());
  } while (got < 0 && errno == EINTR);
  if (got <= 0) return fail(ErrorCode::kDisconnected, "the daemon closed the connection");
  reader_.received(static_cast<size_t>(got));
  return {};
}

Result<Bytes> ClassicClient::wait_for(uint32_t reqid) {
  for (;;) {
    MutableBytes packet;
    const FrameReader::Next next = reader_.next(packet);
    if (next == FrameReader::Next::kFault) return fail(ErrorCode::kInvalid, reader_.fault());
    if (next == FrameReader::Next::kMore) {
      if (Result<void> read = read_socket(); !read) return fail(std::move(read.error()));
      continue;
    }
    if (const std::optional<ReqMessage> message = parse_req_message(packet);
        read_header(packet).operation == static_cast<uint32_t>(Operation::REQ_MESSAGE)) {
      if (message) messages_.push_back({message->srvid, to_bytes(message->data)});
    } else if (read_header(packet).reqid == reqid) {
      return to_bytes(packet);
    }
  }
}

Result<ClassicClient::Reply> ClassicClient::control(uint32_t node, Control opcode, uint64_t srvid,
                                                    ByteView data) {
  Header header;
  header.destnode = node;
  header.srcnode = pnn_ == CTDB_UNKNOWN_PNN ? 0 : pnn_;
  header.reqid = ++last_reqid_;
  build(out_, header, ReqControl{static_cast<uint32_t>(opcode), srvid, 0, 0, data});
  make_exact(out_, CTDB_REQ_CONTROL_FIXED + data.size());
  if (Result<void> sent = send_packet(); !sent) return fail(std::move(sent.error()));
  Result<Bytes> packet = wait_for(header.reqid);
  if (!packet) return fail(std::move(packet.error()));
  const std::optional<ReplyControl> reply = parse_reply_control(*packet);
  if (!reply || read_header(*packet).operation != static_cast<uint32_t>(Operation::REPLY_CONTROL)) {
    return fail(ErrorCode::kInvalid, "the answer to a control is malformed");
  }
  return Reply{reply->status, to_bytes(reply->data), std::string(reply->error)};
}

Result<void> ClassicClient::control_noreply(uint32_t node, Control opcode, uint64_t srvid, ByteView data) {
  Header header;
  header.destnode = node;
  header.srcnode = pnn_;
  header.reqid = ++last_reqid_;
  build(out_, header, ReqControl{static_cast<uint32_t>(opcode), srvid, 0, CTDB_CONTROL_NOREPLY, data});
  make_exact(out_, CTDB_REQ_CONTROL_FIXED + data.size());
  return send_packet();
}

Result<ClassicClient::Database*> ClassicClient::attach(const std::string& name) {
  const auto ask = [&](Control opcode, ByteView data) -> Result<Bytes> {
    Result<Reply> reply = control(CTDB_CURRENT_NODE, opcode, 0, data);
    if (!reply) return fail(std::move(reply.error()));
    if (reply->status != 0) return fail(ErrorCode::kRefused, "attaching to " + name + ": " + reply->text);
    return std::move(reply->data);
  };
  Result<Bytes> id = ask(Control::DB_ATTACH, name_with_nul(name));
  if (!id) return fail(std::move(id.error()));
  Result<Bytes> path = ask(Control::GETDBPATH, *id);
  if (!path) return fail(std::move(path.error()));
  Result<Bytes> flags = ask(Control::DB_OPEN_FLAGS, *id);
  if (!flags) return fail(std::move(flags.error()));
  if (id->size() != 4 || flags->size() != 4)
    return fail(ErrorCode::kInvalid, "attaching to " + name + ": bad answer");
  const std::string_view text = as_text(*path);
  Result<LocalFile*> file =
      LocalFile::open(std::string(text.substr(0, text.find('\0'))), load<uint32_t>(flags->data()));
  if (!file) return fail(std::move(file.error()));
  databases_.push_back(std::make_unique<Database>());
  databases_.back()->id = load<uint32_t>(id->data());
  databases_.back()->file = *file;
  return databases_.back().get();
}

Result<Bytes> ClassicClient::call(Database& database, ByteView key, uint32_t callid, uint32_t flags) {
  Header header;  // smbd leaves source and destination 0
  header.reqid = ++last_reqid_;
  build(out_, header, ReqCall{flags, database.id, callid, 0, key, {}});
  make_exact(out_, CTDB_REQ_CALL_FIXED + key.size());
  if (Result<void> sent = send_packet(); !sent) return fail(std::move(sent.error()));
  ++calls_;
  Result<Bytes> packet = wait_for(header.reqid);
  if (!packet) return packet;
  const std::optional<ReplyCall> reply = parse_reply_call(*packet);
  if (!reply || read_header(*packet).operation != static_cast<uint32_t>(Operation::REPLY_CALL)) {
    return fail(ErrorCode::kRefused, "the call was not answered with REPLY_CALL");
  }
  return to_bytes(reply->data);
}

Result<void> ClassicClient::fetch_lock(Database& database, ByteView key) {
  for (;;) {
    if (!database.file->lock(key)) return fail(database.file->failure());
    const LocalFile::Found found = database.file->fetch(key, database.value);
    const std::optional<RecordHeader> header = read_record_header(database.value);
    if (found == LocalFile::Found::kYes && header && header->dmaster == pnn_ &&
        (header->flags & CTDB_RECORD_RO_HAVE_DELEGATIONS) == 0) {
      database.key.assign(key.begin(), key.end());
      return {};
    }
    database.file->unlock(key);
    Result<Bytes> moved = call(database, key, CTDB_FUNC_NULL, CTDB_CALL_IMMEDIATE_MIGRATION);
    if (!moved) return fail(std::move(moved.error()));
  }
}

Result<void> ClassicClient::store(Database& database, ByteView data) {
  const ByteView header = ByteView(database.value).first(CTDB_RECORD_HEADER_SIZE);
  if (Result<void> stored = database.file->store(database.key, header, data, database.value); !stored)
    return stored;
  database.value.resize(CTDB_RECORD_HEADER_SIZE);
  database.value.insert(database.value.end(), data.begin(), data.end());
  return {};
}

Result<void> ClassicClient::remove(Database& database) {
  if (Result<void> stored = store(database, {}); !stored) return stored;
  Bytes payload;
  Writer writer(payload);
  writer.u32(database.id);
  writer.zeros(4);
  writer.bytes(database.value);
  writer.counted_bytes(database.key);
  return control_noreply(CTDB_CURRENT_NODE, Control::SCHEDULE_FOR_DELETION, database.id, payload);
}

void ClassicClient::unlock(Database& database) {
  database.file->unlock(database.key);
  database.key.clear();
}

Result<Bytes> ClassicClient::read(Database& database, ByteView key) {
  const bool there = database.file->fetch(key, database.value) == LocalFile::Found::kYes;
  const std::optional<RecordHeader> header = there ? read_record_header(database.value) : std::nullopt;
  if (header && (header->dmaster == pnn_ || (header->flags & CTDB_RECORD_RO_HAVE_READONLY) != 0)) {
    return to_bytes(ByteView(database.value).subspan(CTDB_RECORD_HEADER_SIZE));
  }
  return call(database, key, CTDB_FUNC_FETCH, header ? CTDB_CALL_WANT_READONLY : 0);
}

Result<void> ClassicClient::listen(uint64_t srvid) {
  Result<Reply> reply = control(CTDB_CURRENT_NODE, Control::REGISTER_SRVID, srvid, {});
  if (!reply) return fail(std::move(reply.error()));
  if (reply->status != 0) return fail(ErrorCode::kRefused, "registering a service: " + reply->text);
  return {};
}

Result<void> ClassicClient::send(uint32_t node, uint64_t srvid, ByteView data) {
  Header header;
  header.generation = CTDB_INVALID_GENERATION;
  header.destnode = node;
  header.srcnode = pnn_;
  build(out_, header, ReqMessage{srvid, data});
  make_exact(out_, CTDB_REQ_MESSAGE_FIXED + data.size());
  return send_packet();
}

Result<void> ClassicClient::receive_some() {
  for (;;) {
    MutableBytes packet;
    const FrameReader::Next next = reader_.next(packet);
    if (next == FrameReader::Next::kFault) return fail(ErrorCode::kInvalid, reader_.fault());
    if (next == FrameReader::Next::kMore) {
      if (!messages_.empty()) return {};
      if (Result<void> read = read_socket(); !read) return read;
      continue;
    }
    if (read_header(packet).operation != static_cast<uint32_t>(Operation::REQ_MESSAGE)) continue;
    if (const std::optional<ReqMessage> message = parse_req_message(packet)) {
      messages_.push_back({message->srvid, to_bytes(message->data)});
    }
  }
}

Result<ClassicClient::Message> ClassicClient::receive() {
  if (messages_.empty()) {
    if (Result<void> some = receive_some(); !some) return fail(std::move(some.error()));
  }
  Message message = std::move(messages_.front());
  messages_.pop_front();
  return message;
}

}  // namespace ctdb
