// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-store/backend/tdb_repair.h"

#include <algorithm>
#include <vector>

#include "libctdbipc/base/hash.h"

namespace ctdb {
namespace {

struct Place {
  uint32_t at;
  uint32_t size;
  uint32_t chain;
  uint32_t hash;
  bool live;
};

class Repair {
 public:
  Repair(const TdbImage& image, bool lossless) : image_(image), lossless_(lossless) {}

  TdbFindings run() {
    for (uint32_t chain = 0; chain < image_.chains(); ++chain) look_at_chain(chain);
    std::vector<Place> all = places_;
    if (!look_at_free_list(all) || !covers_the_file(all)) found_.free_list_wrong = true;
    if (lossless_ && found_.lost_records()) {
      found_.repaired = false;
    } else if (!found_.sound()) {
      rebuild();
    }
    mark_records();
    return found_;
  }

 private:
  bool is_right(TdbBlock& block, uint32_t chain) const {
    return TdbImage::has_record(block) && image_.chain_of(block.hash) == chain &&
           TdbImage::size_at_end(block) == TdbImage::size(block) &&
           jenkins_hash(TdbImage::key(block)) == block.hash;
  }
  // The first live block of a key is the record.
  bool is_second(size_t first_of_chain, TdbBlock& block) const {
    const auto is_same = [&](const Place& place) {
      return place.live && place.hash == block.hash &&
             std::ranges::equal(TdbImage::key(*image_.block(place.at)), TdbImage::key(block));
    };
    return std::any_of(places_.begin() + static_cast<ptrdiff_t>(first_of_chain), places_.end(), is_same);
  }

  void look_at_chain(uint32_t chain) {
    const size_t first = places_.size();
    bool circle = false;
    const bool whole = image_.walk(chain, [&](uint32_t at, TdbBlock& block) {
      circle = std::any_of(places_.begin() + static_cast<ptrdiff_t>(first), places_.end(),
                           [at](const Place& place) { return place.at == at; });
      if (circle) return false;
      bool live = block.kind == kTdbLive;
      if (live && !is_right(block, chain)) {
        ++found_.records_wrong;
        return true;
      }
      if (live && (is_filler(block) || is_second(first, block))) {
        publish_word(block.kind, kTdbDead);
        ++found_.left_over;
        live = false;
      }
      places_.push_back({at, TdbImage::size(block), chain, block.hash, live});
      return true;
    });
    if (circle || !whole) ++found_.chains_cut;
  }

  bool look_at_free_list(std::vector<Place>& all) const {
    uint32_t left = image_.end() / sizeof(TdbBlock);
    for (uint32_t at = image_.free_head(); at != 0;) {
      TdbBlock* block = image_.block(at);
      if (block == nullptr || left-- == 0 || block->kind != kTdbFree ||
          TdbImage::size_at_end(*block) != TdbImage::size(*block))
        return false;
      all.push_back({at, TdbImage::size(*block), 0, 0, false});
      at = block->next;
    }
    return true;
  }

  bool covers_the_file(std::vector<Place>& all) const {
    std::ranges::sort(all, {}, &Place::at);
    uint32_t at = image_.first();
    for (const Place& place : all) {
      if (place.at != at) return false;
      at += place.size;
    }
    return at == image_.end();
  }

  // Only live blocks are kept. Chains first: whoever comes after a death in the middle of this finds no more than before.
  void rebuild() {
    std::erase_if(places_, [](const Place& place) { return !place.live; });
    drop_overlaps();
    for (uint32_t chain = 0, next = 0; chain < image_.chains(); ++chain) {
      uint32_t* link = &image_.head(chain);
      for (; next < places_.size() && places_[next].chain == chain; ++next) {
        publish_word(*link, places_[next].at);
        link = &image_.block(places_[next].at)->next;
      }
      publish_word(*link, 0);
    }
    std::ranges::sort(places_, {}, &Place::at);
    free_the_rest();
  }

  // One of two blocks that share bytes has a wrong length; which one cannot be known, so the one that begins first stays.
  void drop_overlaps() {
    std::vector<Place> sorted = places_;
    std::ranges::sort(sorted, {}, &Place::at);
    std::vector<uint32_t> wrong;
    uint32_t end = 0;
    for (const Place& place : sorted) {
      if (place.at < end) {
        wrong.push_back(place.at);
      } else {
        end = place.at + place.size;
      }
    }
    found_.records_wrong += static_cast<uint32_t>(wrong.size());
    std::erase_if(places_, [&](const Place& place) { return std::ranges::binary_search(wrong, place.at); });
  }

  void free_the_rest() {
    uint32_t* link = &image_.free_head();
    uint32_t at = image_.first();
    TdbBlock* before = nullptr;
    const auto free_until = [&](uint32_t end) {
      const uint32_t gap = end - at;
      if (gap == 0) return;
      if (gap >= sizeof(TdbBlock) + kTdbBlockEnd) {
        auto& block = image_.raw(at);
        block = {0, gap - static_cast<uint32_t>(sizeof(TdbBlock)), 0, 0, 0, kTdbFree};
        end_block(block);
        publish_word(*link, at);
        link = &block.next;
      } else if (before != nullptr) {
        before->room += gap;
        end_block(*before);
      } else {
        found_.repaired = false;
      }
    };
    for (const Place& place : places_) {
      free_until(place.at);
      before = image_.block(place.at);
      at = place.at + place.size;
    }
    free_until(image_.end());
    publish_word(*link, 0);
  }

  void mark_records() {
    found_.there.resize(image_.chains());
    for (const Place& place : places_) {
      if (place.live) found_.there[place.chain] += RecordFile::mark_of(place.hash);
    }
  }

  static void end_block(TdbBlock& block) {
    store(TdbImage::bytes(block) + block.room - kTdbBlockEnd, TdbImage::size(block));
  }

  const TdbImage& image_;
  const bool lossless_;
  TdbFindings found_;
  std::vector<Place> places_;  // by chain, in the chain's order
};

}  // namespace

std::string TdbFindings::text() const {
  std::string text;
  const auto add = [&text](const std::string& what) { text += (text.empty() ? "" : ", ") + what; };
  if (chains_cut > 0) add(std::to_string(chains_cut) + " chain(s) that led nowhere");
  if (records_wrong > 0) add(std::to_string(records_wrong) + " record(s) that made no sense");
  if (free_list_wrong) add("a free list that was not right");
  return text;
}

TdbFindings examine_and_repair(const TdbImage& image, bool lossless) {
  return Repair(image, lossless).run();
}

}  // namespace ctdb
