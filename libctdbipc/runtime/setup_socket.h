// SPDX-License-Identifier: LGPL-3.0-or-later
// The set-up socket: SOCK_SEQPACKET, one per node, served by the router. A process connects, sends one
// SetupRequest and receives SetupReply with the descriptors of its channels; the connection then stays open:
// its end tells both sides that the other is gone. Peer credentials come from SO_PEERCRED.
//
//   role client    : two channels: [0] router (messages, controls), [1] store (calls). When the store is
//                    (re)started later, a ChannelReplaced with a new [1] arrives on the same connection.
//   role store     : one channel: [0] router. Afterwards ClientAttached/ClientDetached with the store's end
//   of each
//                    client's channel.
//   role recoveryd : two channels: [0] data, [1] control.
#ifndef LIBCTDBIPC_RUNTIME_SETUP_SOCKET_H_
#define LIBCTDBIPC_RUNTIME_SETUP_SOCKET_H_

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libctdbipc/base/result.h"
#include "libctdbipc/base/unique_fd.h"
#include "libctdbipc/ring/channel.h"
#include "libctdbipc/wire/own_messages.h"

namespace ctdb {

enum class SetupKind : uint32_t {
  kRequest = 1,          // peer -> router
  kReply = 2,            // router -> peer, with channels
  kRefused = 3,          // router -> peer, text says why; the connection ends
  kChannelReplaced = 4,  // router -> client, one channel: a new [1]
  kClientAttached = 5,   // router -> store, one channel
  kClientDetached =
      6,  // router -> store: the client is gone; store -> router: it broke its channel, cut it off
  kRecordStream = 7,  // router -> store: `descriptor` leads to the store of node `endpoint` from now on
  kRecordStreamEnd =
      8,  // router -> store: the link to node `endpoint` is down. store -> router: that stream broke
  kRenewSession = 9,  // store -> router: have a recovery made, so that the stream to node `endpoint` is used
  // Connections of classic clients in the store (ring/connection_states.h), router -> store:
  kConnectionStates = 10,  // `descriptor`: the shared states, once before the first
  kClientConnection = 11,  // `descriptor`: the connection of client `endpoint`, hand-over number `generation`
  // Keeper wires (ARCHITECTURE.md §5, "Fencing"). router -> store -> keeper: hold this end of the wire to node `endpoint`.
  // store -> router: the keeper holds it.
  kKeeperWire = 12,
  // store -> router: there is a keeper, hand over all wires. router -> store -> keeper: these were all.
  kKeeperReady = 13,
  kShutdown = 14,  // router -> store and recoveryd: end, this node was told to
  // What outlives the router (ring/client_notes.h), between those that said kKeepsClients. router -> store: keep this. store -> router, to
  // the next one: this was kept.
  kClientNotes = 15,  // `descriptor`: the notes; before the first client
  kKeptClient =
      16,  // `descriptor`: the connection of client `endpoint`, whose note is number `generation`. Until kClientDetached. Of a native
           // client its set-up connection, with one channel: the router's end.
  kKeptEnd = 17,  // store -> router: that was all, if there was anything
  // router -> client: it has taken over the client's channel from a dead router. What that had written is in the ring by now.
  // It has read all frames that begin before the position of which `pid` is the high half and `uid` the low one. `gid` 1: what the client
  // had registered still is.
  kRouterReplaced = 18,
  // As kClientNotes, which it follows, between those that said kKeepsHalves.
  kHalfPackets = 19,  // `descriptor`: ring/half_packets.h, its slots have the numbers of the notes
};

// In kRequest of a store (generation) and the router's kReply (endpoint; `pid` is then a number of its own life): this program knows kClientNotes and kKeptClient.
inline constexpr uint32_t kKeepsClients = 1;
// In kRequest of a store or client (endpoint) and the router's kReply to a store (uid): this program knows that a channel may outlive its
// router.
inline constexpr uint32_t kKeepsChannels = 1;
// In kRequest of a store and the router's kReply to it (gid): this program knows kHalfPackets.
inline constexpr uint32_t kKeepsHalves = 1;

struct SetupMessage {
  SetupKind kind = SetupKind::kRequest;
  DaemonRole role = DaemonRole::kClient;  // kRequest
  uint32_t endpoint = 0;                  // kReply, kClientAttached, kClientDetached: the client's id
  uint32_t pnn = 0;                       // kReply
  // kReply to a store: generation this node was last open in, else INVALID. kKeeperWire: the wire's number, echoed.
  // kKeeperReady: which life of the router. kClientConnection: see above.
  uint32_t generation = 0;
  uint32_t pid = 0, uid = 0, gid = 0;  // kClientAttached: the client's credentials
  std::string text;                    // kRefused
  std::vector<ChannelFds> channels;    // travel as descriptors, three per channel
  // kRecordStream, kKeeperWire on its way to the keeper: a connected socket; kReply to a client: the node page;
  // kConnectionStates, kClientConnection.
  UniqueFd descriptor;
};

// Sends one message (non-blocking). Errors: kSystem (EAGAIN: the peer does not read), kDisconnected.
Result<void> send_setup(int socket, const SetupMessage& message);
// Receives one. nullopt: nothing there now. Errors: kDisconnected (end), kInvalid (malformed; descriptors
// closed).
Result<std::optional<SetupMessage>> receive_setup(int socket);

struct PeerCredentials {
  pid_t pid = 0;
  uid_t uid = 0;
  gid_t gid = 0;
};
Result<PeerCredentials> peer_credentials(int socket);

// For the side that connects: connects, sends the request, waits for the reply at most `timeout_ms` (-1: for ever).
struct SetupConnection {
  UniqueFd socket;
  SetupMessage reply;
};
Result<SetupConnection> connect_setup(const std::string& path, DaemonRole role, int timeout_ms);
// Connects without waiting and says nothing; for the keeper's socket. Errors: kSystem (ENOENT, ECONNREFUSED: nobody there).
Result<UniqueFd> connect_unix(const std::string& path);
// Does nobody listen there? What else may be at the path is not looked at. Errors: kRefused (who does, and what to do),
// kInvalid, kSystem.
Result<void> unix_path_free(const std::string& path);
// For the router: a listening, non-blocking socket; a socket file nobody listens on is replaced. mode: file
// mode. Errors: kRefused (somebody listens there, or the path is not a socket), kInvalid (path too long),
// kSystem.
Result<UniqueFd> listen_unix(const std::string& path, int type, mode_t mode, int backlog);

}  // namespace ctdb

#endif  // LIBCTDBIPC_RUNTIME_SETUP_SOCKET_H_
