// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/sim/trace.h"

#include <algorithm>
#include <cstdio>

#include "libctdbipc/base/hash.h"
#include "libctdbipc/wire/operations.h"
#include "libctdbipc/wire/packet.h"

namespace ctdb::sim {

Trace::Entry& Trace::next() {
  Entry& entry = kept_[count_++ % kKept];
  entry.when = queue_.now();
  entry.is_packet = false;
  entry.text.clear();
  return entry;
}

uint64_t Trace::fingerprint_of(const char* literal) {
  const uintptr_t at = reinterpret_cast<uintptr_t>(literal);
  Known& known = known_[(at ^ at >> 8) % kKnown];
  if (known.literal != literal) known = {literal, fingerprint(as_bytes(literal))};
  return known.fingerprint;
}

void Trace::finish(const Entry& entry) {
  fold(static_cast<uint64_t>(entry.when));
  fold(entry.node);
  fold(entry.what == nullptr ? 0 : fingerprint_of(entry.what));
  fold(entry.a);
  fold(entry.b);
  fold(entry.c);
  if (print_) std::fprintf(stderr, "%s\n", line(entry).c_str());
}

void Trace::add(uint32_t node, const char* what, uint64_t a, uint64_t b, uint64_t c) {
  Entry& entry = next();
  entry.node = node;
  entry.what = what;
  entry.a = a;
  entry.b = b;
  entry.c = c;
  finish(entry);
}

void Trace::packet(uint32_t node, const char* where, uint32_t from, ByteView packet) {
  const Header header = read_header(packet);
  Entry& entry = next();
  entry.node = node;
  entry.what = where;
  entry.is_packet = true;
  entry.a = from;
  entry.b = static_cast<uint64_t>(header.srcnode) << 32 | header.destnode;
  entry.c = header.reqid;
  entry.operation = header.operation;
  entry.generation = header.generation;
  fold(fingerprint(packet));
  finish(entry);
}

void Trace::note(uint32_t node, std::string_view text) {
  Entry& entry = next();
  entry.node = node;
  entry.what = nullptr;
  entry.a = entry.b = entry.c = 0;
  entry.text = text;
  fold(fingerprint(as_bytes(text)));
  finish(entry);
}

std::string Trace::line(const Entry& entry) {
  char text[256];
  const double seconds = static_cast<double>(entry.when) * 1e-9;
  if (entry.what == nullptr) {
    std::snprintf(text, sizeof text, "%11.6f n%u    ", seconds, entry.node);
    return text + entry.text;
  }
  if (!entry.is_packet) {
    std::snprintf(text, sizeof text, "%11.6f n%u    %s %llu %llu %llu", seconds, entry.node, entry.what,
                  static_cast<unsigned long long>(entry.a), static_cast<unsigned long long>(entry.b),
                  static_cast<unsigned long long>(entry.c));
    return text;
  }
  const OperationRow* row = find_operation(entry.operation);
  std::snprintf(text, sizeof text, "%11.6f n%u    %s <- %llu: %s src=%u dst=%u gen=%u reqid=%llx", seconds,
                entry.node, entry.what, static_cast<unsigned long long>(entry.a),
                row == nullptr ? "?" : row->name, static_cast<uint32_t>(entry.b >> 32),
                static_cast<uint32_t>(entry.b), entry.generation, static_cast<unsigned long long>(entry.c));
  return text;
}

std::string Trace::last(size_t count) const {
  const uint64_t have = std::min<uint64_t>({count, count_, kKept});
  std::string all;
  for (uint64_t i = count_ - have; i < count_; ++i) all += line(kept_[i % kKept]) + "\n";
  return all;
}

}  // namespace ctdb::sim
