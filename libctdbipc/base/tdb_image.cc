// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbipc/base/tdb_image.h"

#include <bit>
#include <string_view>

#include "libctdbipc/base/hash.h"

namespace ctdb {
namespace {

constexpr std::string_view kMagic = "TDB file\n";
constexpr uint32_t kVersion = 0x2601196d;
constexpr size_t kVersionAt = 32;
constexpr size_t kChainsAt = 36;
constexpr size_t kOtherHashAt = 40;  // not 0: another hash than that of old files
constexpr size_t kFeaturesAt = 60;
constexpr size_t kMutexBytesAt = 64;
constexpr uint32_t kHasMutexes = 1;
constexpr size_t kHeaderBytes = 168;

bool has_header(ByteView at) {
  return at.size() > kHeaderBytes && as_text(at.first(kMagic.size())) == kMagic &&
         load<uint32_t>(at.data() + kVersionAt) == kVersion;
}

}  // namespace

std::optional<TdbImage> TdbImage::of(MutableBytes file) {
  if (!has_header(file) || load<uint32_t>(file.data() + kOtherHashAt) == 0) return std::nullopt;
  const uint32_t features = load<uint32_t>(file.data() + kFeaturesAt);
  if ((features & ~kHasMutexes) != 0) return std::nullopt;
  const size_t start = features == 0 ? 0 : load<uint32_t>(file.data() + kMutexBytesAt);
  if (start >= file.size() || start % 8 != 0 || !has_header(file.subspan(start))) return std::nullopt;
  MutableBytes records = file.subspan(start);
  if (records.size() > 0xFFFFFFFCu) records = records.first(0xFFFFFFFCu);
  const uint32_t chains = load<uint32_t>(records.data() + kChainsAt);
  if (chains == 0 || chains > records.size() / 4 || kHeads + size_t{4} * chains > records.size())
    return std::nullopt;
  return TdbImage(records, start, chains);
}

// The last steps of jenkins_hash() backwards: of a key that is one block every hash can be had, whatever the other two words are.
FillerKey filler_key(uint32_t hash) {
  constexpr uint32_t kBegin = 0xdeadbeefu + kFillerKeyBytes;
  uint32_t a = 0;
  uint32_t b = 0;
  uint32_t c = hash;
  c += std::rotl(b, 24);
  c ^= b;
  b += std::rotl(a, 14);
  b ^= a;
  a += std::rotl(c, 4);
  a ^= c;
  c += std::rotl(b, 16);
  c ^= b;
  b += std::rotl(a, 25);
  b ^= a;
  a += std::rotl(c, 11);
  a ^= c;
  c += std::rotl(b, 14);
  c ^= b;
  FillerKey key;
  store<uint32_t>(key.bytes, a - kBegin);
  store<uint32_t>(key.bytes + 4, b - kBegin);
  store<uint32_t>(key.bytes + 8, c - kBegin);
  return key;
}

bool is_filler(ByteView key, ByteView data) {
  return key.size() == kFillerKeyBytes && data.size() >= sizeof kFillerMark &&
         load<uint64_t>(data.data()) == kFillerMark;
}

}  // namespace ctdb
