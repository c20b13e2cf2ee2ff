// Inverted lists of up to 65536 documents: which documents hold a term, and how often.
//
// A document is a slot, its place in the segment. The terms are sorted keys; the postings of terms[i] are
// slots[offsets[i] .. offsets[i + 1]), ascending, with their counts beside them. Counts have 1, 2 or 4 bytes, as the
// largest one needs. `peaks` has the largest count of each term.
#pragma once

#include <cstdint>
#include <vector>

namespace resift {

constexpr std::int64_t kMostSlots = 65536;

// Whole numbers of 1, 2 or 4 bytes.
struct Counts {
  const void* data;
  int width;

  std::uint32_t operator[](std::size_t i) const {
    if (width == 1) return static_cast<const std::uint8_t*>(data)[i];
    if (width == 2) return static_cast<const std::uint16_t*>(data)[i];
    return static_cast<const std::uint32_t*>(data)[i];
  }
};

// Somebody else's memory, perhaps of a damaged file: offsets were checked, slots are not before check_slots.
struct PostingsView {
  const std::uint64_t* terms;
  const std::uint32_t* offsets;  // [term_count + 1]
  const std::uint16_t* slots;    // [posting_count]
  Counts counts;                 // [posting_count]
  Counts peaks;                  // [term_count]
  std::int64_t term_count, posting_count, documents;
};

struct Postings {
  std::vector<std::uint64_t> terms;
  std::vector<std::uint32_t> offsets;
  std::vector<std::uint16_t> slots;
  std::vector<std::uint32_t> counts;
  std::vector<std::uint32_t> peaks;
};

// Documents as keys one after the other, `lengths[slot]` each. Throws std::length_error for more than the format holds.
Postings invert(const std::uint64_t* keys, const std::int64_t* lengths, std::int64_t documents);

struct MergePart {
  PostingsView view;
  const std::int32_t* places;  // new slot of each slot, ascending where it is not -1 (left out)
  std::int64_t documents;
};

Postings merge(const std::vector<MergePart>& parts);

// Throws std::out_of_range where a posting of a row is of no document: before slots are used as places in memory.
// Mapped files are not read whole when they are opened, so this is for each list when it is walked.
void check_slots(const PostingsView& view, std::int64_t row);

// The row of a key, or -1. Keys are spread evenly, so the first guess is close.
std::int64_t find_term(const PostingsView& view, std::uint64_t key);

// Documents that hold the term of a row, less those whose byte in `dead` is set (may be null).
std::int64_t holders(const PostingsView& view, std::int64_t row, const std::uint8_t* dead);

}  // namespace resift
