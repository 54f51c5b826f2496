// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/golden/golden.h"

#include <fstream>
#include <iterator>

namespace ctdb {

std::vector<GoldenPacket> golden_packets(const std::string& directory) {
  std::vector<GoldenPacket> packets;
  std::ifstream manifest(directory + "/manifest");
  std::string line;
  while (std::getline(manifest, line)) {
    const size_t colon = line.find(": ");
    if (line.empty() || line[0] == '#' || colon == std::string::npos) continue;
    GoldenPacket packet;
    packet.name = line.substr(0, colon);
    packet.fields = line.substr(colon + 2);
    std::ifstream file(directory + "/packets/" + packet.name + ".bin", std::ios::binary);
    packet.bytes.assign(std::istreambuf_iterator<char>(file), {});
    packets.push_back(std::move(packet));
  }
  return packets;
}

}  // namespace ctdb
