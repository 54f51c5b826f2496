// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-router/core/traverses.h"

#include <algorithm>

#include "libctdbipc/wire/operations.h"
#include "libctdbipc/wire/reader.h"

namespace ctdb {
namespace {

// traverse_start, and the same with a flag behind it (wire-protocol §7.5).
constexpr size_t kStartBytes = 16;

bool is_start(uint32_t opcode) {
  return opcode == static_cast<uint32_t>(Control::TRAVERSE_START) ||
         opcode == static_cast<uint32_t>(Control::TRAVERSE_START_EXT);
}

Bytes element(uint32_t reqid, ByteView key) {
  Bytes out;
  Writer w(out);
  w.u32(static_cast<uint32_t>(16 + key.size()));
  w.u32(reqid);
  w.u32(static_cast<uint32_t>(key.size()));
  w.u32(0);
  w.bytes(key);
  return out;
}

}  // namespace

bool Traverses::runs_for(uint32_t client) const {
  return std::ranges::find(running_, client, &RunningTraverse::client) != running_.end();
}

void Traverses::asked(uint32_t client, uint32_t request, const ReqControl& control) {
  if (!is_start(control.opcode) || request == 0 || control.data.size() < kStartBytes) return;
  Reader reader(control.data);
  reader.skip(4);
  RunningTraverse traverse;
  traverse.client = client;
  traverse.request = request;
  traverse.reqid = reader.u32();
  traverse.srvid = reader.u64();
  running_.push_back(traverse);
}

void Traverses::answered(uint32_t request, int32_t status) {
  const auto found = std::ranges::find(running_, request, &RunningTraverse::request);
  if (found == running_.end() || found->accepted) return;
  if (status == 0) {
    found->accepted = true;
  } else {
    running_.erase(found);
  }
}

void Traverses::on_message(uint32_t client, ByteView packet) {
  if (running_.empty()) return;
  const std::optional<ReqMessage> message = parse_req_message(packet);
  if (!message || message->data.size() != kStartBytes) return;
  Reader reader(message->data);
  reader.skip(4);
  const uint32_t reqid = reader.u32();
  if (reader.u64() != 0) return;  // key and data sizes
  const auto found = std::ranges::find_if(running_, [&](const RunningTraverse& one) {
    return one.client == client && one.reqid == reqid && one.srvid == message->srvid;
  });
  if (found != running_.end()) running_.erase(found);
}

void Traverses::client_gone(uint32_t client) {
  std::erase_if(running_, [client](const RunningTraverse& one) { return one.client == client; });
}

std::vector<RunningTraverse> Traverses::take_accepted() {
  std::vector<RunningTraverse> accepted;
  std::ranges::copy_if(running_, std::back_inserter(accepted), &RunningTraverse::accepted);
  running_.clear();
  return accepted;
}

std::vector<Bytes> failed_traverse_elements(uint32_t reqid) {
  constexpr uint8_t kKey = 0;
  return {element(reqid, {&kKey, 1}), element(reqid, {})};
}

}  // namespace ctdb
