// SPDX-License-Identifier: GPL-3.0-or-later
#include "libctdbipc/runtime/flight_recorder.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace ctdb {
namespace {

class FlightRecorderTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/ctdb-flight-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    directory_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::string path() const { return flight_path(directory_, "ctdb-router"); }
  std::unique_ptr<FlightRecorder> recorder(uint32_t packets = 4) {
    auto made = FlightRecorder::open(path(), packets, 2);
    EXPECT_TRUE(made) << made.error().text();
    return made ? std::move(*made) : nullptr;
  }
  // One whose bytes all say `mark`.
  static void record(FlightRecorder& recorder, uint8_t mark, size_t size = 40) {
    const Bytes bytes(size, mark);
    CapturedPacket seen;
    seen.link = CaptureLink::kStore;
    seen.outgoing = true;
    seen.number = 7;
    seen.client = 9;
    seen.wall_ns = 1000 + mark;
    seen.bytes = bytes;
    recorder.record(seen);
  }
  // The first byte of each packet.
  std::string marks() {
    std::string out;
    const Result<Flight> flight = read_flight(path());
    if (!flight) return flight.error().text();
    for (const FlightRecord& record : flight->records) out += static_cast<char>(record.kept.at(0));
    return out;
  }

  std::string directory_;
};

TEST_F(FlightRecorderTest, KeepsTheLastOnesInOrder) {
  const auto recorder = this->recorder();
  EXPECT_EQ(marks(), "");
  for (const char mark : std::string("abcdefg")) record(*recorder, static_cast<uint8_t>(mark));
  EXPECT_EQ(marks(), "defg");
}

TEST_F(FlightRecorderTest, KeepsAsManyAsItWasToldAtLeast) {
  const auto recorder = this->recorder(5);
  for (const char mark : std::string("abcdefghij")) record(*recorder, static_cast<uint8_t>(mark));
  EXPECT_EQ(marks(), "cdefghij");
}

TEST_F(FlightRecorderTest, KeepsTheBeginningAndWhatIsKnownOfAPacket) {
  record(*recorder(), 'x', 1000);
  const Result<Flight> flight = read_flight(path());
  ASSERT_TRUE(flight);
  EXPECT_EQ(flight->pnn, 2u);
  ASSERT_EQ(flight->records.size(), 1u);
  const FlightRecord& one = flight->records[0];
  EXPECT_EQ(one.kept, Bytes(kFlightBytes, 'x'));
  EXPECT_EQ(one.packet.whole_size, 1000u);
  EXPECT_EQ(one.packet.link, CaptureLink::kStore);
  EXPECT_TRUE(one.packet.outgoing);
  EXPECT_EQ(one.packet.number, 7u);
  EXPECT_EQ(one.packet.client, 9u);
  EXPECT_EQ(one.packet.wall_ns, 1000 + 'x');
}

TEST_F(FlightRecorderTest, TheNextLifeGoesOnBehindTheLast) {
  record(*recorder(), 'a');
  record(*recorder(), 'b');
  EXPECT_EQ(marks(), "ab");
}

TEST_F(FlightRecorderTest, AnotherSizeBeginsAnew) {
  record(*recorder(4), 'a');
  record(*recorder(8), 'b');
  EXPECT_EQ(marks(), "b");
}

TEST_F(FlightRecorderTest, WhereThereIsToBeNoneNothingIsLeft) {
  record(*recorder(), 'a');
  EXPECT_TRUE(FlightRecorder::remove(path()));
  EXPECT_FALSE(std::filesystem::exists(path()));
  EXPECT_TRUE(FlightRecorder::remove(path())) << "that there was none is no error";
  EXPECT_FALSE(FlightRecorder::remove(directory_)) << "what cannot be removed is told";
}

TEST_F(FlightRecorderTest, NobodyElseMayReadIt) {
  const auto recorder = this->recorder();
  struct stat status;
  ASSERT_EQ(stat(path().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST_F(FlightRecorderTest, DamagedFilesAreNamedAndMadeAnew) {
  record(*recorder(), 'a');
  const auto size = std::filesystem::file_size(path());
  for (const size_t left : {size_t{0}, size_t{1}, size_t{127}, size - 1, size}) {
    {
      std::ofstream out(path(), std::ios::binary | std::ios::trunc);
      out << std::string(left, 'j');
    }
    EXPECT_EQ(marks(), path() + " is of another version, or damaged") << left;
    record(*recorder(), 'b');
    EXPECT_EQ(marks(), "b") << left;
  }
}

// Entry 1 lies behind the header and entry 0; its first word is its number, byte 30 says how much is kept.
TEST_F(FlightRecorderTest, AnEntryThatMakesNoSenseIsLeftOut) {
  for (const auto& [offset, byte] : {std::pair{0, char{0}}, {28, char{100}}, {31, char{127}}}) {
    {
      const auto recorder = this->recorder();
      for (const char mark : std::string("abcd")) record(*recorder, static_cast<uint8_t>(mark));
    }
    {
      std::fstream file(path(), std::ios::binary | std::ios::in | std::ios::out);
      file.seekp(128 + 128 + offset);
      file.put(byte);
    }
    EXPECT_EQ(marks(), "bcd") << offset;
    std::filesystem::remove(path());
  }
}

TEST_F(FlightRecorderTest, WhereItCannotBeMadeThatIsSaid) {
  const auto made = FlightRecorder::open(directory_ + "/nowhere/x.flight", 4, 0);
  ASSERT_FALSE(made);
  EXPECT_NE(made.error().text().find("nowhere/x.flight.new: No such file"), std::string::npos);
}

}  // namespace
}  // namespace ctdb
