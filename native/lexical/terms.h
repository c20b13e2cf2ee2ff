// Terms of texts as 64-bit keys: what postings are sorted by. Two of ten million terms have the same key with a
// probability of three in a million.
#pragma once

#include <cstdint>
#include <vector>

namespace resift {

struct Keys {
  std::vector<std::uint64_t> keys;     // of all texts, one after the other, repetitions included
  std::vector<std::int64_t> lengths;  // how many of them each text has
};

// What a code point is to them; the analyzer in Python fills the table.
enum class Kind : std::uint8_t { separates, word, cjk, left_out };

// The terms of `texts` texts that stand one after the other in `points`, `lengths[i]` code points each: characters and
// pairs of CJK runs, and of other words marked character 4-grams, or the words themselves. `kinds` has a byte for every
// code point of Unicode.
Keys text_keys(const std::uint32_t* points, const std::int64_t* lengths, std::int64_t texts, const std::uint8_t* kinds,
               bool whole_words);

// The keys of whole terms, laid out as above.
std::vector<std::uint64_t> term_keys(const std::uint32_t* points, const std::int64_t* lengths, std::int64_t terms);

}  // namespace resift
