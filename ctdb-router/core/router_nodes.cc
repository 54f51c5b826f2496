// SPDX-License-Identifier: GPL-3.0-or-later
// The nodes file while the router runs: reading it again, links to new nodes, none to removed ones.
//
// A node that was removed keeps its link while recoveryd says that it votes: without it a cluster of two could not decide
// that only one is left (ARCHITECTURE §5, "Who votes").
#include <algorithm>
#include <utility>

#include "ctdb-router/core/router.h"
#include "libctdbipc/base/assert.h"

namespace ctdb {
namespace {

std::string node(uint32_t pnn) {
  return "node " + std::to_string(pnn);
}

std::string all_of(const char* what, const std::vector<uint32_t>& nodes) {
  std::string text;
  for (const uint32_t pnn : nodes) text += " " + std::to_string(pnn);
  return text.empty() ? "" : std::string("; ") + what + text;
}

}  // namespace

// Deleted nodes show the address 0.0.0.0 and the port of all (wire-protocol §7.3, §7.4).
RouterNode Router::deleted_node() const {
  constexpr uint16_t kInet = 2;
  const Bytes& own = nodes_[pnn_].address;
  RouterNode node;
  node.deleted = true;
  node.address.assign(own.size(), 0);
  store(node.address.data(), kInet);
  std::copy_n(own.begin() + 2, 2, node.address.begin() + 2);
  return node;
}

NodeList Router::node_list() const {
  NodeList list;
  for (const RouterNode& node : nodes_) {
    list.push_back(node.deleted ? NodeEntry() : NodeEntry(node.text, node.witness));
  }
  return list;
}

bool Router::takes_part(uint32_t pnn) const {
  const bool active = nodes_[pnn].linked && (flags_of(pnn) & CTDB_NODE_INACTIVE) == 0;
  return active || std::binary_search(state_.members.begin(), state_.members.end(), pnn);
}

std::string Router::why_not_reload(const std::vector<RouterNode>& fresh) const {
  const auto gone = [&fresh](uint32_t pnn) { return pnn >= fresh.size() || fresh[pnn].deleted; };
  if (gone(pnn_)) return node(pnn_) + ", this one, is not in the nodes file any more: stop its daemons";
  for (uint32_t pnn = 0; pnn < nodes_.size(); ++pnn) {
    if (nodes_[pnn].deleted) continue;
    if (gone(pnn)) {
      if (takes_part(pnn)) return node(pnn) + " is not in the nodes file any more but active: stop it first";
    } else if (fresh[pnn].text != nodes_[pnn].text) {
      return "the address of " + node(pnn) + " changes from " + nodes_[pnn].text + " to " + fresh[pnn].text +
             ": remove the node, reload, and add it again";
    } else if (fresh[pnn].witness != nodes_[pnn].witness) {
      return node(pnn) + (fresh[pnn].witness ? " becomes a witness" : " is a witness no more") +
             ": remove the node, reload, and add it again";
    }
  }
  return "";
}

// No reason to refuse: they may have voted before, and one node that becomes three is a cluster's usual beginning.
void Router::warn_of_many_new(const std::vector<RouterNode>& fresh) {
  size_t listed = 0;
  size_t fresh_ones = 0;
  for (uint32_t pnn = 0; pnn < fresh.size(); ++pnn) {
    if (fresh[pnn].deleted) continue;
    ++listed;
    if (!std::binary_search(state_.voters.begin(), state_.voters.end(), pnn)) ++fresh_ones;
  }
  if (state_.voters.empty() || fresh_ones <= listed / 2) return;
  out_.log(
      std::to_string(fresh_ones) + " of " + std::to_string(listed) +
      " nodes are new and have no vote yet: do not start them where they cannot reach the others, or they "
      "take themselves for a cluster of their own");
}

// Returns why it was not done.
std::string Router::reload_nodes() {
  std::vector<RouterNode> fresh;
  if (std::string wrong = out_.nodes_file(fresh); !wrong.empty()) return wrong;
  if (std::string wrong = why_not_reload(fresh); !wrong.empty()) return wrong;
  warn_of_many_new(fresh);
  std::vector<uint32_t> added;
  std::vector<uint32_t> removed;
  const size_t size = std::max(nodes_.size(), fresh.size());
  fresh.resize(size, deleted_node());
  nodes_.resize(size, deleted_node());
  for (uint32_t pnn = 0; pnn < size; ++pnn) {
    RouterNode& now = nodes_[pnn];
    if (now.deleted != fresh[pnn].deleted) (now.deleted ? added : removed).push_back(pnn);
    fresh[pnn].linked = now.linked;
    fresh[pnn].session = now.session;
    fresh[pnn].awaited_until = now.awaited_until;
    now = std::move(fresh[pnn]);
  }
  out_.log("the nodes file was read again: " + std::to_string(numbers_of(node_list()).size()) + " nodes" +
           all_of("added", added) + all_of("removed", removed));
  tell_recoveryd_nodes();
  // A link that came up again while the node was out may be unknown there: recoveryd is the first to know who votes no more,
  // and refuses to hear of links to such a node.
  for (const uint32_t pnn : added) {
    if (nodes_[pnn].linked) tell_link_state(pnn);
  }
  set_peers();
  return "";
}

std::string Router::why_not_edit(const EditNodes& edit) const {
  if (edit.digest != node_list_digest(node_list()))
    return "it works with another list of nodes: reload its nodes file";
  if (state_.leader == CTDB_UNKNOWN_PNN)
    return "it knows no leader: who votes cannot change without a quorum";
  // One at a time: several new ones could take themselves for a cluster that starts for the first time.
  for (const uint32_t pnn : numbers_of(node_list())) {
    if (edit.add && !std::binary_search(state_.voters.begin(), state_.voters.end(), pnn))
      return node(pnn) + " is new and has no vote yet: start it first, or remove it";
  }
  if (edit.add || edit.pnn >= nodes_.size() || nodes_[edit.pnn].deleted || !takes_part(edit.pnn)) return "";
  return node(edit.pnn) + " is active: stop it first";
}

// Whoever asked for a change may rely on it once he is answered, so that is when it is on the disk.
void Router::edit_nodes(const Origin& origin, const EditNodes& edit) {
  std::string wrong = why_not_edit(edit);
  if (wrong.empty() && editor_) wrong = "its nodes file is being changed: try again";
  if (wrong.empty()) wrong = out_.edit_nodes_file(edit);
  if (!wrong.empty()) return reply(origin, -1, {}, wrong);
  if (!edit.write) return reply(origin, 0);
  editor_ = origin;
}

void Router::on_nodes_file_edited(const std::string& wrong) {
  CTDB_ASSERT(editor_.has_value());
  const Origin origin = *std::exchange(editor_, std::nullopt);
  reply(origin, wrong.empty() ? 0 : -1, {}, wrong);
}

// It will find nobody, or another with the same number; the change goes on.
void Router::forget_editor(uint32_t client, uint32_t node) {
  if (editor_ && editor_->client == client && editor_->node == node) editor_->noreply = true;
}

void Router::set_peers() {
  NodeList peers;
  for (uint32_t pnn = 0; pnn < nodes_.size(); ++pnn) {
    const RouterNode& node = nodes_[pnn];
    const bool leaves =
        node.deleted && node.linked && std::binary_search(state_.voters.begin(), state_.voters.end(), pnn);
    if (leaves && pnn < peers_.size()) {
      peers.push_back(peers_[pnn]);
    } else {
      peers.push_back(node.deleted || pnn == pnn_ ? NodeEntry() : NodeEntry(node.text));
    }
  }
  if (peers == peers_) return;
  peers_ = peers;
  out_.set_peers(peers_);
}

void Router::tell_recoveryd_nodes() {
  if (!recoveryd_up_) return;
  NodeListMessage message;
  message.nodes = node_list();
  build_own(built_, {0, state_.generation, static_cast<uint32_t>(Operation::NODE_LIST), pnn_, pnn_, 0},
            message.encode());
  out_.to_recoveryd(Lane::kControl, 0, built_);
}

}  // namespace ctdb
