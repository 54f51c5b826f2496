// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-cli/recovery_picture.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <sstream>
#include <vector>

#include "ctdb-cli/databases.h"

namespace ctdb::cli {
namespace {

constexpr double kWidth = 960, kLeft = 150, kRight = 30, kTop = 70;
constexpr double kNodeHeight = 26, kDatabaseHeight = 12, kGap = 14;
constexpr size_t kDatabasesShown = 12;  // a node: those that took longest
// Colours that stay apart in grey and for the colour-blind, in the order of RecoveryStep.
constexpr std::array<const char*, static_cast<size_t>(RecoveryStep::kCount)> kColours = {
    "#cc79a7", "#0072b2", "#bcd7ea", "#d55e00", "#e69f00", "#f4dfb3"};

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", value);
  return text;
}

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '<') {
      out += "&lt;";
    } else if (c == '&') {
      out += "&amp;";
    } else if (c == '"') {
      out += "&quot;";
    } else {
      out += c;
    }
  }
  return out;
}

class Picture {
 public:
  explicit Picture(uint64_t end_ns) : end_ns_(std::max<uint64_t>(end_ns, 1)) {}

  double x(uint64_t ns) const {
    return kLeft + (kWidth - kLeft - kRight) * static_cast<double>(std::min(ns, end_ns_)) /
                       static_cast<double>(end_ns_);
  }
  void text(double at_x, double at_y, const std::string& what, const char* anchor = "start", int size = 12) {
    body_ << "<text x=\"" << number(at_x) << "\" y=\"" << number(at_y) << "\" font-size=\"" << size
          << "\" text-anchor=\"" << anchor << "\">" << escaped(what) << "</text>\n";
  }
  void bar(uint64_t from, uint64_t to, double at_y, double height, const std::string& colour,
           const std::string& title) {
    const double width = std::max(x(to) - x(from), 0.5);
    body_ << "<rect x=\"" << number(x(from)) << "\" y=\"" << number(at_y) << "\" width=\"" << number(width)
          << "\" height=\"" << number(height) << "\" fill=\"" << colour << "\"><title>" << escaped(title)
          << "</title></rect>\n";
  }
  void square(double at_x, double at_y, const std::string& colour) {
    body_ << "<rect x=\"" << number(at_x) << "\" y=\"" << number(at_y)
          << "\" width=\"10\" height=\"10\" fill=\"" << colour << "\"/>\n";
  }
  void line(uint64_t at, double from_y, double to_y, const std::string& label) {
    body_ << "<line x1=\"" << number(x(at)) << "\" x2=\"" << number(x(at)) << "\" y1=\"" << number(from_y)
          << "\" y2=\"" << number(to_y) << "\" stroke=\"#444\" stroke-dasharray=\"3,3\"/>\n";
    text(x(at), to_y + 14, label, "end", 11);
  }
  std::string done(double height) const {
    return "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" + number(kWidth) + "\" height=\"" +
           number(height) +
           "\" font-family=\"sans-serif\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n" +
           body_.str() + "</svg>\n";
  }

 private:
  const uint64_t end_ns_;
  std::ostringstream body_;
};

std::string milliseconds(uint64_t ns) {
  return number(static_cast<double>(ns) / 1e6) + " ms";
}

void legend(Picture& picture) {
  double at = kLeft;
  for (size_t step = 0; step < kColours.size(); ++step) {
    const std::string name = recovery_step_name(static_cast<RecoveryStep>(step));
    picture.square(at, 43, kColours[step]);
    picture.text(at + 14, 52, name, "start", 11);
    at += 34 + 7 * static_cast<double>(name.size());
  }
}

std::vector<RecoveredDatabase> longest(const RecoveryMember& member) {
  std::vector<RecoveredDatabase> all = member.statistics.databases;
  std::stable_sort(all.begin(), all.end(), [](const RecoveredDatabase& a, const RecoveredDatabase& b) {
    return a.to_ns - a.from_ns > b.to_ns - b.from_ns;
  });
  if (all.size() > kDatabasesShown) all.resize(kDatabasesShown);
  return all;
}

double draw_member(Picture& picture, const RecoveryMember& member,
                   const std::map<uint32_t, std::string>& names, double y) {
  const uint64_t began = began_ns(member);
  picture.text(kLeft - 8, y + kNodeHeight * 0.7, "node " + std::to_string(member.pnn), "end", 13);
  uint64_t from = 0;
  for (size_t step = 0; step < kColours.size(); ++step) {
    const uint64_t to = member.statistics.step_ns[step];
    if (to <= from) continue;
    picture.bar(
        began + from, began + to, y, kNodeHeight, kColours[step],
        std::string(recovery_step_name(static_cast<RecoveryStep>(step))) + ": " + milliseconds(to - from));
    from = to;
  }
  y += kNodeHeight + 2;
  for (const RecoveredDatabase& db : longest(member)) {
    const std::string shown = name_of(names, db.db_id);
    picture.text(kLeft - 8, y + kDatabaseHeight * 0.8, shown, "end", 9);
    picture.bar(began + db.from_ns, began + db.to_ns, y, kDatabaseHeight - 3, "#888888",
                shown + ": " + std::to_string(db.claimed) + " claimed, " + std::to_string(db.decided) +
                    " decided, " + std::to_string(db.assigned) + " promoted");
    y += kDatabaseHeight;
  }
  return y + kGap;
}

double draw_left(Picture& picture, uint32_t pnn, double y) {
  picture.text(kLeft - 8, y + kNodeHeight * 0.7, "node " + std::to_string(pnn), "end", 13);
  picture.text(kLeft, y + kNodeHeight * 0.7, "left", "start", 11);
  return y + kNodeHeight + kGap;
}

}  // namespace

uint64_t began_ns(const RecoveryMember& member) {
  const uint64_t prepared = member.statistics.step_ns[static_cast<size_t>(RecoveryStep::kPrepared)];
  return member.reported_ns > prepared ? member.reported_ns - prepared : 0;
}

std::string recovery_picture(const RecoveryRecord& record, const std::map<uint32_t, std::string>& names) {
  Picture picture(record.opened_ns);
  picture.text(16, 24, "Recovery to generation " + std::to_string(record.generation) + ": " + record.reason,
               "start", 15);
  legend(picture);
  double y = kTop;
  for (const RecoveryMember& member : record.members) y = draw_member(picture, member, names, y);
  for (uint32_t pnn : record.left) y = draw_left(picture, pnn, y);
  picture.line(record.decided_ns, kTop - 6, y, "decided " + milliseconds(record.decided_ns));
  picture.line(record.opened_ns, kTop - 6, y + 14, "open " + milliseconds(record.opened_ns));
  return picture.done(y + 46);
}

}  // namespace ctdb::cli
