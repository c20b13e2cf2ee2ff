#include "lexical/postings.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <numeric>
#include <queue>
#include <stdexcept>
#include <utility>

namespace resift {

namespace {

constexpr std::uint64_t kMostPostings = std::numeric_limits<std::uint32_t>::max();

// Keys -> numbers from 0 in order of first sight: open addressing, linear probing.
class Numbers {
 public:
  Numbers() { grow(1 << 12); }

  std::uint32_t operator[](std::uint64_t key) {
    if ((keys.size() + 1) * 2 > places_.size()) grow(places_.size() * 2);
    std::size_t place = key & mask_;  // keys are well mixed
    while (places_[place].number != kFree) {
      if (places_[place].key == key) return places_[place].number;
      place = (place + 1) & mask_;
    }
    places_[place] = {key, static_cast<std::uint32_t>(keys.size())};
    keys.push_back(key);
    return places_[place].number;
  }

  std::vector<std::uint64_t> keys;

 private:
  static constexpr std::uint32_t kFree = std::numeric_limits<std::uint32_t>::max();
  struct Place {
    std::uint64_t key = 0;
    std::uint32_t number = kFree;
  };

  void grow(std::size_t size) {
    places_.assign(size, {});
    mask_ = size - 1;
    for (std::size_t i = 0; i < keys.size(); ++i) {
      std::size_t place = keys[i] & mask_;
      while (places_[place].number != kFree) place = (place + 1) & mask_;
      places_[place] = {keys[i], static_cast<std::uint32_t>(i)};
    }
  }

  std::vector<Place> places_;
  std::size_t mask_ = 0;
};

struct Entry {
  std::uint32_t term, count;
  std::uint16_t slot;
};

struct Latest {
  std::size_t entry = 0;
  std::int64_t slot = -1;
  std::uint32_t entries = 0;
};

}  // namespace

Postings invert(const std::uint64_t* keys, const std::int64_t* lengths, std::int64_t documents) {
  if (documents > kMostSlots) throw std::length_error("a segment holds at most 65536 documents");
  Numbers numbers;
  std::vector<Entry> entries;
  std::vector<Latest> latest;
  for (std::int64_t slot = 0; slot < documents; ++slot) {
    for (std::int64_t i = 0; i < lengths[slot]; ++i) {
      const std::uint32_t term = numbers[*keys++];
      if (term == latest.size()) latest.emplace_back();
      Latest& last = latest[term];
      if (last.slot == slot) {
        ++entries[last.entry].count;
        continue;
      }
      last = {entries.size(), slot, last.entries + 1};
      entries.push_back({term, 1, static_cast<std::uint16_t>(slot)});
    }
  }
  if (entries.size() > kMostPostings) throw std::length_error("a segment holds at most 4294967295 postings");

  const std::size_t terms = numbers.keys.size();
  std::vector<std::uint32_t> order(terms);
  std::iota(order.begin(), order.end(), 0u);
  std::sort(order.begin(), order.end(),
            [&](std::uint32_t a, std::uint32_t b) { return numbers.keys[a] < numbers.keys[b]; });
  Postings made;
  made.terms.resize(terms);
  made.offsets.assign(terms + 1, 0);
  made.peaks.assign(terms, 0);
  made.slots.resize(entries.size());
  made.counts.resize(entries.size());
  std::vector<std::uint32_t> next(terms), row(terms);
  for (std::size_t i = 0; i < terms; ++i) {
    const std::uint32_t term = order[i];
    row[term] = static_cast<std::uint32_t>(i);
    made.terms[i] = numbers.keys[term];
    next[term] = made.offsets[i];
    made.offsets[i + 1] = made.offsets[i] + latest[term].entries;
  }
  for (const Entry& entry : entries) {  // in order of slots, so every list is ascending
    const std::uint32_t place = next[entry.term]++;
    made.slots[place] = entry.slot;
    made.counts[place] = entry.count;
    std::uint32_t& peak = made.peaks[row[entry.term]];
    peak = std::max(peak, entry.count);
  }
  return made;
}

Postings merge(const std::vector<MergePart>& parts) {
  using Head = std::pair<std::uint64_t, std::size_t>;  // next key, part
  std::priority_queue<Head, std::vector<Head>, std::greater<>> heads;
  std::vector<std::int64_t> rows(parts.size(), 0);
  std::size_t most = 0;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    most += static_cast<std::size_t>(parts[i].view.posting_count);
    if (parts[i].view.term_count > 0) heads.emplace(parts[i].view.terms[0], i);
  }
  if (most > kMostPostings) throw std::length_error("a segment holds at most 4294967295 postings");
  Postings made;
  made.offsets.push_back(0);
  made.slots.reserve(most);
  made.counts.reserve(most);
  std::vector<std::pair<std::uint16_t, std::uint32_t>> list;
  while (!heads.empty()) {
    const std::uint64_t key = heads.top().first;
    list.clear();
    std::uint32_t peak = 0;
    while (!heads.empty() && heads.top().first == key) {
      const std::size_t at = heads.top().second;
      heads.pop();
      const auto& [view, places, documents] = parts[at];
      const std::int64_t row = rows[at]++;
      check_slots(view, row);
      for (std::uint32_t i = view.offsets[row]; i < view.offsets[row + 1]; ++i) {
        const std::int32_t place = places[view.slots[i]];
        if (place < 0) continue;
        list.emplace_back(static_cast<std::uint16_t>(place), view.counts[i]);
        peak = std::max(peak, view.counts[i]);
      }
      if (rows[at] < view.term_count) heads.emplace(view.terms[rows[at]], at);
    }
    if (list.empty()) continue;
    const auto by_slot = [](const auto& a, const auto& b) { return a.first < b.first; };
    if (!std::is_sorted(list.begin(), list.end(), by_slot)) std::sort(list.begin(), list.end(), by_slot);
    for (const auto& [slot, count] : list) {
      made.slots.push_back(slot);
      made.counts.push_back(count);
    }
    made.terms.push_back(key);
    made.offsets.push_back(static_cast<std::uint32_t>(made.slots.size()));
    made.peaks.push_back(peak);
  }
  return made;
}

void check_slots(const PostingsView& view, std::int64_t row) {
  if (view.documents == kMostSlots) return;  // slots of 16 bits cannot be above
  std::uint16_t most = 0;
  for (std::uint32_t i = view.offsets[row]; i < view.offsets[row + 1]; ++i) most = std::max(most, view.slots[i]);
  if (view.offsets[row] < view.offsets[row + 1] && most >= view.documents) {
    throw std::out_of_range("a posting is of no document");
  }
}

std::int64_t find_term(const PostingsView& view, std::uint64_t key) {
  const std::uint64_t* terms = view.terms;
  const std::int64_t count = view.term_count;
  if (count == 0 || key < terms[0] || key > terms[count - 1]) return -1;
  // Keys are uniform on 64 bits: the guess is off by about the square root of the count. Gallop from there.
  const double share = static_cast<double>(key) / 18446744073709551616.0;
  std::int64_t low = std::clamp(static_cast<std::int64_t>(share * static_cast<double>(count)), std::int64_t{0}, count - 1);
  std::int64_t high = low + 1;
  for (std::int64_t step = 16; low > 0 && terms[low] > key; step *= 2) {
    high = low;
    low = std::max(std::int64_t{0}, low - step);
  }
  for (std::int64_t step = 16; high < count && terms[high] <= key; step *= 2) {
    low = high;
    high = std::min(count, high + step);
  }
  const auto* found = std::lower_bound(terms + low, terms + high, key);
  return found < terms + count && *found == key ? found - terms : -1;
}

std::int64_t holders(const PostingsView& view, std::int64_t row, const std::uint8_t* dead) {
  const std::uint32_t first = view.offsets[row], last = view.offsets[row + 1];
  std::int64_t gone = 0;
  if (dead != nullptr) {
    check_slots(view, row);
    for (std::uint32_t i = first; i < last; ++i) gone += dead[view.slots[i]] != 0;
  }
  return static_cast<std::int64_t>(last - first) - gone;
}

}  // namespace resift
