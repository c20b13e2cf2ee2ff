// The best documents of one segment for a weighted set of terms, by BM25's saturation of counts.
#pragma once

#include <cstdint>
#include <vector>

#include "lexical/postings.h"

namespace resift {

struct LexicalQuery {
  const std::int64_t* rows;  // [terms], of the segment; -1 where it has no such term
  const float* weights;      // [terms], above 0; the order is that of the sums
  std::int64_t terms;
  float least_norm;  // no document's norm is below it
  float least;       // documents below it are not wanted
  std::int64_t top_k;
};

// Documents that may be found: all where both are null, those whose byte is set, or the ascending list.
struct Allowed {
  const std::uint8_t* mask;    // [documents]
  const std::int32_t* slots;   // [count]
  std::int64_t count;
};

struct FoundSlots {
  std::vector<std::int32_t> slots;
  std::vector<float> scores;
};

// A document's score is sum(weight * count / (count + norms[slot])), in the order of the terms whatever is skipped, so
// it does not depend on `least`, `top_k` or `allowed`. Those found are the best `top_k` by (-score, slot), in no order.
FoundSlots search_postings(const PostingsView& view, const float* norms, std::int64_t documents,
                           const LexicalQuery& query, const Allowed& allowed);

}  // namespace resift
