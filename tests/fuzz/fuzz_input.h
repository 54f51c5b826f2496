// SPDX-License-Identifier: GPL-3.0-or-later
// What the fuzz targets share: numbers off the front of the input, and a check that stays on in every build.
#ifndef TESTS_FUZZ_FUZZ_INPUT_H_
#define TESTS_FUZZ_FUZZ_INPUT_H_

#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "libctdbipc/base/bytes.h"
#include "libctdbipc/wire/reader.h"

// Every target defines this; libFuzzer calls it, or replay_main.cc for the corpus.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

#define FUZZ_CHECK(expression)                                                              \
  do {                                                                                      \
    if (!(expression)) {                                                                    \
      std::fprintf(stderr, "%s:%d: broken promise: %s\n", __FILE__, __LINE__, #expression); \
      std::abort();                                                                         \
    }                                                                                       \
  } while (false)

#endif  // TESTS_FUZZ_FUZZ_INPUT_H_
