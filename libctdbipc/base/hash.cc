// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbipc/base/hash.h"

#include <bit>
#include <cstring>
#include <string>

#include "libctdbipc/base/random.h"

namespace ctdb {
namespace {

void mix(uint32_t& a, uint32_t& b, uint32_t& c) {
  a -= c;
  a ^= std::rotl(c, 4);
  c += b;
  b -= a;
  b ^= std::rotl(a, 6);
  a += c;
  c -= b;
  c ^= std::rotl(b, 8);
  b += a;
  a -= c;
  a ^= std::rotl(c, 16);
  c += b;
  b -= a;
  b ^= std::rotl(a, 19);
  a += c;
  c -= b;
  c ^= std::rotl(b, 4);
  b += a;
}

uint32_t final_mix(uint32_t a, uint32_t b, uint32_t c) {
  c ^= b;
  c -= std::rotl(b, 14);
  a ^= c;
  a -= std::rotl(c, 11);
  b ^= a;
  b -= std::rotl(a, 25);
  c ^= b;
  c -= std::rotl(b, 16);
  a ^= c;
  a -= std::rotl(c, 4);
  b ^= a;
  b -= std::rotl(a, 14);
  c ^= b;
  c -= std::rotl(b, 24);
  return c;
}

}  // namespace

uint32_t jenkins_hash(ByteView key) {
  uint32_t a = 0xdeadbeefu + static_cast<uint32_t>(key.size());
  uint32_t b = a;
  uint32_t c = a;
  const uint8_t* at = key.data();
  size_t left = key.size();
  while (left > 12) {
    a += load<uint32_t>(at);
    b += load<uint32_t>(at + 4);
    c += load<uint32_t>(at + 8);
    mix(a, b, c);
    at += 12;
    left -= 12;
  }
  if (left == 0) return c;
  uint8_t tail[12] = {};
  std::memcpy(tail, at, left);
  a += load<uint32_t>(tail);
  b += load<uint32_t>(tail + 4);
  c += load<uint32_t>(tail + 8);
  return final_mix(a, b, c);
}

uint32_t database_id(std::string_view name) {
  const std::string with_nul(name);
  return jenkins_hash({reinterpret_cast<const uint8_t*>(with_nul.c_str()), name.size() + 1});
}

uint64_t fingerprint(ByteView bytes) {
  uint64_t hash = 0x9e3779b97f4a7c15ULL ^ bytes.size();
  const uint8_t* at = bytes.data();
  size_t left = bytes.size();
  for (; left >= 8; at += 8, left -= 8) {
    hash = (hash ^ load<uint64_t>(at)) * 0xff51afd7ed558ccdULL;
    hash ^= hash >> 32;
  }
  uint64_t tail = 0;
  if (left > 0) std::memcpy(&tail, at, left);
  return Random::mix(hash ^ tail);
}

}  // namespace ctdb
