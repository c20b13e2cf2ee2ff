// The layout of int8 and bf16 weights, one for all instruction sets (see kernel.h), and rows quantised to meet them.
// Included by a kernel file, after its vec_*.h.

namespace resift {
namespace {

constexpr int kWide = 32;       // outputs in a panel
constexpr int kRowHeader = 64;  // bytes before a quantised row: its scale, and room to keep it aligned

inline int padded(int k) { return (k + 63) / 64 * 64; }

inline size_t panel_bytes_int8(int k) { return static_cast<size_t>(kWide) * padded(k); }
inline size_t panel_bytes_bf16(int k) { return 2 * panel_bytes_int8(k); }

// An odd number of cache lines, so that neighbouring rows fall into different sets.
inline size_t row_stride(size_t bytes) { return bytes / 64 % 2 == 0 ? bytes + 64 : bytes; }

// Rows are float or (uint16_t) bfloat16.
inline Vec fetch(const float* x) { return vload(x); }
inline Vec fetch(const uint16_t* x) { return vload_bf16(x); }
inline Vec fetch_n(const float* x, int n) { return vload_n(x, n); }
inline Vec fetch_n(const uint16_t* x, int n) {
  uint16_t part[kLanes] = {};
  for (int i = 0; i < n; ++i) part[i] = x[i];
  return vload_bf16(part);
}

// (x[j] - shift[j]) * smooth[j], where `w` has these vectors; x itself without `w`.
template <class X>
Vec moved(const X* x, const Packed* w, int j, int n) {
  Vec v = fetch_n(x + j, n);
  if (w == nullptr) return v;
  if (w->shift != nullptr) v = vsub(v, vload_n(w->shift + j, n));
  return w->smooth == nullptr ? v : vmul(v, vload_n(w->smooth + j, n));
}

// `moved` for a whole vector.
template <class X>
Vec moved(const X* x, const float* shift, const float* smooth, int j) {
  Vec v = fetch(x + j);
  if (shift != nullptr) v = vsub(v, vload(shift + j));
  return smooth == nullptr ? v : vmul(v, vload(smooth + j));
}

// The largest |moved x[j]|; not-a-number when there is one.
template <class X>
float largest(const X* x, const Packed* w, int k) {
  const float* shift = w == nullptr ? nullptr : w->shift;
  const float* smooth = w == nullptr ? nullptr : w->smooth;
  Vec top = vset(0.0f), other = top;  // two, so that one comparison need not wait for the other
  int j = 0;
  for (; j + 2 * kLanes <= k; j += 2 * kLanes) {
    top = vtop_abs(top, moved(x, shift, smooth, j));
    other = vtop_abs(other, moved(x, shift, smooth, j + kLanes));
  }
  for (; j < k; j += kLanes) top = vtop_abs(top, moved(x, w, j, k - j < kLanes ? k - j : kLanes));
  return vtop_of_abs(vtop_abs(top, other));
}

// Scale and factor of a symmetric quantisation to [-127, 127]. Numbers too small for the factor to be finite become 0.
// Subtle: an infinite number makes the scale not-a-number, since what the others were rounded to means nothing then.
struct Range {
  explicit Range(float top) : scale(top / 127.0f + (top - top)), factor(top > 1e-35f ? 127.0f / top : 0.0f) {}
  float scale, factor;
};

template <class X>
Vec scaled(const X* x, const Packed* w, int j, int n, Vec factor) {
  return vmul(moved(x, w, j, n), factor);
}

// x to bytes, filled up with zeros to a multiple of 64. Every 64 bytes begin `line` bytes after the last.
template <class X>
void quantise(const X* x, const Packed* w, int k, float factor, int flip, uint8_t* out, size_t line = 64) {
  const float* shift = w == nullptr ? nullptr : w->shift;
  const float* smooth = w == nullptr ? nullptr : w->smooth;
  const Vec f = vset(factor);
  for (int from = 0; from < padded(k); from += 64, out += line) {
    int i = 0;
    for (; i < 64 && from + i + kLanes <= k; i += kLanes) {
      vstore_i8(out + i, vmul(moved(x, shift, smooth, from + i), f), flip);
    }
    for (; i < 64; i += kLanes) {
      const int j = from + i, n = k - j < kLanes ? k - j : kLanes;
      vstore_i8(out + i, n > 0 ? scaled(x, w, j, n, f) : vset(0.0f), flip);
    }
  }
}

inline size_t row_bytes_int8(int k) { return row_stride(static_cast<size_t>(kRowHeader + padded(k))); }

template <int kFlip>
void prepare_int8(const float* x, size_t ldx, int first, int rows, const Packed& w, void* out) {
  const size_t stride = row_bytes_int8(w.k);
  uint8_t* to = static_cast<uint8_t*>(out) + first * stride;
  for (int r = 0; r < rows; ++r, x += ldx, to += stride) {
    const Range range(largest(x, &w, w.k));
    *reinterpret_cast<float*>(to) = range.scale;
    quantise(x, &w, w.k, range.factor, kFlip, to + kRowHeader);
  }
}

inline void pack_panel_int8(const float* weights, int rows, int k, void* out, float* scale, int32_t* sums) {
  int8_t* panel = static_cast<int8_t*>(out);
  for (int o = 0; o < kWide; ++o) {
    const float* row = weights + static_cast<size_t>(o) * static_cast<size_t>(k);
    const Range range(o < rows ? largest(row, nullptr, k) : 0.0f);
    int32_t sum = 0;
    for (int from = 0; from < padded(k); from += 64) {
      alignas(64) int8_t part[64] = {};
      const int n = k - from < 64 ? k - from : 64;
      if (o < rows) quantise(row + from, nullptr, n, range.factor, 0, reinterpret_cast<uint8_t*>(part));
      for (int j = 0; j < 64; ++j) {
        panel[static_cast<size_t>(from + j) / 4 * (4 * kWide) + static_cast<size_t>(4 * o + j % 4)] = part[j];
        sum += part[j];
      }
    }
    if (o < rows) {
      scale[o] = range.scale;
      sums[o] = sum;
    }
  }
}

// Round to nearest, ties to even; a finite number that is too large becomes infinite.
inline uint16_t to_bf16(float x) {
  uint32_t bits;
  __builtin_memcpy(&bits, &x, sizeof bits);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>(bits >> 16 | 0x40u);  // not a number: keep it so
  return static_cast<uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

inline void pack_panel_bf16(const float* weights, int rows, int k, void* out, float*, int32_t*) {
  uint16_t* panel = static_cast<uint16_t*>(out);
  for (int o = 0; o < kWide; ++o) {
    const float* row = weights + static_cast<size_t>(o) * static_cast<size_t>(k);
    for (int j = 0; j < padded(k); ++j) {
      panel[static_cast<size_t>(j) / 2 * (2 * kWide) + static_cast<size_t>(2 * o + j % 2)] =
          o < rows && j < k ? to_bf16(row[j]) : static_cast<uint16_t>(0);
    }
  }
}

// Whole sums to a product: the scale of a row stands before it.
inline Vec scaled_sums(Vec sums, const Packed& w, int column, const uint8_t* row) {
  const Vec scale = vmul(vset(*reinterpret_cast<const float*>(row)), vload(w.scale + column));
  return vfma(sums, scale, vload(w.bias + column));
}

}  // namespace
}  // namespace resift
