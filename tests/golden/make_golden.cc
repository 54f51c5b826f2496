// SPDX-License-Identifier: GPL-3.0-or-later
// make_golden DIR: writes the packets of our own operations anew from own_samples.h, and the manifest anew from all
// packets in DIR/packets. Run it by hand after a change of the format and read what `git diff` says: a change of
// captured packets' fields is a mistake, a change of own ones is a new version of the link protocol.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>

#include "libctdbipc/wire/reader.h"
#include "libctdbipc/wire/record_functions.h"
#include "tests/golden/describe.h"
#include "tests/golden/own_samples.h"

namespace ctdb {
namespace {

void write_own(const std::string& directory, std::string name, Operation operation, const Bytes& payload) {
  Header header{0, 79, static_cast<uint32_t>(operation), 1, 2, 3};
  Bytes packet;
  build_own(packet, header, payload);
  for (char& c : name) c = static_cast<char>(std::tolower(c));
  std::ofstream file(directory + "/packets/own_" + name + ".bin", std::ios::binary);
  file.write(reinterpret_cast<const char*>(packet.data()), static_cast<std::streamsize>(packet.size()));
}

void write_all_own(const std::string& directory) {
#define OWN(operation, type) write_own(directory, #operation, Operation::operation, sample<type>().encode());
#include "tests/golden/own_operations.def"
  write_own(directory, "CUT_CLIENTS", Operation::CUT_CLIENTS, {});
  write_own(directory, "STORE_SUSPENDED", Operation::STORE_SUSPENDED, {});
}

void write_packet(const std::string& directory, const std::string& name, const Bytes& packet) {
  std::ofstream file(directory + "/packets/" + name + ".bin", std::ios::binary);
  file.write(reinterpret_cast<const char*>(packet.data()), static_cast<std::streamsize>(packet.size()));
}

// Calls of functions that change records, and an answer of each kind.
void write_functions(const std::string& directory) {
  constexpr uint32_t kDbId = 0x7A19D84D;
  const auto call = [&](const char* name, uint32_t callid, const Bytes& data) {
    Bytes packet;
    build(packet, {0, 79, 0, 1, 2, callid & 0xFF}, ReqCall{0, kDbId, callid, 0, as_bytes("counter"), data});
    write_packet(directory, std::string("function_") + name, packet);
  };
  const auto answer = [&](const char* name, uint32_t callid, int32_t status, const Bytes& data) {
    Bytes packet;
    build(packet, {0, 79, 0, 2, 1, callid & 0xFF}, ReplyCall{status, data});
    write_packet(directory, std::string("function_answer_") + name, packet);
  };
  Bytes amount, swap, append_if;
  Writer(amount).i64(-5);
  Writer(swap).counted_bytes(as_bytes("old"));
  Writer(swap).bytes(as_bytes("new value"));
  Writer(append_if).u64(3);
  Writer(append_if).bytes(as_bytes("more"));
  call("add", CTDB_FUNC_ADD, amount);
  call("compare_and_swap", CTDB_FUNC_COMPARE_AND_SWAP, swap);
  call("append", CTDB_FUNC_APPEND, to_bytes(as_bytes("more")));
  call("append_if", CTDB_FUNC_APPEND_IF, append_if);
  call("named", CTDB_FUNC_NAMED, encode_named_call({"keep-larger", amount}));
  answer("done", CTDB_FUNC_ADD, CTDB_FUNC_STATUS_DONE, amount);
  answer("unequal", CTDB_FUNC_COMPARE_AND_SWAP, CTDB_FUNC_STATUS_UNEQUAL, to_bytes(as_bytes("current")));
  answer("failed", CTDB_FUNC_NAMED, CTDB_FUNC_STATUS_FAILED,
         to_bytes(as_bytes("record and argument must have 8 bytes")));
  answer("unknown", CTDB_FUNC_APPEND_IF, CTDB_FUNC_STATUS_UNKNOWN,
         to_bytes(as_bytes("nobody knows whether the function was run")));
}

void write_manifest(const std::string& directory) {
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory + "/packets")) {
    names.insert(entry.path().stem());
  }
  std::ofstream manifest(directory + "/manifest");
  manifest << "# Written by make_golden, checked by golden_test: what each packet says.\n";
  for (const std::string& name : names) {
    std::ifstream file(directory + "/packets/" + name + ".bin", std::ios::binary);
    const Bytes bytes(std::istreambuf_iterator<char>(file), {});
    manifest << name << ": " << describe(bytes) << "\n";
  }
}

}  // namespace
}  // namespace ctdb

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: make_golden DIR\n");
    return 2;
  }
  ctdb::write_all_own(argv[1]);
  ctdb::write_functions(argv[1]);
  ctdb::write_manifest(argv[1]);
  return 0;
}
