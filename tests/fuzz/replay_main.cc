// SPDX-License-Identifier: GPL-3.0-or-later
// Runs a fuzz target over the files of the directories given: the corpus as a regression test in every preset.
#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/fuzz/fuzz_input.h"

int main(int argc, char** argv) {
  size_t files = 0;
  for (int i = 1; i < argc; ++i) {
    for (const auto& entry : std::filesystem::directory_iterator(argv[i])) {
      std::ifstream file(entry.path(), std::ios::binary);
      const ctdb::Bytes bytes(std::istreambuf_iterator<char>(file), {});
      LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
      ++files;
    }
  }
  std::printf("%zu inputs\n", files);
  return files == 0 ? 1 : 0;
}
