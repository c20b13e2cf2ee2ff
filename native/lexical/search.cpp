#include "lexical/search.h"

#include <algorithm>
#include <limits>

namespace resift {

namespace {

constexpr std::size_t kBlock = 32;
constexpr std::int64_t kLong = 2048;   // before a list of so many documents, it pays to find out who may be left out
constexpr std::int64_t kSparse = 32;  // a list this much longer than there are candidates is searched, not walked

// One list into the sums. Quotients of a block are taken together, which compilers make vectors of.
template <class Count>
void walk(const std::uint16_t* slots, const Count* counts, std::size_t size, float weight, const float* norms,
          float* sums) {
  float tops[kBlock], parts[kBlock];
  std::size_t i = 0;
  for (; i + kBlock <= size; i += kBlock) {
    for (std::size_t j = 0; j < kBlock; ++j) {
      tops[j] = static_cast<float>(counts[i + j]);
      parts[j] = norms[slots[i + j]];
    }
    for (std::size_t j = 0; j < kBlock; ++j) parts[j] = weight * (tops[j] / (tops[j] + parts[j]));
    for (std::size_t j = 0; j < kBlock; ++j) sums[slots[i + j]] += parts[j];
  }
  for (; i < size; ++i) {
    const float count = static_cast<float>(counts[i]);
    sums[slots[i]] += weight * (count / (count + norms[slots[i]]));
  }
}

void walk(const PostingsView& view, std::int64_t row, float weight, const float* norms, float* sums) {
  check_slots(view, row);
  const std::size_t first = view.offsets[row], size = view.offsets[row + 1] - first;
  const std::uint16_t* slots = view.slots + first;
  if (view.counts.width == 1) {
    walk(slots, static_cast<const std::uint8_t*>(view.counts.data) + first, size, weight, norms, sums);
  } else if (view.counts.width == 2) {
    walk(slots, static_cast<const std::uint16_t*>(view.counts.data) + first, size, weight, norms, sums);
  } else {
    walk(slots, static_cast<const std::uint32_t*>(view.counts.data) + first, size, weight, norms, sums);
  }
}

// One list into the sums of the candidates alone, ascending slots that are each searched from the last one found.
void probe(const PostingsView& view, std::int64_t row, float weight, const float* norms,
           const std::vector<std::int32_t>& candidates, float* sums) {
  const std::uint16_t* at = view.slots + view.offsets[row];
  const std::uint16_t* end = view.slots + view.offsets[row + 1];
  for (const std::int32_t slot : candidates) {
    std::ptrdiff_t step = 1;
    const std::uint16_t* low = at;
    while (end - low > step && low[step] < slot) {
      low += step;
      step *= 2;
    }
    at = std::lower_bound(low, std::min(end, low + step + 1), slot);
    if (at == end) return;
    if (*at != slot) continue;
    const float count = static_cast<float>(view.counts[static_cast<std::size_t>(at - view.slots)]);
    sums[slot] += weight * (count / (count + norms[slot]));
  }
}

// More than rounding takes from a sum of so many terms, as a share of it.
float slack_of(std::int64_t terms) { return 1e-5f + 2.4e-7f * static_cast<float>(terms); }

// The most that the terms from each one on can add to a document.
std::vector<float> bounds_of(const PostingsView& view, const LexicalQuery& query) {
  const float more = 1 + slack_of(query.terms);
  std::vector<float> rest(static_cast<std::size_t>(query.terms) + 1, 0.0f);
  for (std::int64_t i = query.terms - 1; i >= 0; --i) {
    float bound = 0;
    if (query.rows[i] >= 0) {
      const float peak = static_cast<float>(view.peaks[static_cast<std::size_t>(query.rows[i])]);
      bound = query.weights[i] * (peak / (peak + query.least_norm)) * more;
    }
    rest[static_cast<std::size_t>(i)] = rest[static_cast<std::size_t>(i) + 1] + bound;
  }
  return rest;
}

// The slots whose sum is at least `bound`, of all documents.
std::vector<std::int32_t> collect(const float* sums, std::int64_t documents, float bound, const std::uint8_t* mask) {
  std::vector<std::int32_t> slots;
  const auto size = static_cast<std::size_t>(documents);
  for (std::size_t start = 0; start < size; start += kBlock) {
    const std::size_t end = std::min(size, start + kBlock);
    if (end - start == kBlock) {  // most blocks have none; compilers make a vector of this
      int any = 0;
      for (std::size_t j = 0; j < kBlock; ++j) any |= sums[start + j] >= bound;
      if (any == 0) continue;
    }
    for (std::size_t slot = start; slot < end; ++slot) {
      if (sums[slot] >= bound && (mask == nullptr || mask[slot] != 0)) slots.push_back(static_cast<std::int32_t>(slot));
    }
  }
  return slots;
}

// Without branches: half of them would be guessed wrong.
void keep_above(std::vector<std::int32_t>& slots, const float* sums, float bound) {
  std::size_t kept = 0;
  for (const std::int32_t slot : slots) {
    slots[kept] = slot;
    kept += sums[slot] >= bound ? 1 : 0;
  }
  slots.resize(kept);
}

void keep_best(std::vector<std::int32_t>& slots, const float* sums, std::int64_t top_k) {
  if (static_cast<std::int64_t>(slots.size()) <= top_k) return;
  std::nth_element(slots.begin(), slots.begin() + top_k, slots.end(), [&](std::int32_t a, std::int32_t b) {
    return sums[a] != sums[b] ? sums[a] > sums[b] : a < b;
  });
  slots.resize(static_cast<std::size_t>(top_k));
}

}  // namespace

FoundSlots search_postings(const PostingsView& view, const float* norms, std::int64_t documents,
                           const LexicalQuery& query, const Allowed& allowed) {
  FoundSlots found;
  if (documents == 0 || query.terms == 0 || query.top_k <= 0) return found;
  thread_local std::vector<float> memory;
  memory.assign(static_cast<std::size_t>(documents), 0.0f);
  float* sums = memory.data();
  constexpr float kSome = std::numeric_limits<float>::min();
  const float least = query.least * (1 - slack_of(query.terms));
  const std::vector<float> rest = bounds_of(view, query);

  // A document can be left out once its sum and the most that the rest can add are below what is wanted. As long as
  // that is true of none, or too few lists are long, lists are walked; then `candidates` are all that matter.
  std::vector<std::int32_t> candidates;
  bool chosen = allowed.slots != nullptr;
  if (chosen) candidates.assign(allowed.slots, allowed.slots + allowed.count);
  for (std::int64_t term = 0; term < query.terms; ++term) {
    const std::int64_t row = query.rows[term];
    if (row < 0) continue;
    const auto size = static_cast<std::int64_t>(view.offsets[row + 1] - view.offsets[row]);
    const float missing = least - rest[static_cast<std::size_t>(term)];
    if (size > kLong && missing > 0) {
      if (chosen) {
        keep_above(candidates, sums, missing);
      } else {
        candidates = collect(sums, documents, missing, allowed.mask);
        chosen = true;
      }
      if (candidates.empty()) return found;
    }
    if (chosen && size > kSparse * static_cast<std::int64_t>(candidates.size())) {
      probe(view, row, query.weights[term], norms, candidates, sums);
    } else {
      walk(view, row, query.weights[term], norms, sums);
    }
  }
  const float wanted = std::max(query.least, kSome);
  if (chosen) {
    keep_above(candidates, sums, wanted);
  } else {
    candidates = collect(sums, documents, wanted, allowed.mask);
  }
  keep_best(candidates, sums, query.top_k);
  found.scores.reserve(candidates.size());
  for (const std::int32_t slot : candidates) found.scores.push_back(sums[slot]);
  found.slots = std::move(candidates);
  return found;
}

}  // namespace resift
