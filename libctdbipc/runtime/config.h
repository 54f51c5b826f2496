// SPDX-License-Identifier: LGPL-3.0-or-later
// Configuration: the classic ctdb.conf (ini; cluster-semantics §15) and the nodes file (nodes_file.h), with a checker
// that names file, line and remedy. Nothing starts on a wrong configuration (exit status 78, EX_CONFIG).
#ifndef LIBCTDBIPC_RUNTIME_CONFIG_H_
#define LIBCTDBIPC_RUNTIME_CONFIG_H_

#include <cstdint>
#include <string>
#include <vector>

#include "libctdbipc/base/database_rules.h"
#include "libctdbipc/base/result.h"
#include "libctdbipc/runtime/config_text.h"
#include "libctdbipc/runtime/nodes_file.h"

namespace ctdb {

inline constexpr int kExitConfig = 78;
// The router was told to shut the node down: to whoever started it that is another thing than a signal to end.
inline constexpr int kExitShutDown = 79;
inline constexpr size_t kClusterNameBytesMax = 512;  // it travels in a HELLO, which has kHelloBytesMax
// Of the cluster's key file.
inline constexpr size_t kClusterKeyBytesMin = 32;
inline constexpr size_t kClusterKeyBytesMax = 4096;
inline constexpr uint32_t kFlightPacketsMax = 1u << 20;

enum class Quorum : uint8_t { kMajority, kLock, kNone };
enum class SpinMode : uint8_t { kNever, kAdaptive, kAlways };

// [verbs] (ours): whether and where links use RDMA.
struct VerbsConfig {
  bool enabled = true;  // "mode": auto | off
  std::string device;   // "device"; empty: the one that has the node's address
  int port = 0;         // "port"; 0: any
  int gid_index = -1;   // "gid index"; -1: the one of the node's address
  bool records = true;  // "records": record packets go over verbs too, not over a connection of the stores
  bool operator==(const VerbsConfig&) const = default;
};

struct Config {
  // [cluster]
  std::string cluster_name = "ctdb";  // "cluster name" (ours): links refuse a peer of another name
  std::string node_address;           // "node address"; empty: search the nodes file for a local address
  std::string nodes_file;             // "nodes list"; default <base>/nodes
  std::string cluster_lock;           // "cluster lock": a file, or "!" and a helper's command
  bool leader_capability = true;      // "leader capability"
  uint32_t client_grace =
      120;  // "client grace" (ours): seconds without membership until clients are sent away; 0: never
  Quorum quorum = Quorum::kMajority;  // "quorum" (ours): majority | lock | none
  std::string lock_register;  // "lock register" (ours); default <cluster lock>.register if that is a file
  uint16_t port = 4379;       // "port" (ours)
  SpinMode spin = SpinMode::kNever;  // "spin" (ours): never | adaptive | always; of router and store
  std::string
      key_file;  // "key file" (ours): the secret of all nodes; default <base>/cluster.key, if there is one
  // [database]
  std::string volatile_directory;    // default <base>/volatile
  std::string persistent_directory;  // default <base>/persistent
  std::string state_directory;       // default <base>/state
  bool tdb_mutexes = true;
  uint32_t vacuum_interval = 10;  // "vacuum interval" (ours): seconds that deleted records rest; 0: they stay
  std::vector<CopiesRule> copies;  // "copies" (ours): of the records of volatile databases, by name
  std::vector<RecordLimitRule> record_limits;  // "record limit" (ours): bytes of a value, by name
  std::vector<std::string> functions;          // "functions" (ours): plug-ins of the store, absolute paths
  // [legacy]
  bool lmaster_capability = true;
  bool start_as_stopped = false;
  bool start_as_disabled = false;
  VerbsConfig verbs;
  // [logging]
  std::string log_location = "stderr";  // stderr | syslog | journal | file:PATH
  std::string log_level = "NOTICE";     // ERROR WARNING NOTICE INFO DEBUG
  uint32_t flight_recorder =
      4096;  // "flight recorder" (ours): so many packets, at least; 0: none (flight_recorder.h)
  // Where the node lives: all derived from <base>, the directory of ctdb.conf, unless [ipc] says otherwise
  // (ours). What is configured in /etc/NAME has its databases in /var/lib/NAME and runs in /run/NAME.
  std::string run_directory;      // default <base>
  std::string socket_path;        // classic socket, default <run>/ctdbd.socket
  std::string setup_socket_path;  // default <run>/setup.socket
  std::string counters_path(const std::string& daemon) const {
    return run_directory + "/" + daemon + ".counters";
  }
  // Where the router says which address this node has, for daemons that do not see the network.
  std::string address_path() const { return run_directory + "/ctdb-router.address"; }
  std::string node_page_path() const { return run_directory + "/ctdb-node.page"; }
  std::string keeper_socket_path() const { return run_directory + "/keeper.sock"; }

  std::vector<NodeAddress> nodes;  // the nodes file, index = pnn
  uint32_t pnn = 0;                // which line is this node
};

// How a process knows which line of the nodes file is its own, when "node address" does not say.
enum class OwnAddress : uint8_t {
  kOfThisMachine,  // the router
  kOrAsRouterSaid  // all others: they may have no network, or live in another namespace
};

// Reads <base>/ctdb.conf (a missing file means all defaults) and the nodes file. All problems found are
// appended to `problems`, warnings too; the Config is returned only when none is fatal.
Result<Config> load_config(const std::string& base, std::vector<ConfigProblem>& problems,
                           OwnAddress own = OwnAddress::kOrAsRouterSaid);
// Options in which the two differ, by their names in ctdb.conf; the log level and the nodes file's contents left out.
std::vector<std::string> changed_options(const Config& before, const Config& now);

// The parser on text, for tests and fuzzers. `file` is only for messages.
Result<Config> parse_config(const std::string& base, const std::string& file, const std::string& text,
                            std::vector<ConfigProblem>& problems);

}  // namespace ctdb

#endif  // LIBCTDBIPC_RUNTIME_CONFIG_H_
