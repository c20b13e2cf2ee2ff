#include "lexical/terms.h"

#include <algorithm>

namespace resift {

namespace {

constexpr std::uint32_t kEdge = '_';
constexpr std::size_t kGram = 4;

// One round per code point, a permutation of the 64 bits (the mixing step of splitmix64, Steele et al. 2014).
std::uint64_t add_point(std::uint64_t key, std::uint32_t point) {
  key = (key + point + 1) * 0x9e3779b97f4a7c15ULL;
  key = (key ^ (key >> 30)) * 0xbf58476d1ce4e5b9ULL;
  return key ^ (key >> 27);
}

std::uint64_t key_of(const std::uint32_t* points, std::size_t size) {
  std::uint64_t key = size;
  for (std::size_t i = 0; i < size; ++i) key = add_point(key, points[i]);
  return key;
}

// The terms of one run of characters that are no CJK, which begins and ends with a mark.
void add_word(const std::vector<std::uint32_t>& marked, bool whole, std::vector<std::uint64_t>& keys) {
  if (whole) {
    keys.push_back(key_of(&marked[1], marked.size() - 2));
    return;
  }
  if (marked.size() < kGram) {
    keys.push_back(key_of(marked.data(), marked.size()));
    return;
  }
  for (std::size_t i = 0; i + kGram <= marked.size(); ++i) keys.push_back(key_of(&marked[i], kGram));
}

}  // namespace

Keys text_keys(const std::uint32_t* points, const std::int64_t* lengths, std::int64_t texts, const std::uint8_t* kinds,
               bool whole_words) {
  Keys found;
  found.lengths.reserve(static_cast<std::size_t>(texts));
  std::vector<std::uint32_t> run;  // the word in work, with its first mark
  for (std::int64_t text = 0; text < texts; ++text) {
    const std::size_t before = found.keys.size();
    const std::uint32_t* end = points + lengths[text];
    const auto end_word = [&] {
      if (run.empty()) return;
      run.push_back(kEdge);
      add_word(run, whole_words, found.keys);
      run.clear();
    };
    std::uint32_t previous = 0;  // character of the CJK run in work; 0 outside of one
    for (; points < end; ++points) {
      const std::uint32_t point = *points;
      switch (static_cast<Kind>(kinds[point])) {
        case Kind::left_out:
          break;
        case Kind::separates:
          end_word();
          previous = 0;
          break;
        case Kind::word:
          if (run.empty()) run.push_back(kEdge);
          run.push_back(point);
          previous = 0;
          break;
        case Kind::cjk: {
          end_word();
          found.keys.push_back(key_of(&point, 1));
          const std::uint32_t pair[2] = {previous, point};
          if (previous != 0) found.keys.push_back(key_of(pair, 2));
          previous = point;
          break;
        }
      }
    }
    end_word();
    found.lengths.push_back(static_cast<std::int64_t>(found.keys.size() - before));
  }
  return found;
}

std::vector<std::uint64_t> term_keys(const std::uint32_t* points, const std::int64_t* lengths, std::int64_t terms) {
  std::vector<std::uint64_t> keys(static_cast<std::size_t>(terms));
  for (auto& key : keys) {
    const auto size = static_cast<std::size_t>(*lengths++);
    key = key_of(points, size);
    points += size;
  }
  return keys;
}

}  // namespace resift
