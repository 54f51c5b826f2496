// SPDX-License-Identifier: GPL-3.0-or-later
// The rules of open files: share modes row by row, names and tokens, and all of it against a model that is a list of opens.
#include "libctdbshare/opendb/rules.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "libctdbipc/base/random.h"
#include "libctdbshare/opendb/leases.h"

namespace ctdb_share::open_files {
namespace {

constexpr uint32_t kRead = 0x1, kWrite = 0x2, kAppend = 0x4, kExecute = 0x20, kDelete = 0x10000,
                   kReadControl = 0x20000;
constexpr ServerId kServer = {1, 100, 7}, kOther = {2, 200, 8};

Entry entry_of(uint64_t handle, uint32_t access, uint32_t share, ServerId server = kServer) {
  return {server, handle, access, share, 0, 0};
}

TEST(ShareModes, WhatOneDoesTheOtherMustShare) {
  const std::pair<uint32_t, uint32_t> needs[] = {{kRead, kShareRead},
                                                 {kExecute, kShareRead},
                                                 {kWrite, kShareWrite},
                                                 {kAppend, kShareWrite},
                                                 {kDelete, kShareDelete}};
  for (const auto& [access, needed] : needs) {
    for (const auto& [other, other_needed] : needs) {
      EXPECT_FALSE(exclude_each_other(access, other_needed, other, needed));
      EXPECT_TRUE(exclude_each_other(access, kShareAll & ~other_needed, other, kShareAll)) << access << other;
      EXPECT_TRUE(exclude_each_other(access, kShareAll, other, kShareAll & ~needed)) << access << other;
    }
  }
}

TEST(ShareModes, WhoTouchesNoDataIsInNobodysWay) {
  for (const uint32_t access : {uint32_t{0}, kStat, kReadControl}) {
    EXPECT_FALSE(exclude_each_other(access, 0, kRead | kWrite | kDelete, 0)) << access;
    EXPECT_FALSE(exclude_each_other(kRead | kWrite | kDelete, 0, access, 0)) << access;
  }
  EXPECT_TRUE(is_stat(kStat));
  EXPECT_FALSE(is_stat(kStat | kReadControl));
}

TEST(ShareModes, MasksThatCannotBe) {
  EXPECT_TRUE(possible(0x11FF, kShareAll));
  EXPECT_FALSE(possible(0x80000000, 0)) << "generic";
  EXPECT_FALSE(possible(0x2000000, 0)) << "maximum allowed";
  EXPECT_FALSE(possible(kRead, 8));
}

TEST(OpenFiles, ANameStaysAsLongAsSomebodyHasIt) {
  Record record;
  const Entry first = add(record, entry_of(1, kRead, kShareAll), "one");
  const Entry second = add(record, entry_of(2, kRead, kShareAll), "two");
  const Entry third = add(record, entry_of(3, kRead, kShareAll, kOther), "two");
  EXPECT_EQ(record.names, (std::vector<std::string>{"one", "two"}));
  add_token(record, third, true, "bytes");
  remove(record, first);
  EXPECT_EQ(record.names, std::vector<std::string>{"two"});
  EXPECT_EQ(find(record, kOther, 3)->name, 0u) << "it has moved up";
  ASSERT_NE(pending_token(record, 0), nullptr) << "so has its token";
  EXPECT_EQ(pending_token(record, 0)->bytes, "bytes");
  remove(record, *find(record, kServer, second.handle));
  remove(record, *find(record, kOther, third.handle));
  EXPECT_EQ(record, Record{});
}

TEST(OpenFiles, ARenamedFileKeepsWhatItHas) {
  Record record;
  const Entry first = add(record, entry_of(1, kRead, kShareAll), "one");
  const Entry second = add(record, entry_of(2, kRead, kShareAll, kOther), "one");
  add(record, entry_of(3, kRead, kShareAll), "two");
  add_token(record, first, false, "bytes");
  EXPECT_EQ(openers_of(record, 0), (std::vector<ServerId>{kServer, kOther}));
  rename(record, 0, "three");
  EXPECT_EQ(record.names, (std::vector<std::string>{"three", "two"}));
  EXPECT_TRUE(closes_with_token(record, first));
  rename(record, 0, "two");
  EXPECT_EQ(record.names, std::vector<std::string>{"two"});
  for (const uint64_t handle : std::initializer_list<uint64_t>{1, 3})
    EXPECT_EQ(find(record, kServer, handle)->name, 0u);
  EXPECT_EQ(find(record, kOther, second.handle)->name, 0u);
  ASSERT_EQ(record.tokens.size(), 1u);
  EXPECT_EQ(record.tokens[0].name, 0u);
  rename(record, 0, "two");
  EXPECT_EQ(record.names, std::vector<std::string>{"two"});
}

TEST(OpenFiles, OneTokenOfANameIsPending) {
  Record record;
  const Entry first = add(record, entry_of(1, kDelete, kShareAll), "n");
  const Entry second = add(record, entry_of(2, kDelete, kShareAll), "n");
  add_token(record, first, false, "first");
  EXPECT_TRUE(closes_with_token(record, first));
  EXPECT_FALSE(closes_with_token(record, second));
  EXPECT_EQ(pending_token(record, 0), nullptr) << "not before it is closed";
  add_token(record, second, true, "second");
  add_token(record, second, true, "third");
  EXPECT_TRUE(let_pend(record, first));
  EXPECT_EQ(pending_token(record, 0)->bytes, "third");
  EXPECT_TRUE(remove_pending(record, 0));
  EXPECT_FALSE(remove_pending(record, 0));
  EXPECT_TRUE(record.tokens.empty());
  EXPECT_FALSE(let_pend(record, first));
}

TEST(OpenFiles, TheDeadLoseWhatWasThereWhenTheyWereAskedFor) {
  Record record;
  add(record, entry_of(1, kWrite, 0, kOther), "n");
  const uint64_t last = last_handle(record, kOther);
  const Entry back = add(record, entry_of(2, kRead, kShareAll, kOther), "n");
  const Entry mine = add(record, entry_of(1, kRead, kShareAll), "n");
  EXPECT_TRUE(remove_dead(record, kOther, last));
  EXPECT_EQ(record.entries.size(), 2u);
  EXPECT_EQ(record.entries[0], back);
  EXPECT_EQ(record.entries[1], mine);
  EXPECT_FALSE(excluded_by(record, kWrite, kShareAll).for_good) << "the summary is that of who is left";
  EXPECT_FALSE(remove_dead(record, kOther, last));
}

// All opens as they came.
class Model {
 public:
  struct Open {
    Entry entry;
    std::string name;
    std::optional<std::string> token;
  };

  const Open* excluded_by(uint32_t access, uint32_t share) const {
    for (const Open& open : opens_) {
      if (clash(access, open.entry.share) || clash(open.entry.access, share)) {
        if (works(access) && works(open.entry.access)) return &open;
      }
    }
    return nullptr;
  }
  void open(const Open& open) { opens_.push_back(open); }
  bool has(const std::string& name) const {
    return std::ranges::any_of(opens_, [&](const Open& open) { return open.name == name; });
  }
  // Forgets it, and what is pending for the name if it was the last one.
  void close(size_t at) {
    const Open gone = opens_[at];
    opens_.erase(opens_.begin() + static_cast<ptrdiff_t>(at));
    if (gone.token && !pending.contains(gone.name)) pending[gone.name] = *gone.token;
    if (!has(gone.name)) pending.erase(gone.name);
  }
  void rename(const std::string& name, const std::string& new_name) {
    for (Open& open : opens_) open.name = open.name == name ? new_name : open.name;
  }
  const std::vector<Open>& opens() const { return opens_; }

  std::map<std::string, std::string> pending;

 private:
  static bool works(uint32_t access) {
    return (access & (kRead | kExecute | kWrite | kAppend | kDelete)) != 0;
  }
  static bool clash(uint32_t access, uint32_t share) {
    return ((access & (kRead | kExecute)) != 0 && (share & kShareRead) == 0) ||
           ((access & (kWrite | kAppend)) != 0 && (share & kShareWrite) == 0) ||
           ((access & kDelete) != 0 && (share & kShareDelete) == 0);
  }
  std::vector<Open> opens_;
};

void expect_same(const Record& record, const Model& model) {
  ASSERT_EQ(record.entries.size(), model.opens().size());
  for (size_t at = 0; at < model.opens().size(); ++at) {
    const Model::Open& open = model.opens()[at];
    const Entry entry = record.entries[at];
    ASSERT_EQ(record.names[entry.name], open.name);
    ASSERT_EQ(entry.server, open.entry.server);
    ASSERT_EQ(entry.handle, open.entry.handle);
    ASSERT_EQ(closes_with_token(record, entry), open.token.has_value());
  }
  for (const std::string& name : record.names) {
    const Token* const token = pending_token(record, *find_name(record, name));
    ASSERT_EQ(token != nullptr, model.pending.contains(name));
    if (token != nullptr) {
      ASSERT_EQ(token->bytes, model.pending.at(name));
    }
  }
}

Model::Open at_random(ctdb::Random& random, uint64_t handle) {
  const uint32_t bits[] = {kRead, kWrite, kAppend, kExecute, kDelete, kReadControl, 0x80};
  uint32_t access = 0;
  for (const uint32_t bit : bits) access |= random.one_in(4) ? bit : 0;
  const uint32_t share = random.one_in(3) ? kShareAll : static_cast<uint32_t>(random.below(8));
  Model::Open open{entry_of(handle, access, share, random.one_in(2) ? kServer : kOther),
                   std::string(1, static_cast<char>('a' + random.below(3))), std::nullopt};
  if (random.one_in(4)) open.token = std::to_string(handle);
  return open;
}

TEST(OpenFiles, AreWhatAListOfOpensSays) {
  ctdb::Random random(20260502);
  Model model;
  Record record;
  int opened = 0, refused = 0, deleted = 0;
  for (uint64_t step = 1; step <= 20000; ++step) {
    if (model.opens().size() < 6 && random.one_in(2)) {
      const Model::Open open = at_random(random, step);
      const Model::Open* const by = model.excluded_by(open.entry.access, open.entry.share);
      const auto found = excluded_by(record, open.entry.access, open.entry.share).for_good;
      ASSERT_EQ(found.has_value(), by != nullptr) << "step " << step;
      ++(by == nullptr ? opened : refused);
      if (by != nullptr) {
        ASSERT_EQ(found->handle, by->entry.handle);
        continue;
      }
      const Entry made = add(record, open.entry, open.name);
      if (open.token) add_token(record, made, false, *open.token);
      model.open(open);
    } else if (!model.opens().empty()) {
      const size_t at = random.below(model.opens().size());
      const Model::Open open = model.opens()[at];
      const Entry entry = *find(record, open.entry.server, open.entry.handle);
      if (random.one_in(8)) {
        add_token(record, entry, true, "set");
        model.pending[open.name] = "set";
      } else if (random.one_in(8)) {
        ASSERT_EQ(remove_pending(record, entry.name), model.pending.erase(open.name) > 0);
      } else if (model.pending.empty() && random.one_in(8)) {
        const std::string new_name(1, static_cast<char>('a' + random.below(4)));
        rename(record, entry.name, new_name);
        model.rename(open.name, new_name);
      } else {
        deleted += let_pend(record, entry) ? 1 : 0;
        remove(record, entry);
        model.close(at);
      }
    }
    expect_same(record, model);
    Record again;
    std::string why;
    ASSERT_TRUE(decode(encode(record), &again, &why)) << why;
    ASSERT_EQ(again, record) << "step " << step;
  }
  EXPECT_GT(opened, 1000);
  EXPECT_GT(refused, 1000);
  EXPECT_GT(deleted, 100);
}

}  // namespace
}  // namespace ctdb_share::open_files
