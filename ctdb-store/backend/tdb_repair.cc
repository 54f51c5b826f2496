// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-store/backend/tdb_repair.h"

#include <algorithm>
#include <cstring>
#include <set>
#include <utility>
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

// A live block that stands, or ends, where no word is (is_full()).
struct Misplaced {
  uint32_t chain;
  uint32_t hash;
  Bytes key, data;
};

uint32_t room_for(const Misplaced& record) {
  const auto bytes = static_cast<uint32_t>(record.key.size() + record.data.size());
  return (bytes + 3) / 4 * 4 + kTdbBlockEnd;
}

class Repair {
 public:
  Repair(const TdbImage& image, bool lossless) : image_(image), lossless_(lossless) {}

  TdbFindings run() {
    for (uint32_t chain = 0; chain < image_.chains(); ++chain) look_at_chain(chain);
    std::vector<Place> all = places_;
    if (!look_at_free_list(all) || !covers_the_file(all)) found_.free_list_wrong = true;
    found_.records_moved = static_cast<uint32_t>(misplaced_.size());
    if (lossless_ && found_.lost_records()) {
      found_.repaired = false;
    } else if (!found_.sound()) {
      rebuild();
      put_back();
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
  bool is_second(size_t first_of_chain, uint32_t hash, ByteView key) const {
    const auto in_place = [&](const Place& place) {
      return place.live && place.hash == hash &&
             std::ranges::equal(TdbImage::key(*image_.block(place.at)), key);
    };
    const auto misplaced = [&](const Misplaced& record) {
      return record.hash == hash && std::ranges::equal(record.key, key);
    };
    return std::any_of(places_.begin() + static_cast<ptrdiff_t>(first_of_chain), places_.end(), in_place) ||
           std::any_of(misplaced_.begin() + first_misplaced_, misplaced_.end(), misplaced);
  }

  // As image_.walk(), and over blocks at wrong places.
  template <typename Visit>
  bool walk(uint32_t chain, Visit&& visit) {
    const size_t first = places_.size();
    uint32_t left = image_.end() / sizeof(TdbBlock);
    for (uint32_t place = image_.head(chain); place != 0;) {
      TdbBlock* found = image_.block(place);
      if (left-- == 0) return false;
      if (found == nullptr) {
        if (!is_full(image_) || !take_misplaced(chain, first, place)) return false;
        continue;
      }
      if (found->kind != kTdbLive && found->kind != kTdbDead) return false;
      const uint32_t next = found->next;
      if (!visit(place, *found)) return true;
      place = next;
    }
    return true;
  }

  // `place` becomes that of the next one.
  bool take_misplaced(uint32_t chain, size_t first_of_chain, uint32_t& place) {
    if (place < image_.first() || image_.end() - place < sizeof(TdbBlock) || place > image_.end())
      return false;
    const auto* at = reinterpret_cast<const uint8_t*>(&image_.raw(image_.first())) + (place - image_.first());
    TdbBlock block;
    std::memcpy(&block, at, sizeof block);
    const uint32_t left = UINT32_MAX - place - static_cast<uint32_t>(sizeof block);
    if (block.room < kTdbBlockEnd || block.room > left || !TdbImage::has_record(block)) return false;
    if (block.kind != kTdbLive && block.kind != kTdbDead) return false;
    if (!misplaced_at_.insert(place).second) return false;  // a circle
    place = block.next;
    if (block.kind == kTdbDead) return true;
    const ByteView key(at + sizeof block, block.key_size), data(key.data() + key.size(), block.data_size);
    if (image_.chain_of(block.hash) != chain || jenkins_hash(key) != block.hash) {
      ++found_.records_wrong;
    } else if (!is_filler(key, data) && !is_second(first_of_chain, block.hash, key)) {
      misplaced_.push_back({chain, block.hash, to_bytes(key), to_bytes(data)});
    }
    return true;
  }

  void look_at_chain(uint32_t chain) {
    const size_t first = places_.size();
    first_misplaced_ = std::ssize(misplaced_);
    bool circle = false;
    const bool whole = walk(chain, [&](uint32_t at, TdbBlock& block) {
      circle = std::any_of(places_.begin() + static_cast<ptrdiff_t>(first), places_.end(),
                           [at](const Place& place) { return place.at == at; });
      if (circle) return false;
      bool live = block.kind == kTdbLive;
      if (live && !is_right(block, chain)) {
        ++found_.records_wrong;
        return true;
      }
      if (live && (is_filler(block) || is_second(first, block.hash, TdbImage::key(block)))) {
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

  // Where rebuild() has found room. Their old places end behind the last word, so there is less room by one at most.
  void put_back() {
    found_.records_moved = 0;
    for (const Misplaced& record : misplaced_) {
      const uint32_t place = place_with(room_for(record));
      if (place == 0) {
        ++found_.records_wrong;
        continue;
      }
      TdbBlock& block = image_.raw(place);
      block.next = image_.head(record.chain);
      block.key_size = static_cast<uint32_t>(record.key.size());
      block.data_size = static_cast<uint32_t>(record.data.size());
      block.hash = record.hash;
      block.kind = kTdbLive;
      std::ranges::copy(record.key, TdbImage::bytes(block));
      std::ranges::copy(record.data, TdbImage::bytes(block) + record.key.size());
      publish_word(image_.head(record.chain), place);
      places_.push_back({place, TdbImage::size(block), record.chain, record.hash, true});
      ++found_.records_moved;
    }
  }

  // Out of the free list, a block with that room or a little more; 0: there is none. The last one has the room that misplaced ones left.
  uint32_t place_with(uint32_t room) {
    if (last_free_ == nullptr) {
      last_free_ = &image_.free_head();
      while (*last_free_ != 0 && image_.block(*last_free_)->next != 0)
        last_free_ = &image_.block(*last_free_)->next;
    }
    if (const uint32_t place = take_free(*last_free_, room); place != 0) return place;
    for (uint32_t* link = &image_.free_head(); *link != 0; link = &image_.block(*link)->next) {
      if (const uint32_t place = take_free(*link, room); place != 0) return place;
    }
    return 0;
  }

  // From the block that `link` leads to; 0: it is too small.
  uint32_t take_free(uint32_t& link, uint32_t room) {
    constexpr uint32_t kLeastRest = sizeof(TdbBlock) + kTdbBlockEnd;
    if (link == 0 || image_.block(link)->room < room) return 0;
    TdbBlock& free = *image_.block(link);
    if (free.room - room < kLeastRest) {
      last_free_ = nullptr;
      return std::exchange(link, free.next);
    }
    free.room -= static_cast<uint32_t>(sizeof(TdbBlock)) + room;
    end_block(free);
    const uint32_t place = link + TdbImage::size(free);
    TdbBlock& taken = image_.raw(place);
    taken.room = room;
    end_block(taken);
    return place;
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
  std::vector<Misplaced> misplaced_;
  uint32_t* last_free_ = nullptr;  // the link to it, in the file
  ptrdiff_t first_misplaced_ = 0;  // of the chain that is looked at
  std::set<uint32_t> misplaced_at_;
};

}  // namespace

std::string TdbFindings::text() const {
  std::string text;
  const auto add = [&text](const std::string& what) { text += (text.empty() ? "" : ", ") + what; };
  if (chains_cut > 0) add(std::to_string(chains_cut) + " chain(s) that led nowhere");
  if (records_wrong > 0) add(std::to_string(records_wrong) + " record(s) that made no sense");
  if (records_moved > 0)
    add(std::to_string(records_moved) + " record(s) at places where only libtdb finds them");
  if (free_list_wrong) add("a free list that was not right");
  return text;
}

TdbFindings examine_and_repair(const TdbImage& image, bool lossless) {
  return Repair(image, lossless).run();
}

}  // namespace ctdb
