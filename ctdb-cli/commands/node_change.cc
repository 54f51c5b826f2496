// SPDX-License-Identifier: GPL-3.0-or-later
// node add, node remove: the nodes files of all nodes that can be reached, in two steps. First each is asked whether it could
// change its file; only when all can, all do, and read it. A node that is not there gets the file from its administrator.
#include <algorithm>

#include "ctdb-cli/connection.h"
#include "ctdb-cli/text.h"
#include "libctdbipc/base/limits.h"
#include "libctdbipc/wire/layout.h"
#include "libctdbipc/wire/node_list.h"
#include "libctdbipc/wire/own_messages.h"

namespace ctdb::cli {
namespace {

std::string name(uint32_t pnn) {
  return "node " + std::to_string(pnn);
}

// Without the name of the control, which nobody who reads it has asked for.
std::string words_of(const Error& error) {
  const std::string text = error.text();
  const size_t colon = text.find(": ");
  return error.code == ErrorCode::kRefused && colon != std::string::npos ? text.substr(colon + 2) : text;
}

struct Place {
  NodeAnswer node;
  bool reachable = false;
  std::string result;
  bool failed = false;
};

class Change {
 public:
  Change(Connection& connection, EditNodes edit) : connection_(connection), edit_(std::move(edit)) {}

  // Whom it concerns, what their files say. `chosen`: the number of a node that is added; else the next one is taken.
  Result<void> look(std::optional<uint32_t> chosen) {
    const Result<std::vector<NodeAnswer>> all = connection_.nodes();
    if (!all) return fail(all.error());
    const Result<NodeList> own = file_of(CTDB_PNN_CURRENT);
    if (!own) return fail(own.error());
    edit_.digest = node_list_digest(*own);
    if (edit_.add) edit_.pnn = chosen.value_or(static_cast<uint32_t>(own->size()));
    if (!edit_.add && !in_list(*own, edit_.pnn))
      return fail(ErrorCode::kRefused, "there is no " + name(edit_.pnn));
    if (edit_.pnn >= kNodesMax)
      return fail(ErrorCode::kRefused, "there is no number left, choose one with --id");
    for (const NodeAnswer& node : *all) {
      if ((node.flags & CTDB_NODE_DELETED) != 0) continue;
      if (!edit_.add && node.pnn == edit_.pnn) continue;
      places_.push_back({node, (node.flags & CTDB_NODE_DISCONNECTED) == 0, "", false});
    }
    return same_files(*own);
  }

  // false: somebody said no, and nothing has been changed.
  bool possible() {
    edit_.write = false;
    return each(Control::EDIT_NODES_FILE, "possible");
  }
  bool write() {
    edit_.write = true;
    return each(Control::EDIT_NODES_FILE, "written");
  }
  bool reload() { return each(Control::RELOAD_NODES_FILE, "done"); }

  const EditNodes& edit() const { return edit_; }
  size_t unreachable() const {
    return static_cast<size_t>(
        std::count_if(places_.begin(), places_.end(), [](const Place& place) { return !place.reachable; }));
  }
  std::string troubles() const {
    std::vector<std::string> lines;
    for (const Place& place : places_) {
      if (place.failed) lines.push_back(name(place.node.pnn) + ": " + place.result);
    }
    return joined(lines, "; ");
  }
  Table table() const {
    Table table{"nodes", {"node", "address", "result"}, {}};
    for (const Place& place : places_) {
      const std::string result =
          place.reachable ? place.result : "not reachable: give it the new file before it starts";
      table.rows.push_back({static_cast<uint64_t>(place.node.pnn), place.node.address, result});
    }
    return table;
  }

 private:
  Result<NodeList> file_of(uint32_t pnn) {
    const Result<Bytes> answer = connection_.control(pnn, Control::GET_NODES_FILE, {});
    if (!answer) return fail(answer.error());
    const std::optional<std::vector<NodeAnswer>> nodes = decode_node_map(*answer);
    if (!nodes) return fail(ErrorCode::kInvalid, "the list of nodes is malformed");
    NodeList list;
    for (const NodeAnswer& node : *nodes) {
      list.push_back({node.address, (node.flags & CTDB_NODE_WITNESS) != 0});
    }
    return list;
  }

  Result<void> same_files(const NodeList& own) {
    for (const Place& place : places_) {
      if (!place.reachable) continue;
      const Result<NodeList> theirs = file_of(place.node.pnn);
      if (!theirs) return fail(Error(theirs.error()).in(name(place.node.pnn)));
      const std::string difference = node_list_difference(own, *theirs);
      if (!difference.empty()) {
        return fail(ErrorCode::kRefused, "the nodes file of " + name(place.node.pnn) + " differs: " +
                                             difference + ". Make them the same and reload them first");
      }
    }
    return {};
  }

  // All are asked, also when one says no: who reads the answer wants to know of every obstacle.
  bool each(Control control, const char* good) {
    bool all = true;
    for (Place& place : places_) {
      if (!place.reachable || place.failed) continue;
      const Bytes data = control == Control::EDIT_NODES_FILE ? edit_.encode() : Bytes();
      const Result<Bytes> answer = connection_.control(place.node.pnn, control, data);
      place.failed = !answer;
      place.result = answer ? good : words_of(answer.error());
      all = all && answer.has_value();
    }
    return all;
  }

  Connection& connection_;
  EditNodes edit_;
  std::vector<Place> places_;
};

Outcome make(Change& change) {
  const EditNodes& edit = change.edit();
  const std::string node =
      name(edit.pnn) + (edit.add ? " (" + edit.address + (edit.witness ? ", a witness)" : ")") : "");
  Outcome outcome;
  Report& report = outcome.report;
  report.json_field("node", static_cast<uint64_t>(edit.pnn));
  if (!change.possible()) {
    outcome.exit = Exit::kFailed;
    outcome.error = "nothing was changed: " + change.troubles();
    report.json_field("changed", false);
    report.tables.push_back(change.table());
    return outcome;
  }
  const bool written = change.write();
  const bool good = change.reload() && written;
  report.headline.push_back(node + (edit.add
                                        ? " is in the nodes file now: start its daemons with the same file"
                                        : " is not in the nodes file any more"));
  report.json_field("changed", true);
  report.json_field("unreachable", static_cast<uint64_t>(change.unreachable()));
  report.tables.push_back(change.table());
  if (!good) {
    outcome.exit = Exit::kFailed;
    outcome.error = "not on all nodes: " + change.troubles() + ". Put the files right there and reload them";
  }
  return outcome;
}

Outcome change_nodes(const Invocation& invocation, const EditNodes& edit, std::optional<uint32_t> chosen) {
  auto connection = Connection::open(invocation);
  if (!connection) return failed(connection.error());
  Change change(**connection, edit);
  if (Result<void> looked = change.look(chosen); !looked) return failed(looked.error());
  return make(change);
}

}  // namespace

Outcome node_add(const Invocation& invocation) {
  std::optional<uint32_t> chosen;
  if (const std::optional<std::string> word = invocation.optional("id")) {
    chosen = parse_number(*word, kNodesMax - 1);
    if (!chosen) return failed(Exit::kUsage, "'" + *word + "' is not a node number: --id takes 0 to 1023");
  }
  EditNodes edit;
  edit.witness = invocation.optional("witness").has_value();
  edit.address = canonical_address(invocation.argument("ADDRESS"));
  if (edit.address.empty())
    return failed(Exit::kUsage, "'" + invocation.argument("ADDRESS") + "' is not an IP address");
  return change_nodes(invocation, edit, chosen);
}

Outcome node_remove(const Invocation& invocation) {
  const std::optional<uint32_t> pnn = parse_number(invocation.argument("ID"), kNodesMax - 1);
  if (!pnn) return failed(Exit::kUsage, "'" + invocation.argument("ID") + "' is not a node number");
  EditNodes edit;
  edit.add = false;
  edit.pnn = *pnn;
  return change_nodes(invocation, edit, std::nullopt);
}

}  // namespace ctdb::cli
