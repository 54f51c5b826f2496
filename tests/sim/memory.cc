// SPDX-License-Identifier: GPL-3.0-or-later
// Memory of the simulator's programs: operator new and delete of a process with one thread that makes and drops millions of
// small objects, the same sizes again and again. It replaces the C++ library's in each program that it is linked into.
//
// Invariants:
//  1. A small object lies in a block of a size class; blocks of a class share a chunk, whose class is found by the address.
//     What is dropped is the next one of its class to be used. Chunks are never given back.
//  2. Large objects are malloc()'s, which is told to keep what it has got: the next seed needs as much again.
//  3. Nothing is thread-safe.
//
// Not in builds with sanitizers: these look for errors in the use of memory, and need the library's own.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define CTDB_SIM_LIBRARY_MEMORY
#endif
#endif
#else
#define CTDB_SIM_LIBRARY_MEMORY
#endif

#ifndef CTDB_SIM_LIBRARY_MEMORY
#include <malloc.h>
#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>

namespace {

constexpr size_t kStep = 16;  // between classes: the alignment of operator new
constexpr size_t kSmall = 1024;
constexpr size_t kChunk = size_t{64} << 10;
constexpr size_t kRoom = size_t{16} << 30;  // addresses, not memory
constexpr size_t kLargest = size_t{1} << 30;

struct Free {
  Free* next;
};

Free* free_blocks[kSmall / kStep + 1];
uint8_t class_of_chunk[kRoom / kChunk];
char* room = nullptr;
char* room_end = nullptr;  // what is taken of it; afterwards small objects are malloc()'s too
char* fresh[kSmall / kStep + 1];
char* fresh_end[kSmall / kStep + 1];

void get_room() {
  mallopt(M_MMAP_THRESHOLD, static_cast<int>(kLargest));
  mallopt(M_TRIM_THRESHOLD, static_cast<int>(kLargest));
  void* got =
      mmap(nullptr, kRoom, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  room = room_end = got == MAP_FAILED ? nullptr : static_cast<char*>(got);
}

void* from_malloc(size_t size) {
  void* got = std::malloc(size == 0 ? 1 : size);
  if (got == nullptr) std::abort();  // no test runs on without memory
  return got;
}

[[gnu::noinline]] void* new_block(size_t kind) {
  if (fresh[kind] == fresh_end[kind]) {
    if (room == nullptr) get_room();
    if (room == nullptr || room_end == room + kRoom) return from_malloc(kind * kStep);
    class_of_chunk[static_cast<size_t>(room_end - room) / kChunk] = static_cast<uint8_t>(kind);
    fresh[kind] = room_end;
    room_end += kChunk;
    fresh_end[kind] = fresh[kind] + kChunk / (kind * kStep) * (kind * kStep);
  }
  char* block = fresh[kind];
  fresh[kind] += kind * kStep;
  return block;
}

inline void drop(void* object) {
  const size_t at = reinterpret_cast<uintptr_t>(object) - reinterpret_cast<uintptr_t>(room);
  if (at >= kRoom || room == nullptr) return std::free(object);
  Free* block = static_cast<Free*>(object);
  Free*& first = free_blocks[class_of_chunk[at / kChunk]];
  block->next = first;
  first = block;
}

}  // namespace

void* operator new(size_t size) {
  if (size > kSmall) return from_malloc(size);
  const size_t kind = size == 0 ? 1 : (size + kStep - 1) / kStep;
  Free* block = free_blocks[kind];
  if (block == nullptr) return new_block(kind);
  free_blocks[kind] = block->next;
  return block;
}

void operator delete(void* object) noexcept {
  drop(object);
}

void operator delete(void* object, size_t) noexcept {
  drop(object);
}
#endif  // CTDB_SIM_LIBRARY_MEMORY
