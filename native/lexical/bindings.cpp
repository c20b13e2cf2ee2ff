#include "lexical/bindings.h"

#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <memory>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "lexical/postings.h"
#include "lexical/search.h"
#include "lexical/terms.h"
#include "without_lock.h"

namespace nb = nanobind;

namespace resift {

namespace {

template <class T>
using Array = nb::ndarray<const T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using AnyCounts = nb::ndarray<nb::ro, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

constexpr std::int64_t kCodePoints = 0x110000;

template <class T>
nb::object array_of(std::vector<T>&& values) {
  auto kept = std::make_unique<std::vector<T>>(std::move(values));
  T* data = kept->data();
  const std::size_t size = kept->size();
  nb::capsule owner(kept.get(), [](void* p) noexcept { delete static_cast<std::vector<T>*>(p); });
  kept.release();
  return nb::cast(nb::ndarray<nb::numpy, T, nb::ndim<1>>(data, {size}, owner));
}

// Both in the fewest bytes that the largest count needs.
std::pair<nb::object, nb::object> counts_of(std::vector<std::uint32_t>&& counts, std::vector<std::uint32_t>&& peaks) {
  const std::uint32_t most = peaks.empty() ? 0 : *std::max_element(peaks.begin(), peaks.end());
  const auto narrow = [&]<class T>(T) {
    return std::pair{array_of(std::vector<T>(counts.begin(), counts.end())),
                     array_of(std::vector<T>(peaks.begin(), peaks.end()))};
  };
  if (most <= 0xff) return narrow(std::uint8_t{});
  if (most <= 0xffff) return narrow(std::uint16_t{});
  return {array_of(std::move(counts)), array_of(std::move(peaks))};
}

nb::tuple arrays_of(Postings&& made) {
  auto [counts, peaks] = counts_of(std::move(made.counts), std::move(made.peaks));
  return nb::make_tuple(array_of(std::move(made.terms)), array_of(std::move(made.offsets)),
                        array_of(std::move(made.slots)), counts, peaks);
}

Counts read_counts(const AnyCounts& array) {
  if (array.dtype() == nb::dtype<std::uint8_t>()) return {array.data(), 1};
  if (array.dtype() == nb::dtype<std::uint16_t>()) return {array.data(), 2};
  if (array.dtype() == nb::dtype<std::uint32_t>()) return {array.data(), 4};
  throw std::invalid_argument("counts must be uint8, uint16 or uint32");
}

void check_lengths(const Array<std::int64_t>& lengths, std::size_t total) {
  std::int64_t sum = 0;
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    if (lengths.data()[i] < 0) throw std::invalid_argument("a length is negative");
    sum += lengths.data()[i];
  }
  if (sum != static_cast<std::int64_t>(total)) {
    throw std::invalid_argument("the lengths add up to " + std::to_string(sum) + ", not to " + std::to_string(total));
  }
}

// Holds the arrays whose memory it reads.
class PyPostings {
 public:
  PyPostings(Array<std::uint64_t> terms, Array<std::uint32_t> offsets, Array<std::uint16_t> slots, AnyCounts counts,
             AnyCounts peaks, std::int64_t documents)
      : documents_(documents),
        terms_(std::move(terms)),
        offsets_(std::move(offsets)),
        slots_(std::move(slots)),
        counts_(std::move(counts)),
        peaks_(std::move(peaks)) {
    if (offsets_.size() != terms_.size() + 1 || peaks_.size() != terms_.size() || counts_.size() != slots_.size() ||
        offsets_.data()[0] != 0 || offsets_.data()[terms_.size()] != slots_.size() ||
        !std::is_sorted(offsets_.data(), offsets_.data() + offsets_.size()) || documents < 0 ||
        documents > kMostSlots) {
      throw std::invalid_argument("the arrays of a segment do not fit together");
    }
    view_ = {terms_.data(),       offsets_.data(),
             slots_.data(),       read_counts(counts_),
             read_counts(peaks_), static_cast<std::int64_t>(terms_.size()),
             static_cast<std::int64_t>(slots_.size()),
             documents};
  }

  nb::object find(const Array<std::uint64_t>& keys) const {
    std::vector<std::int64_t> rows(keys.size());
    for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = find_term(view_, keys.data()[i]);
    return array_of(std::move(rows));
  }

  nb::object count_holders(const Array<std::int64_t>& rows, const std::optional<Array<std::uint8_t>>& dead) const {
    std::vector<std::int64_t> counts(rows.size(), 0);
    check_rows(rows);
    if (dead) check_documents(dead->size(), "dead");
    {
      const WithoutLock others;
      for (std::size_t i = 0; i < counts.size(); ++i) {
        const std::int64_t row = rows.data()[i];
        if (row >= 0) counts[i] = holders(view_, row, dead ? dead->data() : nullptr);
      }
    }
    return array_of(std::move(counts));
  }

  std::pair<nb::object, nb::object> search(const Array<std::int64_t>& rows, const Array<float>& weights,
                                           const Array<float>& norms, float least_norm, float least,
                                           std::int64_t top_k,
                                           const std::optional<Array<std::uint8_t>>& mask,
                                           const std::optional<Array<std::int32_t>>& slots) const {
    if (rows.size() != weights.size()) throw std::invalid_argument("there must be a weight for each row");
    check_documents(norms.size(), "norms");
    if (mask) check_documents(mask->size(), "mask");
    check_rows(rows);
    if (slots) {
      for (std::size_t i = 0; i < slots->size(); ++i) {
        if (slots->data()[i] < 0 || slots->data()[i] >= documents_) throw std::invalid_argument("no such slot");
      }
    }
    const LexicalQuery query{rows.data(), weights.data(), static_cast<std::int64_t>(rows.size()),
                             least_norm,  least,          top_k};
    const Allowed allowed{mask ? mask->data() : nullptr, slots ? slots->data() : nullptr,
                          slots ? static_cast<std::int64_t>(slots->size()) : 0};
    FoundSlots found;
    {
      const WithoutLock others;
      found = search_postings(view_, norms.data(), documents_, query, allowed);
    }
    return {array_of(std::move(found.slots)), array_of(std::move(found.scores))};
  }

  const PostingsView& view() const { return view_; }

  void check_documents(std::size_t size, const char* name) const {
    if (static_cast<std::int64_t>(size) != documents_) {
      throw std::invalid_argument(std::string(name) + " has " + std::to_string(size) + " values for " +
                                  std::to_string(documents_) + " documents");
    }
  }

 private:
  void check_rows(const Array<std::int64_t>& rows) const {
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (rows.data()[i] >= view_.term_count) throw std::invalid_argument("no such row");
    }
  }

  std::int64_t documents_;
  Array<std::uint64_t> terms_;
  Array<std::uint32_t> offsets_;
  Array<std::uint16_t> slots_;
  AnyCounts counts_, peaks_;
  PostingsView view_{};
};

nb::tuple merge_arrays(const std::vector<std::pair<const PyPostings*, Array<std::int32_t>>>& given) {
  std::vector<MergePart> parts;
  for (const auto& [postings, places] : given) {
    postings->check_documents(places.size(), "places");
    for (std::size_t i = 0; i < places.size(); ++i) {
      if (places.data()[i] >= kMostSlots) throw std::invalid_argument("a place is above 65535");
    }
    parts.push_back({postings->view(), places.data(), static_cast<std::int64_t>(places.size())});
  }
  Postings made;
  {
    const WithoutLock others;
    made = merge(parts);
  }
  return arrays_of(std::move(made));
}

nb::tuple invert_arrays(const Array<std::uint64_t>& keys, const Array<std::int64_t>& lengths) {
  check_lengths(lengths, keys.size());
  Postings made;
  {
    const WithoutLock others;
    made = invert(keys.data(), lengths.data(), static_cast<std::int64_t>(lengths.size()));
  }
  return arrays_of(std::move(made));
}

void check_points(const Array<std::uint32_t>& points) {
  for (std::size_t i = 0; i < points.size(); ++i) {
    if (points.data()[i] >= kCodePoints) throw std::invalid_argument("a code point is above 0x10ffff");
  }
}

}  // namespace

void bind_lexical(nb::module_& m) {
  m.def(
      "text_keys",
      [](const Array<std::uint32_t>& points, const Array<std::int64_t>& lengths, const Array<std::uint8_t>& kinds,
         bool whole_words) {
        check_lengths(lengths, points.size());
        check_points(points);
        if (kinds.size() != kCodePoints) throw std::invalid_argument("kinds must have a byte per code point");
        Keys found;
        {
          const WithoutLock others;
          found = text_keys(points.data(), lengths.data(), static_cast<std::int64_t>(lengths.size()), kinds.data(),
                            whole_words);
        }
        return std::pair{array_of(std::move(found.keys)), array_of(std::move(found.lengths))};
      },
      nb::arg("points").noconvert(), nb::arg("lengths").noconvert(), nb::arg("kinds").noconvert(), nb::kw_only(),
      nb::arg("whole_words"));
  m.def(
      "term_keys",
      [](const Array<std::uint32_t>& points, const Array<std::int64_t>& lengths) {
        check_lengths(lengths, points.size());
        return array_of(term_keys(points.data(), lengths.data(), static_cast<std::int64_t>(lengths.size())));
      },
      nb::arg("points").noconvert(), nb::arg("lengths").noconvert());
  m.def("invert", &invert_arrays, nb::arg("keys").noconvert(), nb::arg("lengths").noconvert());
  nb::class_<PyPostings>(m, "Postings")
      .def(nb::init<Array<std::uint64_t>, Array<std::uint32_t>, Array<std::uint16_t>, AnyCounts, AnyCounts, std::int64_t>(),
           nb::arg("terms").noconvert(), nb::arg("offsets").noconvert(), nb::arg("slots").noconvert(),
           nb::arg("counts").noconvert(), nb::arg("peaks").noconvert(), nb::kw_only(), nb::arg("documents"))
      .def("find", &PyPostings::find, nb::arg("keys").noconvert())
      .def("holders", &PyPostings::count_holders, nb::arg("rows").noconvert(), nb::arg("dead").noconvert() = nb::none())
      .def("search", &PyPostings::search, nb::arg("rows").noconvert(), nb::arg("weights").noconvert(),
           nb::arg("norms").noconvert(), nb::kw_only(), nb::arg("least_norm"), nb::arg("least"), nb::arg("top_k"),
           nb::arg("mask").noconvert() = nb::none(), nb::arg("slots").noconvert() = nb::none());
  m.def("merge", &merge_arrays, nb::arg("parts"));
}

}  // namespace resift
