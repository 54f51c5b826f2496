// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/sim/seed_range.h"

#include <poll.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <set>
#include <sstream>
#include <utility>
#include <vector>

#include "tests/sim/simulation.h"

namespace ctdb::sim {
namespace {

constexpr uint64_t kTellEveryMs = 60000;

std::string failure_of(uint64_t seed, const SeedRange& range, Figures& figures) {
  const RunResult result = run_seed(seed, range.mutation);
  figures.add(result.figures);
  if (range.twice && run_seed(seed, range.mutation).trace_hash != result.trace_hash) {
    if (result.ok) figures.add("failed", 1);
    return "twice: two runs of this seed differ";
  }
  return result.failure;
}

// What a piece, or all so far, amounts to: lines "count VALUE NAME" and "failure SEED TEXT".
std::string to_text(const RangeResult& result) {
  std::ostringstream out;
  for (const auto& [name, value] : result.figures.counts()) out << "count " << value << " " << name << "\n";
  for (const auto& [seed, text] : result.failures) out << "failure " << seed << " " << text << "\n";
  return out.str();
}

// false: not such a line.
bool add_line(const std::string& line, RangeResult& result) {
  std::istringstream in(line);
  std::string kind, text;
  uint64_t number = 0;
  if (!(in >> kind >> number)) return false;
  std::getline(in >> std::ws, text);
  if (kind == "count") {
    result.figures.add(text, number);
  } else if (kind == "failure") {
    result.failures[number] = text;
  } else {
    return false;
  }
  return true;
}

class Pieces {
 public:
  explicit Pieces(const SeedRange& range) : range_(range), next_(range.first) {}

  Result<RangeResult> run() {
    if (Result<void> loaded = load(); !loaded) return fail(loaded.error());
    seeds_before_ = total_.figures.get("seeds");
    const auto begun = std::chrono::steady_clock::now();
    while (start_some() || !children_.empty()) {
      wait_for_some();
      const auto now = std::chrono::steady_clock::now();
      wall_ms_ =
          static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(now - begun).count());
      if (Result<void> saved = save(); !saved) return fail(saved.error());
      tell_where();
    }
    total_.figures.add("wall milliseconds", wall_ms_);
    return total_;
  }

 private:
  struct Child {
    pid_t pid;
    int fd;
    uint64_t first, last;
    uint64_t* seed;  // shared: the one it is at
    std::string output;
  };

  // ---- the children ----

  [[noreturn]] void run_child(int fd, uint64_t first, uint64_t last, volatile uint64_t* at) {
    RangeResult result;
    for (uint64_t seed = first; seed <= last; ++seed) {
      *at = seed;
      const std::string failure = failure_of(seed, range_, result.figures);
      if (!failure.empty()) result.failures[seed] = failure;
    }
    const std::string text = to_text(result) + "done\n";
    for (size_t written = 0; written < text.size();) {
      const ssize_t more = write(fd, text.data() + written, text.size() - written);
      if (more <= 0) _exit(1);
      written += static_cast<size_t>(more);
    }
    _exit(0);
  }

  bool start(uint64_t first, uint64_t last) {
    int ends[2];
    if (pipe(ends) != 0) return false;
    void* shared = mmap(nullptr, sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) return false;
    uint64_t* seed = static_cast<uint64_t*>(shared);
    *seed = first;
    std::fflush(nullptr);
    const pid_t pid = fork();
    if (pid < 0) return false;
    if (pid == 0) {
      close(ends[0]);
      run_child(ends[1], first, last, seed);
    }
    close(ends[1]);
    children_.push_back({pid, ends[0], first, last, seed, ""});
    return true;
  }

  bool start_some() {
    while (children_.size() < range_.jobs && total_.failures.size() < range_.failures_max) {
      std::pair<uint64_t, uint64_t> piece;
      if (!redo_.empty()) {
        piece = redo_.back();
        redo_.pop_back();
      } else if (next_ <= range_.last) {
        piece = {next_, std::min(range_.last, next_ + range_.piece - 1)};
        next_ = piece.second + 1;
        if (done_.count(piece.first) > 0) continue;
      } else {
        break;
      }
      if (!start(piece.first, piece.second)) break;
    }
    return !children_.empty();
  }

  void wait_for_some() {
    std::vector<pollfd> polled;
    for (const Child& child : children_) polled.push_back({child.fd, POLLIN, 0});
    if (poll(polled.data(), polled.size(), 60000) <= 0) return;
    for (size_t i = polled.size(); i-- > 0;) {
      if (polled[i].revents == 0) continue;
      char buffer[65536];
      const ssize_t got = read(polled[i].fd, buffer, sizeof buffer);
      if (got > 0) {
        children_[i].output.append(buffer, static_cast<size_t>(got));
        continue;
      }
      const Child child = std::move(children_[i]);
      children_.erase(children_.begin() + static_cast<std::ptrdiff_t>(i));
      finished(child);
    }
  }

  void finished(const Child& child) {
    close(child.fd);
    waitpid(child.pid, nullptr, 0);
    const uint64_t at = *child.seed;
    munmap(child.seed, sizeof(uint64_t));
    RangeResult piece;
    bool whole = false;
    std::istringstream lines(child.output);
    for (std::string line; std::getline(lines, line);) {
      if (line == "done") whole = true;
      add_line(line, piece);
    }
    if (whole) {
      total_.figures.add(piece.figures);
      total_.failures.merge(piece.failures);
      // The first of a whole piece: what was left of one that crashed counts for itself.
      if ((child.first - range_.first) % range_.piece == 0) done_.insert(child.first);
      return;
    }
    total_.failures[at] = kCrashed;
    total_.figures.add("seeds", 1);
    total_.figures.add("failed", 1);
    if (at > child.first) redo_.emplace_back(child.first, at - 1);
    if (at < child.last) redo_.emplace_back(at + 1, child.last);
  }

  // So that somebody who looks at a run of hours sees it going on.
  void tell_where() {
    if (wall_ms_ < told_ms_ + kTellEveryMs) return;
    const uint64_t seeds = total_.figures.get("seeds"), fresh = seeds - seeds_before_;
    std::fprintf(stderr, "at %llu of %llu seeds: %zu failed, %.1f seeds a second\n",
                 static_cast<unsigned long long>(seeds),
                 static_cast<unsigned long long>(range_.last - range_.first + 1), total_.failures.size(),
                 static_cast<double>(fresh) * 1e3 / static_cast<double>(wall_ms_));
    told_ms_ = wall_ms_;
  }

  // ---- the file ----

  std::string about() const {
    return "range " + std::to_string(range_.first) + " piece " + std::to_string(range_.piece) + " mutation " +
           std::string(mutation_name(range_.mutation));
  }

  Result<void> load() {
    if (range_.resume.empty()) return {};
    std::ifstream in(range_.resume);
    if (!in) return {};  // the first time
    std::string line;
    std::getline(in, line);
    if (line != about())
      return fail(ErrorCode::kInvalid, range_.resume + ": is about '" + line + "', remove it");
    while (std::getline(in, line)) {
      std::istringstream words(line);
      std::string word;
      uint64_t first = 0;
      if (words >> word >> first && word == "done") {
        done_.insert(first);
      } else if (!add_line(line, total_)) {
        return fail(ErrorCode::kCorrupt,
                    range_.resume + ": '" + line + "' is not understood, remove the file");
      }
    }
    return {};
  }

  Result<void> save() {
    if (range_.resume.empty() || done_.size() == saved_) return {};
    saved_ = done_.size();
    RangeResult all = total_;
    all.figures.add("wall milliseconds", wall_ms_);
    const std::string fresh = range_.resume + ".new";
    std::ofstream out(fresh);
    out << about() << "\n" << to_text(all);
    for (const uint64_t first : done_) out << "done " << first << "\n";
    out.close();
    if (!out || rename(fresh.c_str(), range_.resume.c_str()) != 0) {
      return fail_errno("writing " + range_.resume);
    }
    return {};
  }

  const SeedRange range_;
  uint64_t next_;
  std::vector<std::pair<uint64_t, uint64_t>> redo_;
  std::vector<Child> children_;
  std::set<uint64_t> done_;  // pieces, by their first seed
  size_t saved_ = 0;
  uint64_t wall_ms_ = 0;       // of this process
  uint64_t told_ms_ = 0;       // when it was last told where the range is
  uint64_t seeds_before_ = 0;  // what an earlier process has done of it
  RangeResult total_;
};

}  // namespace

Result<RangeResult> run_range(const SeedRange& range) {
  return Pieces(range).run();
}

}  // namespace ctdb::sim
