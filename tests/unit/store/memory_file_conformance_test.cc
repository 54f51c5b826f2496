// SPDX-License-Identifier: GPL-3.0-or-later
// The record files of unit tests and the simulator behave as those over libtdb do.
#include "ctdb-store/backend/memory_file.h"
#include "tests/unit/store/record_file_conformance.h"

namespace ctdb {
namespace {

// Passes everything on, so that each make() is a restart over the same disk.
class SameDisk : public RecordFiles {
 public:
  explicit SameDisk(MemoryFiles& disk) : disk_(disk) {}
  Result<std::unique_ptr<RecordFile>> open(const std::string& name, uint8_t db_flags, bool keep) override {
    return disk_.open(name, db_flags, keep);
  }
  void tune(uint32_t, uint32_t) override {}
  std::vector<std::string> existing() override { return disk_.existing(); }
  void discard(const std::string& name, const std::function<void(ByteView, ByteView)>& visit) override {
    disk_.discard(name, visit);
  }
  Result<void> detach(const std::string& name) override { return disk_.detach(name); }
  std::vector<std::string> detached() override { return disk_.detached(); }

 private:
  MemoryFiles& disk_;
};

struct MemoryMaker {
  std::unique_ptr<RecordFiles> make() { return std::make_unique<SameDisk>(disk); }
  void worker_locks(ByteView key) { EXPECT_TRUE(disk.database("conformance.tdb")->lock(key, kWorker)); }
  void worker_unlocks(ByteView key) { disk.database("conformance.tdb")->unlock(key, kWorker); }
  static constexpr MemoryDatabase::Holder kWorker = 7;
  MemoryFiles disk;
};
INSTANTIATE_TYPED_TEST_SUITE_P(Memory, RecordFileConformance, MemoryMaker);

}  // namespace
}  // namespace ctdb
