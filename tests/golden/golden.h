// SPDX-License-Identifier: GPL-3.0-or-later
// The golden packets: tests/golden/packets/NAME.bin, and for each one line "NAME: fields" in tests/golden/manifest.
// Most were captured between classic daemons (three nodes on loopback, command-line tool as client); the ones named
// unaligned_ have the exact lengths that smbd sends; own_ are our own operations.
#ifndef TESTS_GOLDEN_GOLDEN_H_
#define TESTS_GOLDEN_GOLDEN_H_

#include <string>
#include <vector>

#include "libctdbipc/base/bytes.h"

namespace ctdb {

struct GoldenPacket {
  std::string name;
  Bytes bytes;
  std::string fields;  // the line of the manifest, without the name
};

// All of them, in the order of the manifest. `directory` is tests/golden. Throws nothing; an unreadable file is empty.
std::vector<GoldenPacket> golden_packets(const std::string& directory);

}  // namespace ctdb

#endif  // TESTS_GOLDEN_GOLDEN_H_
