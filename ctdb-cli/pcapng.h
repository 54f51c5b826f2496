// SPDX-License-Identifier: GPL-3.0-or-later
// Captured packets as a pcapng file of link type 252 (Wireshark's "upper PDU"): each packet names the dissector that knows it, so
// that Wireshark shows it with our plugin or without. One interface for each kind of link and node. Pure: bytes go into a
// buffer that the caller writes and empties.
#ifndef CTDB_CLI_PCAPNG_H_
#define CTDB_CLI_PCAPNG_H_

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "libctdbipc/base/bytes.h"
#include "libctdbipc/wire/capture.h"

namespace ctdb::cli {

class PcapngWriter {
 public:
  // `pnn` is the node that is looked at.
  explicit PcapngWriter(uint32_t pnn);
  // `newly_dropped`: of the same source, since its packet before.
  void packet(const CapturedPacket& captured, uint64_t newly_dropped);
  // After the last packet of a source; no other place to tell it of than the interface that came last.
  void dropped_at_the_end(uint64_t newly_dropped);
  // Statistics of each interface; the last thing in a file.
  void finish(int64_t wall_ns);

  Bytes& bytes() { return bytes_; }
  uint64_t packets() const { return packets_; }

 private:
  struct Interface {
    uint64_t packets = 0, dropped = 0;
  };
  using Name = std::pair<CaptureLink, uint32_t>;
  uint32_t interface_of(const CapturedPacket& captured);
  std::string name_of(const Name& name) const;

  const uint32_t pnn_;
  Bytes bytes_;
  std::map<Name, uint32_t> numbers_;
  std::vector<Interface> interfaces_;
  uint64_t packets_ = 0;
};

}  // namespace ctdb::cli

#endif  // CTDB_CLI_PCAPNG_H_
