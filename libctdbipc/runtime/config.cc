// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbipc/runtime/config.h"

#include <arpa/inet.h>
#include <ini.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <functional>
#include <iterator>
#include <map>
#include <sstream>

#include "libctdbipc/base/limits.h"
#include "libctdbipc/base/unique_fd.h"
#include "libctdbipc/runtime/quorum_names.h"
#include "libctdbipc/wire/capture.h"

namespace ctdb {
namespace {

constexpr size_t kProblemsMax = 100;  // nobody reads more, and each costs a search for the nearest option

bool parse_bool(const std::string& value, bool& out) {
  std::string low = value;
  std::transform(low.begin(), low.end(), low.begin(), [](unsigned char c) { return std::tolower(c); });
  if (low == "true" || low == "yes" || low == "1" || low == "on") return out = true, true;
  if (low == "false" || low == "no" || low == "0" || low == "off") return out = false, true;
  return false;
}

struct Parser {
  Config config;
  std::string file;
  std::vector<ConfigProblem>* problems;
  std::map<std::string, int> seen;  // "section/key" -> line
};

// Returns what is wrong with the value, or empty.
using Setter = std::function<std::string(Config&, const std::string&)>;

Setter text_option(std::string Config::*field) {
  return [field](Config& config, const std::string& value) {
    config.*field = value;
    return std::string();
  };
}

std::string not_absolute(const std::string& path) {
  return path[0] == '/' ? "" : "'" + path.substr(0, 64) + "' is no absolute path|begin it with /";
}

// A relative one would be another for each daemon, and for ctdb-cli, that is started elsewhere.
Setter path_option(std::string Config::*field) {
  return [field](Config& config, const std::string& value) {
    config.*field = value;
    return not_absolute(value);
  };
}

std::string set_bool(bool& field, const std::string& value) {
  return parse_bool(value, field) ? "" : "'" + value + "' is not a boolean|write true or false";
}

Setter bool_option(bool Config::*field) {
  return [field](Config& config, const std::string& value) { return set_bool(config.*field, value); };
}

std::string set_level(Config& config, const std::string& value) {
  static const char* const kLevels[] = {"ERROR", "WARNING", "NOTICE", "INFO", "DEBUG"};
  for (const char* level : kLevels) {
    if (value == level) {
      config.log_level = value;
      return "";
    }
  }
  return "'" + value + "' is not a log level|write ERROR, WARNING, NOTICE, INFO or DEBUG";
}

std::string set_location(Config& config, const std::string& value) {
  const bool known = value == "stderr" || value == "journal" || value == "syslog" ||
                     value.rfind("syslog:", 0) == 0 || value.rfind("file:/", 0) == 0;
  if (!known) {
    return "'" + value + "' is not a log location|write stderr, syslog, journal or file:/PATH";
  }
  config.log_location = value;
  return "";
}

std::string set_flight_recorder(Config& config, const std::string& value) {
  const char* const last = value.data() + value.size();
  const auto [end, error] = std::from_chars(value.data(), last, config.flight_recorder);
  if (error == std::errc() && end == last && config.flight_recorder <= kFlightPacketsMax) return "";
  return "'" + value + "' is no number of packets|write one up to " + std::to_string(kFlightPacketsMax) +
         ", or 0 for no flight recorder";
}

std::string set_cluster_name(Config& config, const std::string& value) {
  config.cluster_name = value;
  if (value.size() <= kClusterNameBytesMax) return "";
  return "a cluster name of " + std::to_string(value.size()) + " bytes|write one of at most " +
         std::to_string(kClusterNameBytesMax);
}

std::string set_address(Config& config, const std::string& value) {
  config.node_address = canonical_address(value);
  return config.node_address.empty() ? "'" + value + "' is not an IP address|write it in digits" : "";
}

std::string set_nodes_list(Config& config, const std::string& value) {
  if (value[0] == '!') return "a command as nodes list is not supported|name a file";
  config.nodes_file = value;
  return not_absolute(value);
}

std::string set_quorum(Config& config, const std::string& value) {
  const auto* const name = std::ranges::find(kQuorumNames, value);
  if (name != kQuorumNames.end()) return config.quorum = static_cast<Quorum>(name - kQuorumNames.begin()), "";
  return "'" + value + "' is not a quorum rule|write majority, lock or none";
}

std::string set_spin(Config& config, const std::string& value) {
  if (value == "never") return config.spin = SpinMode::kNever, "";
  if (value == "adaptive") return config.spin = SpinMode::kAdaptive, "";
  if (value == "always") return config.spin = SpinMode::kAlways, "";
  return "'" + value + "' is no way to wait|write never, adaptive or always";
}

// -1: it is no number from `least` to `most`.
int parse_number(const std::string& value, int least, int most) {
  int number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  const bool good = error == std::errc() && end == value.data() + value.size();
  return good && number >= least && number <= most ? number : -1;
}

std::string set_port(Config& config, const std::string& value) {
  const int number = parse_number(value, 1, 65535);
  if (number < 0) return "'" + value + "' is not a port|write a number from 1 to 65535";
  config.port = static_cast<uint16_t>(number);
  return "";
}

std::string set_verbs_mode(Config& config, const std::string& value) {
  config.verbs.enabled = value == "auto";
  return value == "auto" || value == "off" ? "" : "'" + value + "' is not a mode of verbs|write auto or off";
}

// Of [verbs], where one byte holds them all.
Setter verbs_number(int VerbsConfig::*field, int least) {
  return [field, least](Config& config, const std::string& value) -> std::string {
    config.verbs.*field = parse_number(value, least, 255);
    if (config.verbs.*field >= 0) return "";
    return "'" + value + "' is not such a number|write one from " + std::to_string(least) + " to 255";
  };
}

Setter seconds_option(uint32_t Config::*field) {
  return [field](Config& config, const std::string& value) -> std::string {
    constexpr int kSecondsMax = 86400;
    const int seconds = parse_number(value, 0, kSecondsMax);
    if (seconds < 0) return "'" + value + "' is not such a time|write seconds, 1 to 86400, or 0 for never";
    config.*field = static_cast<uint32_t>(seconds);
    return "";
  };
}

// Words "PATTERN=NUMBER".
std::string set_copies(Config& config, const std::string& value) {
  std::istringstream words(value);
  for (std::string word; words >> word;) {
    const size_t equals = word.rfind('=');
    const bool whole = equals != std::string::npos && equals > 0;
    const int copies = whole ? parse_number(word.substr(equals + 1), 1, kCopiesMax) : -1;
    if (copies < 0) {
      return "'" + word.substr(0, 64) +
             "' says of no database how many copies it has|write NAME=NUMBER, 1 to " +
             std::to_string(kCopiesMax);
    }
    config.copies.push_back({word.substr(0, equals), static_cast<uint8_t>(copies)});
  }
  return "";
}

// -1: it is no size a record limit may be. "64K", "1M", or bytes.
int64_t parse_record_limit(std::string_view text) {
  const char last = text.empty() ? '\0' : text.back();
  const int64_t unit = last == 'K' ? 1 << 10 : last == 'M' ? 1 << 20 : 1;
  const int number =
      parse_number(std::string(text.substr(0, text.size() - (unit > 1 ? 1 : 0))), 1, kValueBytesMax);
  const int64_t bytes = number * unit;
  return bytes >= kRecordLimitLeast && bytes <= kValueBytesMax ? bytes : -1;
}

// Words "SIZE" (all databases) or "PATTERN=SIZE".
std::string set_record_limit(Config& config, const std::string& value) {
  std::istringstream words(value);
  for (std::string word; words >> word;) {
    const size_t equals = word.rfind('=');
    const std::string pattern = equals == std::string::npos ? "*" : word.substr(0, equals);
    const int64_t bytes = parse_record_limit(word.substr(equals == std::string::npos ? 0 : equals + 1));
    if (bytes < 0 || pattern.empty()) {
      return "'" + word.substr(0, 64) +
             "' is no record limit|write SIZE or NAME=SIZE, a size being bytes, K or M, from " +
             std::to_string(kRecordLimitLeast >> 10) + "K to " + std::to_string(kValueBytesMax >> 20) + "M";
    }
    config.record_limits.push_back({pattern, static_cast<uint32_t>(bytes)});
  }
  return "";
}

std::string set_functions(Config& config, const std::string& value) {
  std::istringstream words(value);
  for (std::string word; words >> word;) {
    if (std::string wrong = not_absolute(word); !wrong.empty()) return wrong;
    if (std::ranges::find(config.functions, word) != config.functions.end())
      return "'" + word.substr(0, 64) + "' is named twice|remove one of the two";
    config.functions.push_back(word);
  }
  return "";
}

std::string set_transport(Config&, const std::string& value) {
  return value == "tcp" ? "" : "transport '" + value + "' is not supported|write tcp";
}

const std::map<std::string, Setter>& options() {
  static const std::map<std::string, Setter> table = {
      {"cluster/cluster name", set_cluster_name},
      {"cluster/node address", set_address},
      {"cluster/nodes list", set_nodes_list},
      {"cluster/cluster lock", text_option(&Config::cluster_lock)},
      {"cluster/recovery lock", text_option(&Config::cluster_lock)},
      {"cluster/leader capability", bool_option(&Config::leader_capability)},
      {"cluster/quorum", set_quorum},
      {"cluster/client grace", seconds_option(&Config::client_grace)},
      {"cluster/lock register", path_option(&Config::lock_register)},
      {"cluster/port", set_port},
      {"cluster/spin", set_spin},
      {"cluster/key file", path_option(&Config::key_file)},
      {"cluster/transport", set_transport},
      {"database/volatile database directory", path_option(&Config::volatile_directory)},
      {"database/persistent database directory", path_option(&Config::persistent_directory)},
      {"database/state database directory", path_option(&Config::state_directory)},
      {"database/copies", set_copies},
      {"database/record limit", set_record_limit},
      {"database/functions", set_functions},
      {"database/vacuum interval", seconds_option(&Config::vacuum_interval)},
      {"database/tdb mutexes", bool_option(&Config::tdb_mutexes)},
      {"legacy/lmaster capability", bool_option(&Config::lmaster_capability)},
      {"legacy/start as stopped", bool_option(&Config::start_as_stopped)},
      {"legacy/start as disabled", bool_option(&Config::start_as_disabled)},
      {"verbs/mode", set_verbs_mode},
      {"verbs/device",
       [](Config& config, const std::string& value) { return config.verbs.device = value, std::string(); }},
      {"verbs/port", verbs_number(&VerbsConfig::port, 1)},
      {"verbs/gid index", verbs_number(&VerbsConfig::gid_index, 0)},
      {"verbs/records",
       [](Config& config, const std::string& value) { return set_bool(config.verbs.records, value); }},
      {"logging/location", set_location},
      {"logging/log level", set_level},
      {"logging/flight recorder", set_flight_recorder},
      {"ipc/run directory", path_option(&Config::run_directory)},
      {"ipc/socket", path_option(&Config::socket_path)},
      {"ipc/setup socket", path_option(&Config::setup_socket_path)},
  };
  return table;
}

// Options of the classic daemon that have no meaning here: accepted with a warning.
bool classic_only(const std::string& name) {
  static const char* const kNames[] = {
      "cluster/leader timeout",     "database/lock debug script",      "event/debug script",
      "failover/disabled",          "failover/shutdown extra timeout", "failover/shutdown failover timeout",
      "legacy/realtime scheduling", "legacy/script log level"};
  return std::any_of(std::begin(kNames), std::end(kNames), [&](const char* known) { return name == known; });
}

// What may have been meant: an option of this name in another section, else one that differs in few letters.
std::string meant(const std::string& section, const std::string& key) {
  constexpr size_t kNameBytesMax = 64;  // no option is that long
  const std::string name = section + "/" + key;
  std::string best;
  size_t best_distance = name.size() > kNameBytesMax ? 0 : std::max<size_t>(2, key.size() / 2);
  for (const auto& [known, setter] : options()) {
    const size_t distance = known.ends_with("/" + key) ? 0 : edit_distance(name, known);
    if (distance >= best_distance) continue;
    best = known;
    best_distance = distance;
  }
  const size_t slash = best.find('/');
  if (best.empty()) return "remove the line";
  if (section.empty()) return "write [" + best.substr(0, slash) + "] above it";
  return "did you mean '" + best.substr(slash + 1) + "' in [" + best.substr(0, slash) + "]?";
}

void take_option(Parser& parser, const std::string& section, const std::string& key, const std::string& value,
                 int line) {
  const std::string name = section + "/" + key;
  if (auto [at, fresh] = parser.seen.emplace(name, line); !fresh) {
    parser.problems->push_back(
        {parser.file, line, "'" + key + "' is set again (first in line " + std::to_string(at->second) + ")",
         "keep one of the two"});
    return;
  }
  const auto found = options().find(name);
  if (found == options().end()) {
    const bool known = classic_only(name);
    parser.problems->push_back({parser.file, line,
                                "option '" + key + (section.empty() ? "'" : "' in [" + section + "]") +
                                    (known             ? " has no meaning here and is ignored"
                                     : section.empty() ? " stands in no section"
                                                       : " is unknown"),
                                known ? "it may be removed" : meant(section, key), !known});
    return;
  }
  const std::string wrong = value.empty() ? "'" + key + "' has no value|write one or remove the line"
                                          : found->second(parser.config, value);
  if (wrong.empty()) return;
  const size_t bar = wrong.find('|');
  const char* comment = value.find(" #") == std::string::npos ? "" : ", and comments on lines of their own";
  parser.problems->push_back({parser.file, line, wrong.substr(0, bar), wrong.substr(bar + 1) + comment});
}

// Feeds inih line by line: so we know the line number (Debian builds inih without INI_HANDLER_LINENO) and
// name every bad line (inih names the first). Lines come trimmed: an indented one is an option like any
// other.
struct LineSource {
  std::istringstream text;
  int line = 0;
  Parser* parser;
};

bool well_formed(const std::string& line) {
  if (line.empty() || line[0] == '#' || line[0] == ';') return true;
  return line[0] == '[' ? line.find(']') != std::string::npos : line.find_first_of("=:") != std::string::npos;
}

char* next_line(char* buffer, int size, void* stream) {
  auto* source = static_cast<LineSource*>(stream);
  std::vector<ConfigProblem>& problems = *source->parser->problems;
  std::string raw;
  if (!std::getline(source->text, raw)) return nullptr;
  ++source->line;
  if (problems.size() >= kProblemsMax) {
    problems.push_back({source->parser->file, source->line, "too many problems, the rest is not checked",
                        "correct those above first"});
    return nullptr;
  }
  std::string line = trimmed(raw);
  if (!well_formed(line) || line.size() >= static_cast<size_t>(size)) {
    problems.push_back({source->parser->file, source->line, "line is neither [section] nor key = value",
                        "correct or remove it"});
    line.clear();
  }
  std::memcpy(buffer, line.c_str(), line.size() + 1);
  return buffer;
}

int on_ini(void* user, const char* section, const char* key, const char* value) {
  auto* source = static_cast<LineSource*>(user);
  take_option(*source->parser, section, trimmed(key), value == nullptr ? "" : trimmed(value), source->line);
  return 1;
}

constexpr std::string_view kEtc = "/etc/";

// However it was named: in /etc/ctdb "." is /etc/ctdb, or all files would be looked for in there.
std::string absolute(const std::string& directory) {
  std::error_code failed;
  const std::filesystem::path whole = std::filesystem::absolute(directory, failed);
  if (failed || directory.empty()) return directory;
  std::string text;
  for (const std::filesystem::path& part : whole) {
    if (part != "/" && part != "." && !part.empty()) text += "/" + part.string();
  }
  return text.empty() ? "/" : text;
}

void fill_defaults(Config& config, const std::string& base) {
  const auto set = [](std::string& field, const std::string& value) {
    if (field.empty()) field = value;
  };
  const bool installed = base.starts_with(kEtc);
  const std::string name = installed ? base.substr(kEtc.size()) : "";
  const std::string files = installed ? "/var/lib/" + name : base;
  set(config.nodes_file, base + "/nodes");
  set(config.volatile_directory, files + "/volatile");
  set(config.persistent_directory, files + "/persistent");
  set(config.state_directory, files + "/state");
  set(config.run_directory, installed ? "/run/" + name : base);
  set(config.socket_path, config.run_directory + "/ctdbd.socket");
  set(config.setup_socket_path, config.run_directory + "/setup.socket");
}

// A quorum by lock needs one, and a place for its register.
void check_cluster_lock(Config& config, const std::string& file, std::vector<ConfigProblem>& problems) {
  const std::string& lock = config.cluster_lock;
  const bool command = !lock.empty() && lock[0] == '!';
  if (config.lock_register.empty() && !lock.empty() && !command) config.lock_register = lock + ".register";
  if (config.quorum != Quorum::kLock) return;
  if (lock.empty() || lock.find_first_not_of("! \t") == std::string::npos) {
    problems.push_back(
        {file, 0, "'quorum = lock' without a cluster lock",
         "write 'cluster lock = ' and a file that all nodes share, or '!' and a helper's command"});
  } else if (config.lock_register.empty()) {
    problems.push_back({file, 0, "'quorum = lock' with a helper's command needs a place for its register",
                        "write 'lock register = ' and a file that all nodes share"});
  } else if ((command ? trimmed(lock.substr(1)) : lock)[0] != '/' || config.lock_register[0] != '/') {
    problems.push_back({file, 0, "the cluster lock or its register is no absolute path", "begin it with /"});
  }
}

bool address_is_local(const std::string& address) {
  sockaddr_storage storage{};
  socklen_t size;
  if (auto* four = reinterpret_cast<sockaddr_in*>(&storage);
      inet_pton(AF_INET, address.c_str(), &four->sin_addr) == 1) {
    four->sin_family = AF_INET;
    size = sizeof *four;
  } else {
    auto* six = reinterpret_cast<sockaddr_in6*>(&storage);
    if (inet_pton(AF_INET6, address.c_str(), &six->sin6_addr) != 1) return false;
    six->sin6_family = AF_INET6;
    size = sizeof *six;
  }
  UniqueFd probe(socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  return probe.valid() && bind(probe.get(), reinterpret_cast<sockaddr*>(&storage), size) == 0;
}

void check_sockets(const Config& config, const std::string& file, std::vector<ConfigProblem>& problems) {
  constexpr size_t kPathBytesMax = sizeof sockaddr_un::sun_path - 1;
  if (config.socket_path == config.setup_socket_path)
    problems.push_back({file, 0, "'socket' and 'setup socket' are one path, " + config.socket_path,
                        "give each its own in [ipc]"});
  for (const std::string& path : {config.socket_path, config.setup_socket_path, config.keeper_socket_path(),
                                  capture_socket(config.run_directory, "ctdb-router")}) {
    if (path.size() <= kPathBytesMax) continue;
    problems.push_back(
        {file, 0,
         path + " is longer than " + std::to_string(kPathBytesMax) + " bytes, and no socket's path may be",
         "choose a shorter directory"});
    return;
  }
}

// A unit's InaccessiblePaths= are one and the same empty directory without any rights: of those only the names can be compared.
bool same_directory(const std::string& a, const std::string& b) {
  struct stat one {};
  struct stat other {};
  if (stat(a.c_str(), &one) == 0 && stat(b.c_str(), &other) == 0 && (one.st_mode & 0777) != 0)
    return one.st_dev == other.st_dev && one.st_ino == other.st_ino;
  const auto plain = [](const std::string& path) {
    return (std::filesystem::path(path) / "").lexically_normal();
  };
  return plain(a) == plain(b);
}

// Files of both kinds are named alike, and a store that starts empties or removes what is in the volatile directory.
void check_directories(const Config& config, const std::string& file, std::vector<ConfigProblem>& problems) {
  const std::string& persistent = config.persistent_directory;
  for (const std::string& other : {config.volatile_directory, config.volatile_directory + "/replicated"}) {
    if (!same_directory(other, persistent)) continue;
    problems.push_back({file, 0,
                        "persistent databases would be lost: " + persistent + " is where volatile ones are",
                        "give them directories of their own in [database]"});
  }
}

// What can be told without reading it: only the router needs to be allowed that.
void check_key_file(Config& config, const std::string& base, std::vector<ConfigProblem>& problems) {
  const bool named = !config.key_file.empty();
  if (!named) config.key_file = base + "/cluster.key";
  const auto problem = [&](const std::string& text, const std::string& remedy) {
    problems.push_back({config.key_file, 0, text, remedy});
  };
  struct stat status {};
  if (stat(config.key_file.c_str(), &status) != 0) {
    if (errno == ENOENT && !named) return config.key_file.clear();
    return problem("the key file cannot be used: " + std::string(std::strerror(errno)),
                   "make one on one node and copy it to the others: head -c 48 /dev/urandom | base64");
  }
  if (!S_ISREG(status.st_mode)) return problem("the key file is not a regular file", "name another");
  if ((status.st_mode & 027) != 0)
    return problem("others may read the key file, or its group may change it",
                   "make a new key and chmod 640 it");
  if (status.st_size < static_cast<off_t>(kClusterKeyBytesMin) ||
      status.st_size > static_cast<off_t>(kClusterKeyBytesMax))
    problem("the key file has " + std::to_string(status.st_size) + " bytes",
            "put " + std::to_string(kClusterKeyBytesMin) + " to " + std::to_string(kClusterKeyBytesMax) +
                " random ones there");
}

// What the router wrote; empty when there is no such word.
std::string address_said(const Config& config) {
  const Result<std::string> text = read_config_file(config.address_path());
  return text ? canonical_address(text->substr(0, text->find('\n'))) : "";
}

void find_own_pnn(Config& config, const std::string& file, const std::string& said,
                  std::vector<ConfigProblem>& problems) {
  for (const NodeAddress& node : config.nodes) {
    if (node.deleted) continue;
    const bool mine = config.node_address.empty() ? address_is_local(node.address) || node.address == said
                                                  : node.address == config.node_address;
    if (!mine) continue;
    config.pnn = node.pnn;
    config.node_address = node.address;
    return;
  }
  if (config.node_address.empty()) {
    problems.push_back({config.nodes_file, 0, "no address of this file is an address of this machine",
                        "add this node's address, or bring its interface up", true, true});
  } else {
    problems.push_back({file, 0, "node address " + config.node_address + " is not in " + config.nodes_file,
                        "add it there, on the same line on every node"});
  }
}

}  // namespace

Result<Config> parse_config(const std::string& base, const std::string& file, const std::string& text,
                            std::vector<ConfigProblem>& problems) {
  std::vector<ConfigProblem> found;
  Parser parser{Config{}, file, &found, {}};
  if (text_is_sane(file, text, found)) {
    LineSource source{std::istringstream(text), 0, &parser};
    ini_max_line =
        static_cast<int>(kConfigLineBytesMax) + 8;  // its default of 200 would cut long lines silently
    const int bad_line = ini_parse_stream(next_line, &source, on_ini, &source);
    if (bad_line > 0) {
      found.push_back({file, bad_line, "line is neither [section] nor key = value", "correct or remove it"});
    }
  }
  fill_defaults(parser.config, base);
  check_cluster_lock(parser.config, file, found);
  check_sockets(parser.config, file, found);
  const bool bad = any_fatal(found);
  problems.insert(problems.end(), found.begin(), found.end());
  if (bad) return fail(ErrorCode::kInvalid, "configuration has errors");
  return std::move(parser.config);
}

Result<Config> load_config(const std::string& named, std::vector<ConfigProblem>& problems, OwnAddress own) {
  const std::string base = absolute(named);
  const std::string file = base + "/ctdb.conf";
  std::string text;
  if (Result<std::string> read = read_config_file(file)) {
    text = std::move(*read);
  } else if (read.error().saved_errno != ENOENT) {
    const int number = read.error().saved_errno;
    problems.push_back({file, 0, number != 0 ? std::strerror(number) : read.error().text(),
                        "let the users of the daemons read it: chmod a+r " + file});
    return fail(ErrorCode::kInvalid, "configuration has errors");
  }
  check_writers(file, problems);
  Result<Config> config = parse_config(base, file, text, problems);
  const std::string nodes_file = config ? config->nodes_file : base + "/nodes";
  std::vector<ConfigProblem> found;
  Result<std::vector<NodeAddress>> nodes = load_nodes(nodes_file, found);
  // Without a good configuration a missing file says nothing: that might name another.
  if (config || nodes || nodes.error().saved_errno == 0)
    problems.insert(problems.end(), found.begin(), found.end());
  if (!config) return config;
  if (!nodes || any_fatal(problems)) return fail(ErrorCode::kInvalid, "configuration has errors");
  config->nodes = std::move(*nodes);
  const size_t before = problems.size();
  const bool asks = own == OwnAddress::kOrAsRouterSaid;
  find_own_pnn(*config, file, asks ? address_said(*config) : "", problems);
  check_directories(*config, file, problems);
  check_key_file(*config, base, problems);
  if (problems.size() > before) return fail(ErrorCode::kInvalid, "configuration has errors");
  return config;
}

}  // namespace ctdb
