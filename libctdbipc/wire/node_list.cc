// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbipc/wire/node_list.h"

#include <algorithm>

namespace ctdb {
namespace {

constexpr size_t kDifferencesTold = 3;

// FNV-1a.
void hash_byte(uint64_t& hash, uint8_t byte) {
  hash = (hash ^ byte) * 0x100000001b3ull;
}

const NodeEntry& at(const NodeList& list, size_t pnn) {
  static const NodeEntry none;
  return pnn < list.size() ? list[pnn] : none;
}

std::string shown(const NodeEntry& node) {
  return node.empty() ? "none" : node.address + (node.witness ? " witness" : "");
}

}  // namespace

uint64_t node_list_digest(const NodeList& list) {
  uint64_t hash = 0xcbf29ce484222325ull;
  for (const uint32_t pnn : numbers_of(list)) {
    for (int shift = 0; shift < 32; shift += 8) hash_byte(hash, static_cast<uint8_t>(pnn >> shift));
    for (const char c : list[pnn].address) hash_byte(hash, static_cast<uint8_t>(c));
    hash_byte(hash, list[pnn].witness ? 1 : 0);
  }
  return hash;
}

bool in_list(const NodeList& list, uint32_t pnn) {
  return !at(list, pnn).empty();
}

bool is_witness(const NodeList& list, uint32_t pnn) {
  return at(list, pnn).witness;
}

std::vector<uint32_t> numbers_of(const NodeList& list) {
  std::vector<uint32_t> numbers;
  for (uint32_t pnn = 0; pnn < list.size(); ++pnn) {
    if (!list[pnn].empty()) numbers.push_back(pnn);
  }
  return numbers;
}

std::string node_list_difference(const NodeList& here, const NodeList& there) {
  std::string text;
  size_t found = 0;
  for (size_t pnn = 0; pnn < std::max(here.size(), there.size()); ++pnn) {
    if (at(here, pnn) == at(there, pnn)) continue;
    if (++found > kDifferencesTold) continue;
    text += (text.empty() ? "" : "; ") + ("node " + std::to_string(pnn)) + ": " + shown(at(here, pnn)) +
            " here, " + shown(at(there, pnn)) + " there";
  }
  if (found > kDifferencesTold) text += "; and " + std::to_string(found - kDifferencesTold) + " more";
  return text;
}

}  // namespace ctdb
