// SPDX-License-Identifier: LGPL-3.0-or-later
// What is different in a configuration that was read again.
#include "libctdbipc/runtime/config.h"

namespace ctdb {
namespace {

template <typename T>
struct Option {
  const char* name;
  T Config::*field;
};

constexpr Option<std::string> kTexts[] = {
    {"cluster name", &Config::cluster_name},
    {"node address", &Config::node_address},
    {"nodes list", &Config::nodes_file},
    {"cluster lock", &Config::cluster_lock},
    {"lock register", &Config::lock_register},
    {"key file", &Config::key_file},
    {"volatile database directory", &Config::volatile_directory},
    {"persistent database directory", &Config::persistent_directory},
    {"state database directory", &Config::state_directory},
    {"location", &Config::log_location},
    {"run directory", &Config::run_directory},
    {"socket", &Config::socket_path},
    {"setup socket", &Config::setup_socket_path},
};

constexpr Option<bool> kSwitches[] = {
    {"leader capability", &Config::leader_capability},
    {"lmaster capability", &Config::lmaster_capability},
    {"tdb mutexes", &Config::tdb_mutexes},
    {"start as stopped", &Config::start_as_stopped},
    {"start as disabled", &Config::start_as_disabled},
};

}  // namespace

std::vector<std::string> changed_options(const Config& before, const Config& now) {
  std::vector<std::string> names;
  const auto compare = [&](const char* name, const auto& a, const auto& b) {
    if (a != b) names.emplace_back(name);
  };
  for (const auto& option : kTexts) compare(option.name, before.*option.field, now.*option.field);
  for (const auto& option : kSwitches) compare(option.name, before.*option.field, now.*option.field);
  compare("quorum", before.quorum, now.quorum);
  compare("port", before.port, now.port);
  compare("spin", before.spin, now.spin);
  compare("[verbs]", before.verbs, now.verbs);
  compare("flight recorder", before.flight_recorder, now.flight_recorder);
  compare("client grace", before.client_grace, now.client_grace);
  compare("vacuum interval", before.vacuum_interval, now.vacuum_interval);
  compare("copies", before.copies, now.copies);
  compare("functions", before.functions, now.functions);
  compare("record limit", before.record_limits, now.record_limits);
  return names;
}

}  // namespace ctdb
