// SPDX-License-Identifier: GPL-3.0-or-later
// A client on the classic unix socket that behaves as smbd does (client-semantics §2, §3, §5): exact unpadded packets,
// replies matched by request id, messages that arrive in between kept, fetch-lock on the local tdb file. Works with our
// router and with Debian's ctdbd. For tests and benchmarks; blocking, one thread.
#ifndef TESTS_CLIENTS_CLASSIC_CLIENT_H_
#define TESTS_CLIENTS_CLASSIC_CLIENT_H_

#include <deque>
#include <memory>
#include <string>

#include "libctdbipc/base/bytes.h"
#include "libctdbipc/base/result.h"
#include "libctdbipc/base/unique_fd.h"
#include "libctdbipc/client/local_file.h"
#include "libctdbipc/wire/frame_reader.h"
#include "libctdbipc/wire/packet.h"

namespace ctdb {

class ClassicClient {
 public:
  struct Reply {
    int32_t status = 0;
    Bytes data;
    std::string text;
  };
  struct Message {
    uint64_t srvid = 0;
    Bytes data;
  };
  struct Database {
    uint32_t id = 0;
    LocalFile* file = nullptr;
    Bytes key;    // of the record that is locked
    Bytes value;  // its record header and data
  };

  // Connects and asks for the node's number. Errors: kSystem, and those of control().
  static Result<std::unique_ptr<ClassicClient>> connect(const std::string& path);
  ~ClassicClient();

  uint32_t pnn() const { return pnn_; }
  // False: the daemon has ended the connection. A local hit does not show that; smbd sees it in its event loop, and ends.
  bool connected() const;
  // REQ_CALLs sent so far: how often a record was not here.
  uint64_t calls() const { return calls_; }

  // Sends a control and waits for its answer, whatever its status. Errors: kDisconnected, kInvalid (malformed answer).
  Result<Reply> control(uint32_t node, Control opcode, uint64_t srvid, ByteView data);
  Result<void> control_noreply(uint32_t node, Control opcode, uint64_t srvid, ByteView data);

  // Errors: those of control(), kRefused, kCorrupt and kSystem (the file).
  Result<Database*> attach(const std::string& name);
  // The record is then locked and database.value is it. Asks as often as it takes.
  Result<void> fetch_lock(Database& database, ByteView key);
  Result<void> store(Database& database, ByteView data);
  // Header only, and SCHEDULE_FOR_DELETION.
  Result<void> remove(Database& database);
  void unlock(Database& database);
  // Without a lock: from the local file, or by a FETCH call.
  Result<Bytes> read(Database& database, ByteView key);

  Result<void> listen(uint64_t srvid);
  Result<void> send(uint32_t node, uint64_t srvid, ByteView data);
  // The next message; waits for it.
  Result<Message> receive();
  // How many messages can be taken without waiting.
  size_t waiting() const { return messages_.size(); }
  // Reads what the socket has and keeps it; waits until there is at least one message.
  Result<void> receive_some();

 private:
  explicit ClassicClient(UniqueFd socket);
  Result<void> send_packet();
  // Waits for the packet with this request id; messages that come first are kept.
  Result<Bytes> wait_for(uint32_t reqid);
  // Reads once; blocks.
  Result<void> read_socket();
  Result<Bytes> call(Database& database, ByteView key, uint32_t callid, uint32_t flags);

  UniqueFd socket_;
  uint64_t calls_ = 0;
  FrameReader reader_;
  Bytes out_;
  uint32_t pnn_ = CTDB_UNKNOWN_PNN;
  uint32_t last_reqid_ = 0;
  std::deque<Message> messages_;
  std::deque<std::unique_ptr<Database>> databases_;
};

}  // namespace ctdb

#endif  // TESTS_CLIENTS_CLASSIC_CLIENT_H_
